"""A large net memorises a few images, unless dropout removes a part of it in every batch.

Two equal nets see the same 500 images. One is trained as it is; in the other, a random fifth of the hidden units is
dropped in every batch. Each net reconstructs these images better than new ones, and that gap shows how much it has
memorised.

    python demos/dropout.py                                 drawn digits, needs no download, a few minutes
    python demos/dropout.py --data mnist
"""
from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinyae import data, models, params, summary, train
from tinyae.backend import Array, to_host
from tinyae.demo import cli, experiments, images, plots
from tinyae.functions import bce_with_logits
from tinyae.optim import Adam
from tinyae.train import evaluate

FEW = 500
RATES = {"without dropout": 0.0, "with dropout": 0.2}


def run() -> None:
    flags = cli.flags("dropout", __doc__, hidden=[512, 256], latent=64, epochs=100, batch_size=50)
    training, test = cli.images(flags)
    out = cli.folder(flags)

    training, test = (data.Dataset(part.images[:FEW], None) for part in (training, test))
    shape = training.images.shape[1:]
    nets = {name: models.DropoutAutoencoder(math.prod(shape), flags.hidden, flags.latent, rate=rate,
                                            rng=np.random.default_rng(flags.seed), device=flags.device)
            for name, rate in RATES.items()}
    print(summary(nets["with dropout"], (math.prod(shape),)))

    def nats(net: models.DropoutAutoencoder, part: data.Dataset) -> float:
        """Nats per image with no unit dropped (the training loss of an epoch is that of a net with units dropped)."""
        def loss(x: Array) -> Any:
            return bce_with_logits(net.decode(net.encode(x)), x)
        return float(evaluate.over(loss, part.images, flags.device).mean())

    def fit(name: str, **where: Any) -> list[dict[str, Any]]:
        print(f"\n{name}:")
        net = nets[name]
        phase = train.Phase(net.losses, params(net), Adam(params(net), lr=flags.lr), name)
        return train.fit([phase], (training, test), epochs=flags.epochs, batch_size=flags.batch_size, seed=flags.seed,
                         **where, unrolled=flags.unroll, captured=flags.captured)

    histories = [fit("with dropout", out=out, resume=flags.resume, config=vars(flags)), fit("without dropout")]
    figures = {}
    for name, net in nets.items():
        seen, unseen = nats(net, training), nats(net, test)
        figures |= {f"{name}: training images": seen, f"{name}: test images": unseen, f"{name}: gap": unseen - seen}
        print(f"{name}: {seen:.2f} nats on its {len(training.images):,} images, {unseen:.2f} on others, "
              f"a gap of {unseen - seen:.2f}")

    figures["gap with / gap without"] = experiments.ratio(figures["with dropout: gap"], figures["without dropout: gap"])

    shown = next(evaluate.batches(test.images[:10], flags.device))
    rows = [to_host(row) for row in (shown, *(net.reconstruct(shown) for net in nets.values()))]
    images.save_grid(out / "reconstructions.png", np.concatenate(rows), shape, columns=len(shown),
                     title="new images, and their reconstructions " + " and ".join(nets))
    if plots.available():
        plots.learning_curves(histories[0] + histories[1], out / "curves.png")
    experiments.write(out, flags, histories[0] + histories[1], figures)
    cli.show(out)


if __name__ == "__main__":
    cli.main(run)

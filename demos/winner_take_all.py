"""A winner-take-all autoencoder learns strokes, and a linear classifier reads digits from them.

In every batch each unit of the code is kept only for the 5 % of images that activate it most, and is 0 for the others.
The units therefore come to stand for strokes, of which digits consist. The demo draws what each unit adds to an image.
It prints the accuracy of a linear classifier from the codes, and from the pixels alone.

    python demos/winner_take_all.py                         drawn digits, needs no download, a few minutes
    python demos/winner_take_all.py --data mnist --latent 2000 --epochs 5
"""
from __future__ import annotations

import math
from functools import partial

import numpy as np

from tinyae import models, ops, params, summary, train
from tinyae.backend import to_device, to_host
from tinyae.demo import cli, experiments, images, plots, probe
from tinyae.optim import Adam
from tinyae.train import evaluate

LABELLED = 60_000       # training images with labels for the classifier, at most


def run() -> None:
    flags = cli.flags("winner_take_all", __doc__, hidden=[], latent=500, batch_size=100, lr=5e-3)
    training, test = cli.images(flags)
    out = cli.folder(flags)

    shape = training.images.shape[1:]
    model = models.WinnerTakeAll(math.prod(shape), flags.hidden, flags.latent, rng=np.random.default_rng(flags.seed),
                                 device=flags.device)
    print(summary(model, (math.prod(shape),)))

    first = partial(evaluate.first, test.images, flags.device)

    def draw(epoch: int) -> None:
        """Draw the epoch's picture: what each unit adds to the image decoded from a code of zeros."""
        codes = np.concatenate([np.eye(flags.latent, dtype=np.float32)[:100], np.zeros((1, flags.latent), np.float32)])
        drawn = to_host(model.decode(to_device(codes, flags.device)).data)
        images.save_grid(out / f"units-{epoch:03d}.png", images.signed(drawn[:-1] - drawn[-1]), shape,
                         title=f"what each of 100 units adds to an image, after epoch {epoch}")

    phase = train.Phase(model.losses, params(model), Adam(params(model), lr=flags.lr))
    history = train.fit([phase], (training, test), epochs=flags.epochs, batch_size=flags.batch_size, seed=flags.seed,
                        out=out, resume=flags.resume, on_epoch=draw, config=vars(flags),
                        unrolled=flags.unroll, captured=flags.captured)

    shown = ops.sigmoid(model.decode(model.sparse_code(first(1000)))).numpy()[:40]
    images.save_reconstructions(out / "reconstructions.png", to_host(first(len(shown))), shown, shape,
                                title="upper rows: originals · lower rows: drawn by the winners among 1000 images")
    if plots.available():
        plots.learning_curves(history, out / "curves.png")
    figures = {"nats per image": history[-1]["test_reconstruction"],
               "share of the code in use": float((evaluate.over(model.encode, test.images, flags.device) > 0).mean())}
    if training.labels is not None and test.labels is not None:
        some = training.images[:LABELLED]
        for name, f in (("pixels", lambda x: x), ("codes", model.encode)):
            seen, unseen = (evaluate.over(f, part, flags.device) for part in (some, test.images))
            net = probe.fit(seen, training.labels[:LABELLED], seed=flags.seed, device=flags.device)
            figures[f"accuracy from {name}, %"] = probe.accuracy(net, unseen, test.labels, flags.device)
            print(f"a linear classifier gets {figures[f'accuracy from {name}, %']:.2f} % right from the {name}")
    experiments.write(out, flags, history, figures)
    cli.show(out)


if __name__ == "__main__":
    cli.main(run)

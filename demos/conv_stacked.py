"""A convolutional autoencoder is grown layer by layer, and compared with a twin that is trained as a whole.

Each convolution is reversed by its own transpose, with the same kernel. The lowest learns to reconstruct images. Then
it is frozen, and the next learns to reconstruct its maps; finally a dense layer learns to reconstruct theirs. The twin
starts from the same weights and sees the same batches, but trains all layers at once. After every epoch the demo draws
test images after encoding them up to each layer and decoding them again.

    python demos/conv_stacked.py                            drawn digits, needs no download, a few minutes
    python demos/conv_stacked.py --data mnist --hidden 16,32,64
"""
from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinyae import Tensor, models, params, summary, train
from tinyae.backend import Array, Rng, to_host
from tinyae.demo import cli, experiments, images, plots
from tinyae.optim import Adam
from tinyae.tensor import data_of
from tinyae.train import evaluate


def run() -> None:
    flags = cli.flags("conv_stacked", __doc__, hidden=[16, 32], latent=32, epochs=6)
    training, test = cli.images(flags)
    out = cli.folder(flags)

    shape = training.images.shape[1:]
    grown, whole = (models.ConvStacked(shape, flags.hidden, flags.latent, rng=np.random.default_rng(flags.seed),
                                       device=flags.device) for _ in range(2))
    print(summary(whole, (math.prod(shape),)))
    own, layers = params({"grown": grown, "whole": whole}), range(len(grown.pairs))

    def phase(losses: Any, prefix: str, name: str) -> train.Phase:
        mine = {key: p for key, p in own.items() if key.startswith(prefix)}
        return train.Phase(losses, mine, Adam(mine, lr=flags.lr), name)

    def of_layer(i: int) -> Any:
        def losses(x: Array, rng: Rng) -> dict[str, Tensor]:
            return grown.pairs[i].losses(data_of(grown.below(i, x)))
        return losses

    everything = phase(whole.losses, "whole", "whole")
    stages = [(phase(of_layer(i), f"grown.pairs.{i}.", f"layer {i + 1}"), everything) for i in layers]

    def through(net: models.ConvStacked, layer: int, x: Array) -> Array:
        """x, encoded up to this layer (counted from 0) and decoded again."""
        z = net.below(layer + 1, x)
        for pair in reversed(net.pairs[:layer + 1]):
            z = pair.decode(z)
        return data_of(z)

    errors: dict[str, dict[int, float]] = {"grown": {}, "whole": {}}       # by epoch

    def draw(epoch: int) -> str:
        """Draw the epoch's picture; return the error of both nets, for the epoch's line."""
        shown = evaluate.first(test.images, flags.device, 10)
        rows = [to_host(row) for row in (shown, *(through(grown, i, shown) for i in layers), whole.reconstruct(shown))]
        images.save_grid(out / f"layers-{epoch:03d}.png", np.concatenate(rows), shape, columns=len(shown),
                         title=f"originals, reconstructions through layers 1 to {len(layers)}, and those of the twin")
        for name, net in (("grown", grown), ("whole", whole)):
            errors[name][epoch] = evaluate.squared_error(lambda x, net=net: through(net, layers[-1], x), test.images,
                                                         flags.device)
        return f"all layers: grown {errors['grown'][epoch]:.2f}, whole {errors['whole'][epoch]:.2f}"

    each = max(1, flags.epochs // len(stages))          # the stages share the epochs
    history = train.fit(stages, (training, test), epochs=[each] * len(stages), batch_size=flags.batch_size,
                        seed=flags.seed, out=out, resume=flags.resume, on_epoch=draw, config=vars(flags),
                        unrolled=flags.unroll, captured=flags.captured)

    if plots.available():
        plots.lines({name: (list(y), list(y.values())) for name, y in errors.items()}, out / "errors.png",
                    title="test images, reconstructed through all layers", xlabel="epoch",
                    ylabel="squared error per image")
    figures = {f"squared error by way of layer {i + 1}": evaluate.squared_error(
        lambda x, i=i: through(grown, i, x), test.images, flags.device) for i in layers}
    by_whole = evaluate.squared_error(lambda x: through(whole, layers[-1], x), test.images, flags.device)
    figures["squared error, trained whole"] = by_whole
    figures["grown / whole"] = experiments.ratio(figures[f"squared error by way of layer {len(layers)}"], by_whole)
    for name, value in figures.items():
        print(f"{name:40} {value:.6g}")
    experiments.write(out, flags, history, figures)
    cli.show(out)


if __name__ == "__main__":
    cli.main(run)

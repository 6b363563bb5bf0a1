"""An autoencoder of convolutions is grown, a layer on the other, beside its twin that is trained whole.

Each convolution goes back by its own transpose, with the same kernel. The lowest learns to give back images; then it
stays as it is, and the next learns to give back its maps; at last a dense layer learns to give back theirs. The twin
starts from the same weights and sees the same batches, all of its layers at once. Drawn after every epoch: what is
left of test images on the way up to each layer and back.

    python demos/conv_stacked.py                            drawn digits, needs no download, some minutes
    python demos/conv_stacked.py --data mnist --hidden 16,32,64
"""
from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinyae import Tensor, data, models, params, summary, train
from tinyae.backend import Array, to_host
from tinyae.demo import cli, experiments, images, plots
from tinyae.optim import Adam
from tinyae.tensor import data_of
from tinyae.train import evaluate


def run() -> None:
    flags = cli.flags("conv_stacked", __doc__, hidden=[16, 32], latent=32, epochs=6)
    training, test = data.load(flags.data, flags.data_dir)
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
        def losses(x: Array, rng: Any) -> dict[str, Tensor]:
            return grown.pairs[i].losses(data_of(grown.below(i, x)))
        return losses

    everything = phase(whole.losses, "whole", "whole")
    stages = [(phase(of_layer(i), f"grown.pairs.{i}.", f"layer {i + 1}"), everything) for i in layers]

    def through(net: models.ConvStacked, layer: int, x: Array) -> Array:
        """x after the way up to this layer (from 0) and back."""
        z = net.below(layer + 1, x)
        for pair in reversed(net.pairs[:layer + 1]):
            z = pair.decode(z)
        return data_of(z)

    errors: dict[str, dict[int, float]] = {"grown": {}, "whole": {}}       # by epoch

    def draw(epoch: int) -> str:
        """The epoch's picture; -> the error of the whole net, for the epoch's line."""
        shown = evaluate.first(test.images, flags.device, 10)
        rows = [to_host(row) for row in (shown, *(through(grown, i, shown) for i in layers), whole.reconstruct(shown))]
        images.save_grid(out / f"layers-{epoch:03d}.png", np.concatenate(rows), shape, columns=len(shown),
                         title=f"originals, then by way of layers 1 to {len(layers)}; last, the twin trained whole")
        for name, net in (("grown", grown), ("whole", whole)):
            errors[name][epoch] = evaluate.squared_error(lambda x, net=net: through(net, layers[-1], x), test.images,
                                                         flags.device)
        return f"of all layers: grown {errors['grown'][epoch]:.2f}, whole {errors['whole'][epoch]:.2f}"

    each = max(1, flags.epochs // len(stages))          # stages share the epochs
    history = train.fit(stages, (training, test), epochs=[each] * len(stages), batch_size=flags.batch_size,
                        seed=flags.seed, out=out, resume=flags.resume, on_epoch=draw, config=vars(flags))

    if plots.available():
        plots.lines({name: (list(y), list(y.values())) for name, y in errors.items()}, out / "errors.png",
                    title="all layers on the test images", xlabel="epoch", ylabel="squared error per image")
    figures = {f"squared error by way of layer {i + 1}": evaluate.squared_error(
        lambda x, i=i: through(grown, i, x), test.images, flags.device) for i in layers}
    by_whole = evaluate.squared_error(lambda x: through(whole, layers[-1], x), test.images, flags.device)
    figures["squared error, trained whole"] = by_whole
    figures["grown / whole"] = figures[f"squared error by way of layer {len(layers)}"] / by_whole
    for name, value in figures.items():
        print(f"{name:40} {value:.6g}")
    experiments.write(out, flags, history, figures)
    cli.show(out)


if __name__ == "__main__":
    cli.main(run)

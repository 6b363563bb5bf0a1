"""A convolutional autoencoder applies the same small detectors at every place of the image.

Two convolutions with stride 2 reduce 28 x 28 pixels to 14 x 14 and 7 x 7 places, and a Dense layer makes the code;
transposed convolutions lead back to the image. The demo draws test images with their reconstructions and the weights of
the first layer. It prints the squared error next to that of a dense autoencoder with a code of the same size, trained
on the same batches.

    python demos/conv_autoencoder.py                            drawn digits, needs no download, a few minutes
    python demos/conv_autoencoder.py --data fashion-mnist --hidden 32,64
    python demos/conv_autoencoder.py --latent 2                 adds a map of the codes
"""
from __future__ import annotations

import math
from functools import partial

import numpy as np

from tinyae import models, params, summary, train
from tinyae.backend import to_host
from tinyae.demo import cli, experiments, images, plots
from tinyae.layers import Conv2D
from tinyae.optim import Adam
from tinyae.train import evaluate

DENSE = (256, 128)      # hidden widths of the dense autoencoder for comparison


def run() -> None:
    flags = cli.flags("conv_autoencoder", __doc__, hidden=[16, 32], latent=20, epochs=5)
    training, test = cli.images(flags)
    out = cli.folder(flags)

    shape = training.images.shape[1:]
    settings = {"device": flags.device, "rng": np.random.default_rng(flags.seed)}
    model = models.ConvAutoencoder(shape, flags.hidden, flags.latent, **settings)
    dense = models.Autoencoder(math.prod(shape), DENSE, flags.latent, **settings)
    print(summary(model, (math.prod(shape),)))

    first = partial(evaluate.first, test.images, flags.device)

    def draw(epoch: int) -> None:
        shown = first(40)
        images.save_reconstructions(out / f"reconstructions-{epoch:03d}.png", to_host(shown),
                                    to_host(model.reconstruct(shown)), shape)

    nets = {"conv": model, "dense": dense}
    own = {name: params({name: net}) for name, net in nets.items()}
    phases = tuple(train.Phase(net.losses, own[name], Adam(own[name], lr=flags.lr), name) for name, net in nets.items())
    history = train.fit([phases], (training, test), epochs=flags.epochs, batch_size=flags.batch_size, seed=flags.seed,
                        out=out, resume=flags.resume, on_epoch=draw, config=vars(flags),
                        unrolled=flags.unroll, captured=flags.captured)

    units = next(layer for layer in model.encoder if isinstance(layer, Conv2D)).W.numpy()       # (3, 3, c, k)
    images.save_grid(out / "units.png", images.signed(np.moveaxis(units.mean(axis=2), -1, 0).reshape(-1, 9)), (3, 3),
                     title="weights of each unit of the first layer, positive white and negative black")
    if plots.available():
        plots.learning_curves(history, out / "curves.png")
        if flags.latent == 2:
            codes = model.encode(first(10_000)).numpy()
            plots.latent_map(codes, None if test.labels is None else test.labels[:len(codes)], out / "latents.png")
    figures = {"parameters": sum(p.size for p in own["conv"].values()),
               "parameters, dense": sum(p.size for p in own["dense"].values())}
    for name, row in zip(("", ", dense"), history[-2:], strict=True):       # one row for each phase
        figures[f"nats per image{name}"] = row["test_reconstruction"]
    for name, net in (("", model), (", dense", dense)):
        figures[f"squared error{name}"] = evaluate.squared_error(net.reconstruct, test.images, flags.device)
    for name, value in figures.items():
        print(f"{name:24} {value:.6g}")
    experiments.write(out, flags, history, figures)
    cli.show(out)


if __name__ == "__main__":
    cli.main(run)

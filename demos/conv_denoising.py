"""Convolutions remove noise by looking at the neighbours of each pixel; a dense net looks at all pixels.

The neighbours of a bright pixel show whether it is noise or part of a stroke, by the same rule everywhere in the image.
A dense net has to learn this rule separately for every pixel. A convolutional net learns it once, with a fiftieth of
the weights. Both see the same batches, with noise of standard deviation 0.5. The demo draws clean images, noisy images
and the reconstructions by both nets.

    python demos/conv_denoising.py                          drawn digits, needs no download, a few minutes
    python demos/conv_denoising.py --data fashion-mnist
    python demos/conv_denoising.py --hidden 32,64 --latent 64
"""
from __future__ import annotations

import math

import numpy as np

from tinyae import models, params, summary, train
from tinyae.backend import Array, generator, to_host
from tinyae.demo import cli, experiments, images, plots
from tinyae.optim import Adam
from tinyae.train import evaluate

DENSE = (500,), 250      # hidden widths and code of the dense net


def run() -> None:
    flags = cli.flags("conv_denoising", __doc__, hidden=[32], latent=32, epochs=5)
    training, test = cli.images(flags)
    out = cli.folder(flags)

    shape = training.images.shape[1:]
    settings = {"device": flags.device, "rng": np.random.default_rng(flags.seed)}
    nets = {"convolutions": models.ConvDenoising(shape, flags.hidden, flags.latent, **settings),
            "dense": models.Denoising(math.prod(shape), *DENSE, **settings)}
    print(summary(nets["convolutions"], (math.prod(shape),)))

    def noisy(x: Array) -> Array:
        """x with noise, the same noise in every call."""
        return nets["dense"].corrupt(x, generator(flags.seed, flags.device))

    def draw(epoch: int) -> None:
        clean = evaluate.first(test.images, flags.device, 10)
        rows = [clean, noisy(clean), *(net.reconstruct(noisy(clean)) for net in nets.values())]
        images.save_grid(out / f"denoised-{epoch:03d}.png", np.concatenate([to_host(row) for row in rows]), shape,
                         columns=len(clean), title="clean, noisy, and denoised: " + ", ".join(nets))

    own = {name: params({name: net}) for name, net in nets.items()}
    phases = tuple(train.Phase(net.losses, own[name], Adam(own[name], lr=flags.lr), name) for name, net in nets.items())
    history = train.fit([phases], (training, test), epochs=flags.epochs, batch_size=flags.batch_size, seed=flags.seed,
                        out=out, resume=flags.resume, on_epoch=draw, config=vars(flags),
                        unrolled=flags.unroll, captured=flags.captured)

    if plots.available():
        plots.learning_curves(history, out / "curves.png", unit="squared error per image")
    copied = evaluate.squared_error(noisy, test.images, flags.device)
    figures = {"error of a copy": copied}
    for name, row in zip(nets, history[-2:], strict=True):              # one row for each phase
        figures[f"{name}: squared error"] = row["test_reconstruction"]
        figures[f"{name}: error / that of a copy"] = experiments.ratio(row["test_reconstruction"], copied)
        figures[f"{name}: parameters"] = sum(p.size for p in own[name].values())
    for name, value in figures.items():
        print(f"{name:40} {value:.6g}")
    experiments.write(out, flags, history, figures)
    cli.show(out)


if __name__ == "__main__":
    cli.main(run)

"""A sparse autoencoder has more code units than it needs and may use only a few of them for each image.

Its code has 1000 numbers, more than an image has pixels, so it could copy the image. A penalty prevents this: each unit
may be on for only one image in ten. To describe an image with the few units that are left, each unit has to stand for a
feature. The demo draws these features, and how often each unit is on.

    python demos/sparse.py                                  drawn digits, needs no download, a few minutes
    python demos/sparse.py --latent 300 --epochs 5          faster
"""
from __future__ import annotations

import math
from functools import partial

import numpy as np

from tinyae import models, params, summary, train
from tinyae.backend import to_device, to_host
from tinyae.demo import cli, experiments, images, plots
from tinyae.optim import Adam
from tinyae.train import evaluate

# The weights of the penalty; 3 is Ng's. The textbook's 0.2 per pixel, the model's default, is too large: the mean of a
# unit that is on or off varies by chance from batch to batch, and the penalty for that keeps all units near 0.1,
# whatever the image.
WEIGHTS = {"kl": 3.0, "l1": None}


def run() -> None:
    flags = cli.flags("sparse", __doc__, hidden=[], latent=1000, lr=3e-3, penalty="kl")
    training, test = cli.images(flags)
    out = cli.folder(flags)

    shape = training.images.shape[1:]
    model = models.Sparse(math.prod(shape), flags.hidden, flags.latent, penalty=flags.penalty,
                          weight=WEIGHTS[flags.penalty], rng=np.random.default_rng(flags.seed), device=flags.device)
    print(summary(model, (math.prod(shape),)))

    first = partial(evaluate.first, test.images, flags.device)

    def draw(epoch: int) -> str:
        """Draw the epoch's pictures; return how active the code is, for the epoch's line."""
        shown = first(40)
        images.save_reconstructions(out / f"reconstructions-{epoch:03d}.png", to_host(shown),
                                    to_host(model.reconstruct(shown)), shape)
        active = to_host(model.encode(first(2000)).data)
        return f"mean activation {active.mean():.3f}, {(active > 0.5).mean():.1%} of the code above 1/2"

    phase = train.Phase(model.losses, params(model), Adam(params(model), lr=flags.lr))
    history = train.fit([phase], (training, test), epochs=flags.epochs, batch_size=flags.batch_size, seed=flags.seed,
                        out=out, resume=flags.resume, on_epoch=draw, config=vars(flags),
                        unrolled=flags.unroll, captured=flags.captured)

    activations = to_host(model.encode(first(10_000)).data)                # (n, latent)
    chosen = np.argsort(-activations.var(axis=0))[:100]                    # those that vary most
    drawn = to_host(model.decode(to_device(np.eye(flags.latent, dtype=np.float32)[chosen], flags.device)).data)
    nothing = to_host(model.decode(to_device(np.zeros((1, flags.latent), np.float32), flags.device)).data)
    images.save_grid(out / "units.png", images.signed(drawn - nothing), shape,
                     title="how each unit changes the image, brighter white and darker black · the 100 that vary most")
    if plots.available():
        plots.learning_curves(history, out / "curves.png")
        plots.histogram(activations.mean(axis=0), out / "activations.png", title="mean activation of each unit",
                        xlabel="mean activation over the test images", ylabel="units",
                        mark=model.target if flags.penalty == "kl" else None)
    experiments.write(out, flags, history, {
        "nats per image": history[-1]["test_reconstruction"], "penalty": history[-1][f"test_{flags.penalty}"],
        "mean activation": activations.mean(), "part of the code above 1/2": (activations > 0.5).mean(),
        "smallest mean of a unit": activations.mean(axis=0).min(),
        "largest mean of a unit": activations.mean(axis=0).max()})
    cli.show(out)


if __name__ == "__main__":
    cli.main(run)

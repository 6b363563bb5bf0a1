"""An autoencoder that removes noise.

It gets noisy images and has to return the clean ones. It is never told where the noise is: every image comes with fresh
noise, so it has to learn what digits look like. A model that copies its input keeps all of the noise, and that is the
error to beat: s^2 per pixel for noise of standard deviation s.

    python demos/denoising.py                               drawn digits, needs no download, a few minutes
    python demos/denoising.py --data fashion-mnist
"""
from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinyae import models, params, summary, train
from tinyae.backend import Array, generator, to_host
from tinyae.demo import cli, experiments, images, plots
from tinyae.optim import Adam
from tinyae.train import evaluate

LEVELS = {"gaussian": (0.25, 0.5, 1.0), "masking": (0.25, 0.5, 0.75)}


def run() -> None:
    flags = cli.flags("denoising", __doc__, hidden=[500], latent=250)
    training, test = cli.images(flags)
    out = cli.folder(flags)

    shape = training.images.shape[1:]
    built = {noise: models.Denoising(math.prod(shape), flags.hidden, flags.latent, noise=noise, device=flags.device,
                                     rng=np.random.default_rng(flags.seed)) for noise in LEVELS}
    print(summary(built["gaussian"], (math.prod(shape),)))

    def noisy(model: models.Denoising, x: Array, level: float) -> Array:
        """x with noise, the same noise in every call."""
        return models.denoising.NOISES[model.noise](x, level, generator(flags.seed, flags.device))

    def draw(model: models.Denoising) -> None:
        clean = next(evaluate.batches(test.images[:10], flags.device))
        rows = [clean]
        for level in LEVELS[model.noise]:
            rows += [noisy(model, clean, level), model.reconstruct(noisy(model, clean, level))]
        levels = ", ".join(f"{level:g}" for level in LEVELS[model.noise])
        images.save_grid(out / f"{model.noise}.png", np.concatenate([to_host(row) for row in rows]), shape,
                         columns=len(clean), title=f"clean, then noisy and denoised · {model.noise} noise of {levels} "
                         f"(trained on {model.level:g})")

    def fit(model: models.Denoising, **where: Any) -> list[dict[str, Any]]:
        phase = train.Phase(model.losses, params(model), Adam(params(model), lr=flags.lr), model.noise)
        return train.fit([phase], (training, test), epochs=flags.epochs, batch_size=flags.batch_size, seed=flags.seed,
                         **where, unrolled=flags.unroll, captured=flags.captured)

    histories = [fit(built["gaussian"], out=out, resume=flags.resume, config=vars(flags)), fit(built["masking"])]

    figures = {}
    for model, history in zip(built.values(), histories, strict=True):
        draw(model)
        copied = evaluate.squared_error(lambda x, m=model: noisy(m, x, m.level), test.images, flags.device)
        name = f"{model.noise} {model.level:g}"
        figures |= {f"{name}: squared error": history[-1]["test_reconstruction"],
                    f"{name}: error of a copy": copied,
                    f"{name}: error / that of a copy": experiments.ratio(history[-1]["test_reconstruction"], copied)}
    if plots.available():
        plots.learning_curves(histories[0] + histories[1], out / "curves.png", unit="squared error per image")
    experiments.write(out, flags, histories[0] + histories[1], figures)
    cli.show(out)


if __name__ == "__main__":
    cli.main(run)

"""A convolutional variational autoencoder learns to draw creatures of 128 x 128 pixels.

Six convolutions halve the picture until 2 x 2 places of 64 channels are left; these give the code, and the mirror
image of it all draws. Every creature is made of 14 numbers that the model is never told; at the end the demo looks how
well each of them can be read from the code, draws the way from one creature to another, and walks along latents.

    python demos/sprites.py                                 drawn creatures, needs no download, ten minutes
    python demos/sprites.py --data FOLDER --epochs 100      your own pictures, all brought to the size of the first
    python demos/sprites.py --latent 32 --device cuda

Shapes come first, then hues, one direction of colour after the other; what a VAE is unsure of, it blurs. Some hundred
pictures it learns by heart: the test loss rises again while the training loss falls (curves.png).
"""
from __future__ import annotations

import math
from functools import partial

import numpy as np

from tinyae import cards, cli, data, diagnose, evaluate, images, models, ops, params, plots, probe, summary, train
from tinyae.backend import generator, to_device, to_host
from tinyae.data.creatures import FACTORS
from tinyae.optim import Adam

LEAK = 0.2          # slope of leaky_relu below 0
SIGMA = 0.05        # of a latent at first
WARM_UP = 3         # epochs until a nat of the code costs a nat


def run() -> None:
    flags = cli.flags("sprites", __doc__, data="creatures", hidden=[32, 64, 64, 64, 64, 64], latent=1000, epochs=8,
                      batch_size=16)
    training, test = data.load(flags.data, flags.data_dir)
    out = cli.folder(flags)

    shape, device = training.images.shape[1:], flags.device
    model = models.ConvVAE(shape, flags.hidden, flags.latent, partial(ops.leaky_relu, slope=LEAK),
                           rng=np.random.default_rng(flags.seed), device=device)
    mean = (training.images.mean(axis=0) / (255 if training.images.dtype == np.uint8 else 1)).ravel()
    spread = float((evaluate.first(training.images, "cpu", 500) - mean).std())
    prepare(model, to_device(mean.astype(np.float32), device), spread)
    print(summary(model, (math.prod(shape),)))
    first = partial(evaluate.first, test.images, device)

    def decoded(z: np.ndarray) -> np.ndarray:
        """z (..., latent) -> images (n, pixels) in [0, 1]."""
        codes = to_device(z.reshape(-1, flags.latent).astype(np.float32), device)
        return ops.sigmoid(model.decode(codes)).numpy()

    def draw(epoch: int) -> str:
        images.save_reconstructions(out / f"reconstructions-{epoch:03d}.png", to_host(first(20)),
                                    to_host(model.reconstruct(first(20))), shape)
        samples = model.sample(generator(flags.seed, device), 40)               # the same codes after every epoch
        images.save_grid(out / f"samples-{epoch:03d}.png", to_host(samples), shape,
                         title=f"decoded from random codes, after epoch {epoch}")
        mu, log_var = model.posterior(first(50))
        return diagnose.latents_in_use(mu.data, log_var.data)

    optimiser, warm = Adam(params(model), lr=flags.lr), min(WARM_UP, flags.epochs - 1)
    betas = [*np.arange(warm) / WARM_UP, 1]
    schedule = [train.Phase(partial(model.losses, beta=beta), params(model), optimiser, "vae") for beta in betas]
    history = train.fit(schedule, (training, test), epochs=[1] * warm + [flags.epochs - warm], seed=flags.seed,
                        batch_size=flags.batch_size, out=out, resume=flags.resume, on_epoch=draw, config=vars(flags))

    if plots.available():
        plots.learning_curves(history, out / "curves.png")
    seen, new = (evaluate.over(model.encode, part.images, device) for part in (training, test))
    one, other = new[:len(new) // 2][:12, None], new[len(new) // 2:][:len(new) // 2][:12, None]
    images.save_grid(out / "interpolation.png", decoded(one + np.linspace(0, 1, 9)[:, None] * (other - one)), shape,
                     columns=9, title="each row: from one test image to another, through the code")
    active = np.argsort(-seen.var(axis=0))[:10]
    walks = np.linspace(-3, 3, 9)[:, None] * np.eye(flags.latent)[active, None]
    images.save_grid(out / "walks.png", decoded(walks), shape, columns=9,
                     title="each row: one latent from -3 to 3, the others 0; the most active latents first")

    pixels = math.prod(shape)
    figures = {
        "nats per image": history[-1]["test_total"], "kl": history[-1]["test_kl"],
        "squared error per pixel": evaluate.squared_error(model.reconstruct, test.images, device) / pixels,
        "squared error per pixel, mean image": np.square(data.batch(test.images, np.arange(len(new))) - mean).mean()}
    if training.factors is not None:
        r2 = probe.r_squared(seen, training.factors, new, test.factors)
        figures |= dict(zip([f"R^2 of {name}" for name in FACTORS], r2, strict=True))
    for name, value in figures.items():
        print(f"{name:40} {value:.4g}")
    cards.write(out, flags, history, figures)
    cli.show(out)


def prepare(model: models.ConvVAE, mean: np.ndarray, spread: float) -> None:
    """Encode (x - mean) / spread, decode around the mean's logits, start from SIGMA."""
    model.body.insert(0, lambda x: (x - mean) / spread)
    model.decoder.append(lambda y: y + np.log((0.003 + mean) / (1.003 - mean)))
    model.log_var.b.data = model.log_var.b.data + np.float32(2 * math.log(SIGMA))


if __name__ == "__main__":
    cli.main(run)

"""A convolutional variational autoencoder learns to draw creatures of 128 x 128 pixels.

Six convolutions halve the picture until 2 x 2 places of 64 channels are left; these give the code, and the mirror
image of it all draws. Every creature is made of 14 numbers that the model is never told; at the end the demo looks how
well each of them can be read from the code. Drawn: test images with their reconstructions, creatures that nobody
made, the way from one creature to another, and what the most active latents do.

    python demos/sprites.py                                 drawn creatures, needs no download, minutes an epoch
    python demos/sprites.py --data FOLDER --epochs 100      your own pictures, all brought to the size of the first
    python demos/sprites.py --latent 32 --device cuda

Shapes come first, as silhouettes; colours take longer than these few epochs, and a hue is a circle: no straight line
through the code reads it. A VAE blurs what it is unsure of. On some hundred pictures it learns them by heart: the test
loss rises again while the training loss falls, and curves.png shows it.
"""
from __future__ import annotations

import math

import numpy as np

from tinyae import cards, cli, data, diagnose, images, models, ops, params, plots, summary, train
from tinyae.backend import Array, generator, to_device, to_host
from tinyae.data.creatures import FACTORS
from tinyae.optim import Adam
from tinyae.tensor import raw

# With leaky_relu the shapes come and the colours hardly: at 32x32, with the reconstruction weighed by 16, one seed, the
# correlation of the colours (less their grey) with those of a training batch after 800 steps is 0.01, with elu 0.50.
ACTIVATION = "elu"
TOGETHER = 50       # images at a time, where nothing is learnt: their activations are large


def run() -> None:
    flags = cli.flags("sprites", __doc__, data="creatures", hidden=[32, 64, 64, 64, 64, 64], latent=1000, epochs=8,
                      batch_size=16)
    training, test = data.load(flags.data, flags.data_dir)
    out = cli.folder(flags)

    shape = training.images.shape[1:]
    model = models.ConvVAE(shape, flags.hidden, flags.latent, ACTIVATION, rng=np.random.default_rng(flags.seed),
                           device=flags.device)
    print(summary(model, (math.prod(shape),)))

    def some(images: Array, first: int = 0, n: int = TOGETHER) -> Array:
        return to_device(data.batch(images, np.arange(first, min(first + n, len(images)))), flags.device)

    def codes(images: Array) -> np.ndarray:
        return np.concatenate([model.encode(some(images, i)).numpy() for i in range(0, len(images), TOGETHER)])

    def decoded(z: np.ndarray) -> np.ndarray:
        z = to_device(z.astype(np.float32), flags.device)
        return np.concatenate([to_host(ops.sigmoid(raw(model.decode(z[i:i + TOGETHER]))))
                               for i in range(0, len(z), TOGETHER)])

    def draw(epoch: int) -> str:
        """The epoch's pictures; -> how many latents are in use, for the epoch's line."""
        shown = some(test.images, n=20)
        images.save_reconstructions(out / f"reconstructions-{epoch:03d}.png", to_host(shown),
                                    to_host(model.reconstruct(shown)), shape)
        samples = model.sample(generator(flags.seed, flags.device), 40)        # the same codes after every epoch
        images.save_grid(out / f"samples-{epoch:03d}.png", to_host(samples), shape,
                         title=f"decoded from random codes, after epoch {epoch}")
        mu, log_var = model.posterior(some(test.images))
        return diagnose.latents_in_use(mu.data, log_var.data)

    phase = train.Phase(model.losses, params(model), Adam(params(model), lr=flags.lr))
    history = train.fit([phase], (training, test), epochs=flags.epochs, batch_size=flags.batch_size, seed=flags.seed,
                        out=out, resume=flags.resume, on_epoch=draw, config=vars(flags))

    if plots.available():
        plots.learning_curves(history, out / "curves.png")
    seen, new = codes(training.images), codes(test.images)
    ends = new[:len(new) // 2 * 2][:12].reshape(2, -1, 1, flags.latent)
    t = np.linspace(0, 1, 9)[:, None]
    images.save_grid(out / "interpolation.png", decoded(((1 - t) * ends[0] + t * ends[1]).reshape(-1, flags.latent)),
                     shape, columns=9, title="each row: from one test image to another, through the code")
    active = np.argsort(-seen.var(axis=0))[:10]
    walks = np.zeros((len(active), 9, flags.latent))
    walks[np.arange(len(active)), :, active] = np.linspace(-3, 3, 9)
    images.save_grid(out / "walks.png", decoded(walks.reshape(-1, flags.latent)), shape, columns=9,
                     title="each row: one latent from -3 to 3, the others 0; the most active latents first")

    x, mean = data.batch(test.images, np.arange(len(test.images))), training.images.mean(axis=0).ravel()
    scale = 255 if training.images.dtype == np.uint8 else 1
    last = history[-1]
    figures = {"nats per image": last["test_total"], "kl": last["test_kl"],
               "squared error per pixel": np.square(decoded(new) - x).mean(),
               "squared error per pixel, mean image": np.square(mean / scale - x).mean()}
    if training.factors is not None:
        used = seen.var(axis=0) > models.vae.ACTIVE
        r2 = r_squared(seen[:, used], training.factors, new[:, used], test.factors)
        figures |= {f"R^2 of {name}": value for name, value in zip(FACTORS, r2, strict=True)}
    for name, value in figures.items():
        print(f"{name:40} {value:.4g}")
    cards.write(out, flags, history, figures)
    cli.show(out)


def r_squared(codes: np.ndarray, factors: np.ndarray, new_codes: np.ndarray, new_factors: np.ndarray) -> np.ndarray:
    """1 - error / variance of each new factor, predicted linearly from its code: 1 is perfect, 0 the mean's."""
    mean = factors.mean(axis=0)
    W = np.linalg.lstsq(codes - codes.mean(axis=0), factors - mean, rcond=1e-6)[0]
    error = new_factors - mean - (new_codes - codes.mean(axis=0)) @ W
    return 1 - np.square(error).sum(axis=0) / np.square(new_factors - mean).sum(axis=0)


if __name__ == "__main__":
    cli.main(run)

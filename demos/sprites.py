"""A convolutional variational autoencoder learns to draw creatures of 128 x 128 pixels.

Six convolutions halve the picture until 2 x 2 places of 64 channels are left; these give the code, and a mirror image
of the network draws from it. Every creature is drawn from 14 numbers that the model never sees. At the end the demo
measures how well each of them can be read from the code, interpolates between creatures, and varies single latents.

    python demos/sprites.py                                 drawn creatures, needs no download, ten minutes
    python demos/sprites.py --data FOLDER --epochs 100      your own pictures, all scaled to the size of the first
    python demos/sprites.py --latent 32 --device cuda

The model blurs whatever it is uncertain of. It memorises sets of a few hundred pictures: their loss keeps falling when
that of the test pictures does not (curves.png). Six convolutions lose the colours of real pictures, so your own
pictures get fewer unless --hidden says otherwise: as many as leave four to eight places per side.

samples-*.png shows pictures decoded from random codes of the prior N(0, 1). Many of these codes are unlike the code of
any picture and decode to fragments. fitted.png shows pictures decoded from a Gaussian that has the mean and the
covariance of the codes of all pictures.
"""
from __future__ import annotations

import math
from functools import partial

import numpy as np

from tinyae import models, ops, params, summary, train
from tinyae.backend import generator, to_device, to_host
from tinyae.data import creatures
from tinyae.demo import cli, experiments, images, plots, probe
from tinyae.functions import layer_norm
from tinyae.models.vae_evaluation import sample_like
from tinyae.optim import Adam
from tinyae.tensor import data_of
from tinyae.train import diagnose, evaluate

CHANNELS = [32, 64, 64, 64, 64, 64]

# A deep net first learns large, common features and then hardly anything else: here, shapes without colours, or one
# colour and its opposite. layer_norm and the settings below let it learn colours too. After 50 steps of 16 images with
# the KL at weight 0, the colours of creatures (minus their grey) correlate with the truth by 0.70. The number at each
# setting is the correlation without it.
COLOUR = 4.0        # 0.02: the factor by which colour differences are enlarged, in input and output
START = 0.1         # 0.00: the factor on the last layer's first weights, so that training starts at the mean picture
SIGMA = 0.05        # 0.02: the first standard deviation of a latent
# The weight of the KL rises to 1 over the first half of the epochs (with 1 from the start: 0.02). Then --lr falls.
RATES = (1, 0.3, 0.1)


def run() -> None:
    flags = cli.flags("sprites", __doc__, data="creatures", hidden=None, latent=1000, epochs=6, batch_size=16)
    training, test = cli.images(flags)
    out = cli.folder(flags)

    shape, device = training.images.shape[1:], flags.device
    creature = training.factors is not None
    if flags.hidden is None:
        flags.hidden = CHANNELS if creature else CHANNELS[:max(1, int(math.log2(min(shape[:2]) / 4)))]
    model = models.ConvVAE(shape, flags.hidden, flags.latent, lambda x: layer_norm(ops.leaky_relu(x, slope=0.2)),
                           rng=np.random.default_rng(flags.seed), device=device)
    mean = (training.images.mean(axis=0) / (255 if training.images.dtype == np.uint8 else 1)).astype(np.float32)
    prepare(model, mean, float((evaluate.first(training.images, "cpu", 500) - mean.ravel()).std()) or 1.0, device)
    print(summary(model, (math.prod(shape),)))
    first = partial(evaluate.first, test.images, device)

    def decoded(z: np.ndarray) -> np.ndarray:
        return ops.sigmoid(model.decode(to_device(z.reshape(-1, flags.latent).astype(np.float32), device))).numpy()

    def draw(epoch: int) -> str:
        images.save_reconstructions(out / f"reconstructions-{epoch:03d}.png", to_host(first(20)),
                                    to_host(model.reconstruct(first(20))), shape)
        samples = model.sample(generator(flags.seed, device), 40)               # the same codes after every epoch
        images.save_grid(out / f"samples-{epoch:03d}.png", to_host(samples), shape, title="decoded from random codes")
        return diagnose.latents_in_use(*(t.data for t in model.posterior(first(50))))

    own, warm = params(model), flags.epochs // 2
    optimizers = [Adam(own, lr=rate * flags.lr) for rate in RATES]
    stages = [(epoch / warm, optimizers[0], 1) for epoch in range(warm)]
    rest = train.split_epochs(flags.epochs - warm, [1 / 3] * 3)
    stages += [(1, optimizer, n) for optimizer, n in zip(optimizers, rest, strict=True)]
    schedule = [(train.Phase(partial(model.losses, beta=beta), own, optimizer, "vae"), n)
                for beta, optimizer, n in stages if n]
    history = train.fit([phase for phase, _ in schedule], (training, test), epochs=[n for _, n in schedule],
                        seed=flags.seed, batch_size=flags.batch_size, out=out, resume=flags.resume, on_epoch=draw,
                        config=vars(flags), unrolled=flags.unroll, captured=flags.captured)

    if plots.available():
        plots.learning_curves(history, out / "curves.png")
    seen, log_var = np.moveaxis(evaluate.over(lambda x: np.stack([*map(data_of, model.posterior(x))], 1),
                                              training.images, device), 1, 0)
    new = evaluate.over(model.encode, test.images, device)
    codes = sample_like(seen, log_var, np.random.default_rng(flags.seed), 40)
    images.save_grid(out / "fitted.png", decoded(codes), shape, title="decoded from a Gaussian fitted to all codes")
    if half := len(new) // 2:
        one, other = new[:half][:12, None], new[half:2 * half][:12, None]
        way = one + np.linspace(0, 1, 9)[:, None] * (other - one)
        images.save_grid(out / "interpolation.png", decoded(way), shape, columns=9,
                         title="each row: from one test image to another, on a line between their codes")
    axes = np.argsort(-seen.var(axis=0))[:10, None] == np.arange(flags.latent)                  # (10, latent)
    images.save_grid(out / "walks.png", decoded(np.linspace(-3, 3, 9)[:, None] * axes[:, None]), shape, columns=9,
                     title="each row: one latent from -3 to 3, the others 0; the most active latents first")

    error, pixels = partial(evaluate.squared_error, images=test.images, device=device), math.prod(shape)
    figures = {"nats per image": history[-1]["test_total"], "kl": history[-1]["test_kl"],
               "squared error per pixel": error(model.reconstruct) / pixels,
               "squared error per pixel, mean image": error(lambda x: 0 * x + to_device(mean.ravel(), device)) / pixels,
               "largest variance of mu in a direction": np.linalg.norm(seen - seen.mean(axis=0), 2) ** 2 / len(seen)}
    if creature:
        r2 = probe.r_squared(seen, creatures.readable(training.factors), new, creatures.readable(test.factors))
        figures |= dict(zip([f"R^2 of {name}" for name in creatures.READABLE], r2, strict=True))
    experiments.write(out, flags, history, figures)
    cli.show(out)


def prepare(model: models.ConvVAE, mean: np.ndarray, spread: float, device: str) -> None:
    """Put fixed layers around the model: it sees (x - mean) / spread and draws around the mean, both with COLOUR."""
    mean = mean.reshape(model.body[0].shape)                                        # (h, w, c), for grey images too
    colour = COLOUR * np.eye(mean.shape[-1]) + (1 - COLOUR) / mean.shape[-1]        # 1 for grey images
    logits = np.log((0.003 + mean) / (1.003 - mean))
    colour, mean, logits = (to_device(a.astype(np.float32), device) for a in (colour, mean, logits))
    model.body.insert(1, lambda x: (x - mean) / spread @ colour)                    # x (n, h, w, c), behind Reshape
    model.decoder[-2].W.data = START * model.decoder[-2].W.data
    model.decoder.insert(-1, lambda y: y @ colour + logits)
    model.log_var.b.data = model.log_var.b.data + np.float32(2 * math.log(SIGMA))


if __name__ == "__main__":
    cli.main(run)

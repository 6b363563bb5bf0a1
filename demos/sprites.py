"""A convolutional variational autoencoder learns to draw creatures of 128 x 128 pixels.

Six convolutions halve the picture until 2 x 2 places of 64 channels are left; these give the code, and the mirror
image of it all draws. Every creature is made of 14 numbers that the model is never told; at the end the demo looks how
well each of them can be read from the code, draws the way from one creature to another, and walks along latents.

    python demos/sprites.py                                 drawn creatures, needs no download, ten minutes
    python demos/sprites.py --data FOLDER --epochs 100      your own pictures, all brought to the size of the first
    python demos/sprites.py --latent 32 --device cuda

What it is unsure of, it blurs. Some hundred pictures it learns by heart: the test loss rises again (curves.png). Of
your own pictures, 4 x 4 places are left unless --hidden says otherwise: behind more convolutions their colours fade.

A random code is drawn from the prior, samples-*.png show, and often lies where no picture's code does: fragments.
fitted.png shows codes drawn from a Gaussian with the mean and the covariance of the pictures' codes.
"""
from __future__ import annotations

import math
from functools import partial

import numpy as np

from tinyae import cards, cli, data, diagnose, evaluate, images, models, ops, params, plots, probe, summary, train
from tinyae.backend import generator, to_device, to_host
from tinyae.data import creatures
from tinyae.functions import layer_norm
from tinyae.models.vae import aggregate_posterior
from tinyae.optim import Adam
from tinyae.tensor import raw

CHANNELS = [32, 64, 64, 64, 64, 64]

# Deep nets learn first what is large and common, and then hardly anything else: here, shapes without colours, or one
# colour and its opposite. layer_norm and these keep what is small alive. After 50 steps of 16, with the KL's weight on
# its way, the colours of drawings (less their grey) correlate with the truth by 0.70; without a part, by what is named:
COLOUR = 4.0        # 0.02: how many times larger than grey the net sees and draws colours
START = 0.1         # 0.00: what the last layer keeps of its first weights, so that the mean picture is drawn first
SIGMA = 0.05        # 0.02: of a latent at first, and
WARM_UP = 500       # steps until a nat of the code costs a nat


def run() -> None:
    flags = cli.flags("sprites", __doc__, data="creatures", hidden=None, latent=1000, epochs=6, batch_size=16)
    training, test = data.load(flags.data, flags.data_dir)
    out = cli.folder(flags)

    shape, device = training.images.shape[1:], flags.device
    if flags.hidden is None:
        halvings = int(math.log2(min(shape[:2]))) - 2
        flags.hidden = CHANNELS if training.factors is not None else CHANNELS[:max(1, halvings)]
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

    steps = math.ceil(len(training) / flags.batch_size)
    optimiser, warm = Adam(params(model), lr=flags.lr), min(math.ceil(WARM_UP / steps), flags.epochs - 1)
    schedule = [train.Phase(partial(model.losses, beta=beta), params(model), optimiser, "vae")
                for beta in [*np.arange(warm) / max(1, warm), 1]]
    history = train.fit(schedule, (training, test), epochs=[1] * warm + [flags.epochs - warm], seed=flags.seed,
                        batch_size=flags.batch_size, out=out, resume=flags.resume, on_epoch=draw, config=vars(flags))

    if plots.available():
        plots.learning_curves(history, out / "curves.png")
    seen, log_var = np.moveaxis(evaluate.over(lambda x: np.stack([*map(raw, model.posterior(x))], 1), training.images,
                                              device), 1, 0)
    new = evaluate.over(model.encode, test.images, device)
    centre, covariance = aggregate_posterior(seen, log_var)
    codes = np.random.default_rng(flags.seed).multivariate_normal(centre, covariance, 40, method="cholesky")
    images.save_grid(out / "fitted.png", decoded(codes), shape, title="decoded from codes as pictures have them")
    one, other = new[:len(new) // 2][:12, None], new[len(new) // 2:][:len(new) // 2][:12, None]
    images.save_grid(out / "interpolation.png", decoded(one + np.linspace(0, 1, 9)[:, None] * (other - one)), shape,
                     columns=9, title="each row: from one test image to another, through the code")
    walks = np.linspace(-3, 3, 9)[:, None] * np.eye(flags.latent)[np.argsort(-seen.var(axis=0))[:10], None]
    images.save_grid(out / "walks.png", decoded(walks), shape, columns=9,
                     title="each row: one latent from -3 to 3, the others 0; the most active latents first")

    error, pixels = partial(evaluate.squared_error, images=test.images, device=device), math.prod(shape)
    figures = {"nats per image": history[-1]["test_total"], "kl": history[-1]["test_kl"],
               "squared error per pixel": error(model.reconstruct) / pixels,
               "squared error per pixel, mean image": error(lambda x: 0 * x + to_device(mean.ravel(), device)) / pixels,
               "largest variance of codes in a direction (prior: 1)": np.linalg.eigvalsh(covariance)[-1]}
    if training.factors is not None:
        r2 = probe.r_squared(seen, creatures.readable(training.factors), new, creatures.readable(test.factors))
        figures |= dict(zip([f"R^2 of {name}" for name in creatures.READABLE], r2, strict=True))
    cards.write(out, flags, history, figures)
    cli.show(out)


def prepare(model: models.ConvVAE, mean: np.ndarray, spread: float, device: str) -> None:
    """See (x - mean) / spread, draw around the mean, both with COLOUR; start with small drawings and little noise."""
    mean = mean.reshape(model.body[0].shape)                                        # (h, w, c), also of grey ones
    colour = COLOUR * np.eye(mean.shape[-1]) + (1 - COLOUR) / mean.shape[-1]        # of grey, 1
    logits = np.log((0.003 + mean) / (1.003 - mean))
    colour, mean, logits = (to_device(a.astype(np.float32), device) for a in (colour, mean, logits))
    model.body.insert(1, lambda x: (x - mean) / spread @ colour)                    # x (n, h, w, c), behind Reshape
    model.decoder[-2].W.data = START * model.decoder[-2].W.data
    model.decoder.insert(-1, lambda y: y @ colour + logits)
    model.log_var.b.data = model.log_var.b.data + np.float32(2 * math.log(SIGMA))


if __name__ == "__main__":
    cli.main(run)

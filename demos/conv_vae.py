"""A convolutional variational autoencoder lays all digits out on a plane.

Two numbers have to describe an image. Convolutions encode it, transposed convolutions decode it, and the prior makes
the codes fill the plane around 0 without gaps. Every point of the plane decodes to a picture, so the whole plane can be
drawn. After every epoch the demo draws it, and test images with their reconstructions; at the end it draws where the
test images lie in the plane.

    python demos/conv_vae.py                                drawn digits, needs no download, a few minutes
    python demos/conv_vae.py --data fashion-mnist --epochs 30
    python demos/conv_vae.py --latent 10                    better pictures, but a space that cannot be drawn
    python demos/conv_vae.py --page                         adds explorer.html: move over the plane, in a browser
"""
from __future__ import annotations

import math
from functools import partial

import numpy as np

from tinyae import models, ops, params, summary, train
from tinyae.backend import generator, to_device, to_host
from tinyae.demo import cli, experiments, images, plots
from tinyae.optim import Adam
from tinyae.show.latent import explorer
from tinyae.train import diagnose, evaluate

DENSE = (16,)       # hidden units between the convolutions and the two numbers


def run() -> None:
    flags = cli.flags("conv_vae", __doc__, hidden=[32, 64], latent=2, page=False)
    training, test = cli.images(flags)
    out = cli.folder(flags)

    shape = training.images.shape[1:]
    model = models.ConvVAE(shape, flags.hidden, flags.latent, hidden=DENSE, rng=np.random.default_rng(flags.seed),
                           device=flags.device)
    print(summary(model, (math.prod(shape),)))

    first = partial(evaluate.first, test.images, flags.device)

    def decoded(z: np.ndarray) -> np.ndarray:
        return ops.sigmoid(model.decode(to_device(z, flags.device))).numpy()

    def draw(epoch: int) -> str:
        """Draw the epoch's pictures; return how many latents are in use, for the epoch's line."""
        shown = first(40)
        images.save_reconstructions(out / f"reconstructions-{epoch:03d}.png", to_host(shown),
                                    to_host(model.reconstruct(shown)), shape)
        if flags.latent == 2:
            images.save_manifold(out / f"manifold-{epoch:03d}.png", decoded, shape)
        samples = model.sample(generator(flags.seed, flags.device), 100)       # the same codes after every epoch
        images.save_grid(out / f"samples-{epoch:03d}.png", to_host(samples), shape,
                         title=f"decoded from random codes, after epoch {epoch}")
        mu, log_var = model.posterior(first(1000))
        return diagnose.latents_in_use(mu.data, log_var.data)

    phase = train.Phase(model.losses, params(model), Adam(params(model), lr=flags.lr))
    history = train.fit([phase], (training, test), epochs=flags.epochs, batch_size=flags.batch_size, seed=flags.seed,
                        out=out, resume=flags.resume, on_epoch=draw, config=vars(flags),
                        unrolled=flags.unroll, captured=flags.captured)

    if plots.available():
        plots.learning_curves(history, out / "curves.png")
        if flags.latent == 2:
            codes = evaluate.over(model.encode, test.images, flags.device)
            plots.latent_map(codes, test.labels, out / "latents.png")
    if flags.page:
        explorer(out / "explorer.html", "What a convolutional variational autoencoder has learned",
                 [*model.body, model.mu], model.decoder, model.encode(first(500)).data, test.labels, shape)
    last = history[-1]
    experiments.write(out, flags, history, {
        "nats per image": last["test_total"], "reconstruction": last["test_reconstruction"], "kl": last["test_kl"],
        "nats per image, in training": last["train_total"],
        "error of reconstructions": evaluate.squared_error(model.reconstruct, test.images, flags.device),
        "parameters": sum(p.size for p in params(model).values())})
    cli.show(out)


if __name__ == "__main__":
    cli.main(run)

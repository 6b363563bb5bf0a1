"""An adversarial autoencoder draws digits from random numbers, because a discriminator made its codes look random.

Three players take turns on every batch. The autoencoder describes images in a few numbers and draws them again. The
discriminator learns to tell these codes from draws of a normal distribution. The encoder changes its codes until the
discriminator fails. A random code is then as good as any other and decodes to an image. After every epoch the demo
prints how close the codes are to N(0, 1).

    python demos/adversarial.py                             drawn digits, needs no download, about two minutes
    python demos/adversarial.py --latent 2                  adds a map of the codes and a picture of the code's plane
"""
from __future__ import annotations

import math
from functools import partial

import numpy as np

from tinyae import grad, models, ops, params, summary, train
from tinyae.backend import generator, to_device, to_host
from tinyae.demo import cli, experiments, images, plots
from tinyae.errors import Refusal
from tinyae.optim import Adam
from tinyae.show.latent import explorer
from tinyae.train import evaluate

# Each player's part of --lr. If the encoder learns to deceive as fast as to describe, it forgets to describe; if it
# learns to deceive much more slowly, the discriminator always wins.
RATES = {"autoencoder": 1.0, "discriminator": 0.2, "encoder": 0.6}
SLOWER = (1, 0.3, 0.05)     # factors of these rates, for 50 %, 30 % and 20 % of the epochs


def run() -> None:
    flags = cli.flags("adversarial", __doc__, hidden=[400], latent=8, page=False)
    training, test = cli.images(flags)
    out = cli.folder(flags)

    shape = training.images.shape[1:]
    model = models.Adversarial(math.prod(shape), flags.hidden, flags.latent, rng=np.random.default_rng(flags.seed),
                               device=flags.device)
    print(summary(model, (math.prod(shape),)))

    first = partial(evaluate.first, test.images, flags.device)

    def distance(codes: np.ndarray) -> tuple[float, float]:
        """The largest distance of an entry of the codes' mean from 0, and of their covariance from the identity."""
        apart = np.cov(codes.T).reshape(flags.latent, -1) - np.eye(flags.latent)
        return float(np.abs(codes.mean(axis=0)).max()), float(np.abs(apart).max())

    def draw(epoch: int) -> str:
        """Draw the epoch's pictures; return the distance of the codes from the prior, for the epoch's line."""
        shown = first(40)
        images.save_reconstructions(out / f"reconstructions-{epoch:03d}.png", to_host(shown),
                                    to_host(model.reconstruct(shown)), shape)
        samples = model.sample(generator(flags.seed, flags.device), 100)       # the same codes after every epoch
        images.save_grid(out / f"samples-{epoch:03d}.png", to_host(samples), shape,
                         title=f"decoded from random codes, after epoch {epoch}")
        mean, covariance = distance(model.encode(first(2000)).numpy())
        return f"codes differ from N(0, 1): mean by {mean:.2f}, covariance by {covariance:.2f}"

    def stage(lr: float) -> tuple[train.Phase, ...]:
        """The three players, each with its own optimizer."""
        phases = []
        for name, (losses, own) in model.players().items():
            betas = (0.9 if name == "autoencoder" else 0.5, 0.999)     # momentum 0.5: Radford et al. 2016
            phases.append(train.Phase(losses, own, Adam(own, lr=RATES[name] * lr, betas=betas), name))
        return tuple(phases)

    # The codes circle around the prior while the discriminator chases them. Small steps at the end let them settle.
    epochs = train.split_epochs(flags.epochs, (0.5, 0.3, 0.2))
    stages = [(stage(rate * flags.lr), n) for rate, n in zip(SLOWER, epochs, strict=True) if n]
    history = train.fit([phases for phases, _ in stages], (training, test), epochs=[n for _, n in stages],
                        batch_size=flags.batch_size, seed=flags.seed, out=out, resume=flags.resume, on_epoch=draw,
                        config=vars(flags), unrolled=flags.unroll, captured=flags.captured)

    judged = model.discriminator_loss(first(100), generator(flags.seed, flags.device))["discrimination"]
    try:
        grad(judged, params(model.encoder))
    except Refusal as refusal:          # so the encoder cannot be trained to help the discriminator by mistake
        print(f"grad refuses to differentiate the discriminator's loss by the encoder's parameters:\n{refusal}")
    else:
        raise AssertionError("the discriminator's loss reached the encoder")

    codes = evaluate.over(model.encode, test.images, flags.device)
    if plots.available():
        plots.learning_curves(history, out / "curves.png")
        if flags.latent == 2:
            plots.latent_map(codes, test.labels, out / "latents.png")
    if flags.latent == 2:
        images.save_manifold(out / "manifold.png",
                             lambda z: ops.sigmoid(model.decode(to_device(z, flags.device))).numpy(), shape)
    if flags.page:
        explorer(out / "explorer.html", "What an adversarial autoencoder has learned", model.encoder, model.decoder,
                 codes, test.labels, shape)
    mean, covariance = distance(codes)
    experiments.write(out, flags, history, {
        "nats per image": history[-3]["test_reconstruction"], "discrimination": history[-2]["test_discrimination"],
        "largest mean of a code": mean, "covariance of the codes from the identity": covariance})
    cli.show(out)


if __name__ == "__main__":
    cli.main(run)

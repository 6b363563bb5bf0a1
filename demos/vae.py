"""A variational autoencoder learns to draw digits.

It sees 60 000 images and learns to describe each in a few numbers, from which it can draw it again. After every epoch
the demo writes two pictures to the run's folder: test images with their reconstructions, and new digits, decoded from
random numbers.

    python demos/vae.py                                     drawn digits, needs no download, a minute or two
    python demos/vae.py --data fashion-mnist --epochs 20
    python demos/vae.py --latent 2                          adds a map of the codes and a picture of the code's plane
    python demos/vae.py --hidden 500,500 --activation elu --likelihood gaussian
    python demos/vae.py --samples 5000                      a more precise likelihood, a few minutes more
"""
from __future__ import annotations

import math
from functools import partial

import numpy as np

from tinyae import models, ops, params, summary, train
from tinyae.backend import generator, to_device, to_host
from tinyae.demo import cli, experiments, images, plots
from tinyae.models.vae_evaluation import active_units, kl_per_latent, nll
from tinyae.optim import Adam
from tinyae.show.latent import explorer
from tinyae.train import diagnose, evaluate


def run() -> None:
    flags = cli.flags("vae", __doc__, hidden=[400], latent=20, activation="relu", beta=1.0, likelihood="bernoulli",
                      scale="log_var", samples=200, page=False)
    training, test = cli.images(flags)
    out = cli.folder(flags)

    shape = training.images.shape[1:]
    model = models.VAE(math.prod(shape), flags.hidden, flags.latent, flags.activation, flags.beta, flags.likelihood,
                       flags.scale, rng=np.random.default_rng(flags.seed), device=flags.device)
    print(summary(model, (math.prod(shape),)))

    first = partial(evaluate.first, test.images, flags.device)

    def draw(epoch: int) -> str:
        """Draw the epoch's pictures; return how many latents are in use, for the epoch's line."""
        shown = first(40)
        images.save_reconstructions(out / f"reconstructions-{epoch:03d}.png", to_host(shown),
                                    to_host(model.reconstruct(shown)), shape)
        samples = model.sample(generator(flags.seed, flags.device), 100)       # the same codes after every epoch
        images.save_grid(out / f"samples-{epoch:03d}.png", to_host(samples), shape,
                         title=f"decoded from random codes, after epoch {epoch}")
        mu, log_var = model.posterior(first(2000))
        return diagnose.latents_in_use(mu.data, log_var.data)

    phase = train.Phase(model.losses, params(model), Adam(params(model), lr=flags.lr))
    history = train.fit([phase], (training, test), epochs=flags.epochs, batch_size=flags.batch_size, seed=flags.seed,
                        out=out, resume=flags.resume, on_epoch=draw, config=vars(flags),
                        unrolled=flags.unroll, captured=flags.captured)

    carried = to_host(kl_per_latent(model, first(2000)))
    counts = [k for k in (1, 10, 100, 1000) if k < flags.samples] + [flags.samples]
    seen = len(first(100))
    bounds = [float(nll(model, first(100), generator(flags.seed, flags.device), k).mean()) for k in counts]
    if plots.available():
        plots.learning_curves(history, out / "curves.png")
        plots.bars(np.sort(carried)[::-1], out / "latents-kl.png", title="information in each latent",
                   xlabel="latents, sorted by their KL", ylabel="KL, nats")
        plots.lines({f"{seen} test images": (counts, bounds)}, out / "likelihood.png", log=True,
                    xlabel="codes drawn per image", ylabel="nats per image",
                    title="an upper bound on -log p(x), tighter with more codes")
        if flags.latent == 2:
            codes = model.encode(first(10_000)).numpy()
            plots.latent_map(codes, None if test.labels is None else test.labels[:len(codes)], out / "latents.png")
    if flags.latent == 2:
        images.save_manifold(out / "manifold.png",
                             lambda z: ops.sigmoid(model.decode(to_device(z, flags.device))).numpy(), shape)
    codes = model.encode(first(20)).data
    half = max(1, len(codes) // 2)                      # a single image is drawn as a line to itself
    one, other = codes[:half], codes[-half:]
    between = np.concatenate([one + t * (other - one) for t in np.linspace(0, 1, 10, dtype=np.float32)])
    images.save_grid(out / "interpolation.png", ops.sigmoid(model.decode(between)).numpy(), shape,
                     title="from one test image (top) to another (bottom), on the straight line between their codes")
    if flags.page:
        explorer(out / "explorer.html", "What a variational autoencoder has learned", [*model.body, model.mu],
                 model.decoder, model.encode(first(500)).data, test.labels, shape)
    last = history[-1]
    experiments.write(out, flags, history, {
        "nats per image" if flags.beta == 1 else "nats per image, the KL times beta": last["test_total"],
        "reconstruction": last["test_reconstruction"], "kl" if flags.beta == 1 else "kl times beta": last["test_kl"],
        **{f"-log p(x) of {seen} images, bound by {k} code{'s'[:k - 1]}": nats
           for k, nats in zip(counts, bounds, strict=True)},
        "active units": active_units(model, first(2000)), "largest KL of a latent": carried.max()})
    cli.show(out)


if __name__ == "__main__":
    cli.main(run)

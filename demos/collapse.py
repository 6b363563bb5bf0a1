"""How a variational autoencoder's code comes to carry no information, and how to prevent it.

The KL term costs a nat for every nat of information in the code, but the code is useful only when the decoder has
learned to read it. In deep nets of sigmoid units that takes long, and meanwhile the encoder reduces the KL to 0: each
latent is near N(0, 1) whatever the image, the decoder draws the mean image, and for many epochs neither can improve
alone. The posterior has collapsed. A second net starts from the same weights and sees the same batches, but its KL term
is multiplied by 0.01 at first and by 1 only after four epochs (KL warm-up: Bowman et al. 2016). By then its decoder
uses the code, and the information stays. Both end with the same loss function, but only what the second net draws
depends on the image.

    python demos/collapse.py                                drawn digits, needs no download, a few minutes
"""
from __future__ import annotations

import math
from functools import partial

import numpy as np

from tinyae import models, params, summary, train
from tinyae.backend import to_host
from tinyae.demo import cli, experiments, images, plots
from tinyae.models.vae_evaluation import active_units, kl_per_latent
from tinyae.optim import Adam
from tinyae.train import diagnose, evaluate

WARM_UP = (0.01, 0.03, 0.1, 0.3)    # the weight of the KL term in the first epochs; after that it is 1


def run() -> None:
    flags = cli.flags("collapse", __doc__, hidden=[200, 200, 200], latent=20, batch_size=500, epochs=8)
    training, test = cli.images(flags)
    out = cli.folder(flags)

    shape = training.images.shape[1:]
    nets = {name: models.VAE(math.prod(shape), flags.hidden, flags.latent, "sigmoid", device=flags.device,
                             rng=np.random.default_rng(flags.seed)) for name in ("at once", "warm-up")}
    print(summary(nets["at once"], (math.prod(shape),)))

    first = partial(evaluate.first, test.images, flags.device)

    def draw(epoch: int) -> str:
        """Draw the epoch's pictures; return how many latents each net uses, for the epoch's line."""
        for name, net in nets.items():
            images.save_reconstructions(out / f"reconstructions-{name.replace(' ', '-')}-{epoch:03d}.png",
                                        to_host(first(20)), to_host(net.reconstruct(first(20))), shape,
                                        title=f"{name} · upper rows: originals · lower rows: reconstructions")
        posteriors = {name: net.posterior(first(2000)) for name, net in nets.items()}
        return " · ".join(f"{name}: {diagnose.latents_in_use(mu.data, log_var.data)}"
                          for name, (mu, log_var) in posteriors.items())

    own = {name: params({name: net}) for name, net in nets.items()}
    optimizers = {name: Adam(own[name], lr=flags.lr) for name in nets}

    def stage(beta: float) -> tuple[train.Phase, ...]:
        """Both nets on every batch, the second with this weight of the KL."""
        losses = {"at once": nets["at once"].losses, "warm-up": partial(nets["warm-up"].losses, beta=beta)}
        return tuple(train.Phase(losses[name], own[name], optimizers[name], name) for name in nets)

    rising = WARM_UP[:flags.epochs - 1]
    history = train.fit([stage(beta) for beta in (*rising, 1.0)], (training, test), seed=flags.seed,
                        epochs=[1] * len(rising) + [flags.epochs - len(rising)], batch_size=flags.batch_size, out=out,
                        resume=flags.resume, on_epoch=draw, config=vars(flags),
                        unrolled=flags.unroll, captured=flags.captured)

    carried = {name: np.sort(to_host(kl_per_latent(net, first(2000))))[::-1] for name, net in nets.items()}
    if plots.available():
        plots.learning_curves(history, out / "curves.png")
        latents = np.arange(1, flags.latent + 1)
        plots.lines({name: (latents, kl) for name, kl in carried.items()}, out / "latents.png",
                    xlabel="latents, sorted by their KL", ylabel="KL, nats",
                    title="information in each latent")
    figures = {"kl, at once / warm-up": experiments.ratio(carried["at once"].sum(), carried["warm-up"].sum())}
    for name, row in zip(nets, history[-2:], strict=True):
        figures |= {f"-ELBO, {name}": row["test_total"], f"kl, {name}": carried[name].sum(),
                    f"active units, {name}": active_units(nets[name], first(2000))}
    experiments.write(out, flags, history, figures)
    cli.show(out)


if __name__ == "__main__":
    cli.main(run)

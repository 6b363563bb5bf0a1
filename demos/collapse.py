"""How a variational autoencoder stops saying anything, and what to do about it.

The KL term is paid for every word of the code; the decoder has to learn first what a word means. In deep nets of
sigmoid units that takes long, and the encoder falls silent before: each latent is near N(0, 1) whatever the image, the
decoder draws the mean image, and for many epochs neither gains by the first word. The posterior has collapsed. A second
net, with the same weights at the start and the same batches, gets its words nearly for nothing at first, and the price
rises to the full one in four epochs (KL warm-up: Bowman et al. 2016). It has learned what they are worth, and keeps
them. In the end both pay the same price for a nat, and one of them draws digits.

    python demos/collapse.py                                drawn digits, needs no download, some minutes
"""
from __future__ import annotations

import math
from functools import partial

import numpy as np

from tinyae import data, models, params, summary, train
from tinyae.backend import to_host
from tinyae.demo import cli, experiments, images, plots
from tinyae.optim import Adam
from tinyae.train import diagnose, evaluate

WARM_UP = (0.01, 0.03, 0.1, 0.3)    # nats paid for a nat of the code, in the first epochs; then 1


def run() -> None:
    flags = cli.flags("collapse", __doc__, hidden=[200, 200, 200], latent=20, batch_size=500, epochs=8)
    training, test = data.load(flags.data, flags.data_dir)
    out = cli.folder(flags)

    shape = training.images.shape[1:]
    nets = {name: models.VAE(math.prod(shape), flags.hidden, flags.latent, "sigmoid", device=flags.device,
                             rng=np.random.default_rng(flags.seed)) for name in ("at once", "warm-up")}
    print(summary(nets["at once"], (math.prod(shape),)))

    first = partial(evaluate.first, test.images, flags.device)

    def draw(epoch: int) -> str:
        """The epoch's pictures; -> how many latents each net has in use, for the epoch's lines."""
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
        """Both nets on every batch, the second with this beta."""
        losses = {"at once": nets["at once"].losses, "warm-up": partial(nets["warm-up"].losses, beta=beta)}
        return tuple(train.Phase(losses[name], own[name], optimizers[name], name) for name in nets)

    rising = WARM_UP[:flags.epochs - 1]
    history = train.fit([stage(beta) for beta in (*rising, 1.0)], (training, test), seed=flags.seed,
                        epochs=[1] * len(rising) + [flags.epochs - len(rising)], batch_size=flags.batch_size, out=out,
                        resume=flags.resume, on_epoch=draw, config=vars(flags))

    carried = {name: np.sort(to_host(net.kl_per_latent(first(2000))))[::-1] for name, net in nets.items()}
    if plots.available():
        plots.learning_curves(history, out / "curves.png")
        latents = np.arange(1, flags.latent + 1)
        plots.lines({name: (latents, kl) for name, kl in carried.items()}, out / "latents.png",
                    xlabel="latents, in the order of their KL", ylabel="KL, nats",
                    title="what each latent says about an image")
    figures = {"kl, at once / warm-up": carried["at once"].sum() / carried["warm-up"].sum()}
    for name, row in zip(nets, history[-2:], strict=True):
        figures |= {f"-ELBO, {name}": row["test_total"], f"kl, {name}": carried[name].sum(),
                    f"active units, {name}": nets[name].active_units(first(2000))}
    experiments.write(out, flags, history, figures)
    cli.show(out)


if __name__ == "__main__":
    cli.main(run)

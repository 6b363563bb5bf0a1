"""How a variational autoencoder stops saying anything, and what to do about it.

The KL term is paid for every word of the code; the decoder has to learn first what a word means. If words are dear from
the start, the encoder falls silent before that: each latent is near N(0, 1) whatever the image, the decoder draws the
mean image, and for many steps neither gains by the first word. The posterior has collapsed. Here the price is high
(beta = 10) and the nets are deep. A second net, with the same weights at the start and the same batches, gets its words
for nothing at first and pays the full price only after five epochs (KL warm-up: Bowman et al. 2016). It has learned
what they are worth, and keeps them. The silence need not last: on MNIST the first net has found a word or two by the
end, and with more epochs it would go on. What it has lost by then, and all that is drawn here, is time.

    python demos/collapse.py                                drawn digits, needs no download, some minutes
"""
from __future__ import annotations

import math
from functools import partial

import numpy as np

from tinyae import cards, cli, data, diagnose, evaluate, images, models, params, plots, summary, train
from tinyae.backend import to_host
from tinyae.optim import Adam

BETA, WARM_UP = 10.0, 5         # nats paid for a nat of the code; epochs until that is the price


def run() -> None:
    flags = cli.flags("collapse", __doc__, hidden=[200, 200, 200, 200], latent=20, batch_size=500, epochs=7)
    training, test = data.load(flags.data, flags.data_dir)
    out = cli.folder(flags)

    shape = training.images.shape[1:]
    nets = {name: models.VAE(math.prod(shape), flags.hidden, flags.latent, beta=BETA, device=flags.device,
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
    optimisers = {name: Adam(own[name], lr=flags.lr) for name in nets}

    def stage(beta: float) -> tuple[train.Phase, ...]:
        """Both nets on every batch, the second with this beta."""
        losses = {"at once": nets["at once"].losses, "warm-up": partial(nets["warm-up"].losses, beta=beta)}
        return tuple(train.Phase(losses[name], own[name], optimisers[name], name) for name in nets)

    warm = min(WARM_UP, flags.epochs - 1)
    schedule = [stage(BETA * epoch / warm) for epoch in range(warm)] + [stage(BETA)]
    history = train.fit(schedule, (training, test), epochs=[1] * warm + [flags.epochs - warm], seed=flags.seed,
                        batch_size=flags.batch_size, out=out, resume=flags.resume, on_epoch=draw, config=vars(flags))

    carried = {name: np.sort(to_host(net.kl_per_latent(first(2000))))[::-1] for name, net in nets.items()}
    if plots.available():
        plots.learning_curves(history, out / "curves.png")
        latents = np.arange(1, flags.latent + 1)
        plots.lines({name: (latents, kl) for name, kl in carried.items()}, out / "latents.png",
                    xlabel="latents, in the order of their KL", ylabel="KL, nats",
                    title="what each latent says about an image")
    figures = {"kl, at once / warm-up": carried["at once"].sum() / carried["warm-up"].sum()}
    for name, row in zip(nets, history[-2:], strict=True):
        figures |= {f"-ELBO with beta, {name}": row["test_total"], f"kl, {name}": carried[name].sum(),
                    f"active units, {name}": nets[name].active_units(first(2000))}
    cards.write(out, flags, history, figures)
    cli.show(out)


if __name__ == "__main__":
    cli.main(run)

"""A contractive autoencoder learns a code that hardly changes when the image changes a little.

Two nets see the same images in the same order. The first is only trained to reconstruct. The loss of the second also
contains the size of the code's derivative, so its code may change only along the directions in which images really
differ. The demo prints how far each code moves (the norm of its Jacobian) and draws what the units respond to.

    python demos/contractive.py                             drawn digits, needs no download, a few minutes
    python demos/contractive.py --data mnist --latent 1000
"""
from __future__ import annotations

import math
from functools import partial

import numpy as np

from tinyae import models, params, summary, train
from tinyae.backend import to_host
from tinyae.demo import cli, experiments, images, plots
from tinyae.models.contractive import closed_form, jacobian_norm
from tinyae.optim import Adam
from tinyae.tensor import Tensor
from tinyae.train import evaluate


def run() -> None:
    flags = cli.flags("contractive", __doc__, hidden=[], latent=300)
    training, test = cli.images(flags)
    out = cli.folder(flags)

    shape = training.images.shape[1:]
    nets = {name: models.Contractive(math.prod(shape), flags.hidden, flags.latent, weight, device=flags.device,
                                     rng=np.random.default_rng(flags.seed))
            for name, weight in (("plain", 0.0), ("contractive", 1.0))}
    print(summary(nets["contractive"], (math.prod(shape),)))

    first = partial(evaluate.first, test.images, flags.device)

    def norms(net: models.Contractive) -> np.ndarray:
        """||dh/dx||_F of each of 1000 test images."""
        x = Tensor(first(1000))
        h = net.encode(x)
        return np.sqrt(to_host((jacobian_norm(h, x) if flags.hidden else closed_form(h, net.encoder[0].W)).data))

    def draw(epoch: int) -> str:
        """Draw the epoch's pictures; return how far the codes move, for the epoch's line."""
        shown = first(40)
        for name, net in nets.items():
            images.save_reconstructions(out / f"reconstructions-{name}-{epoch:03d}.png", to_host(shown),
                                        to_host(net.reconstruct(shown)), shape,
                                        title=f"{name} · upper rows: originals · lower rows: reconstructions")
        return "Jacobian norm " + ", ".join(f"{norms(net).mean():.3f} {name}" for name, net in nets.items())

    own = {name: params({name: net}) for name, net in nets.items()}
    phases = tuple(train.Phase(net.losses, own[name], Adam(own[name], lr=flags.lr), name) for name, net in nets.items())
    history = train.fit([phases], (training, test), epochs=flags.epochs, batch_size=flags.batch_size, seed=flags.seed,
                        out=out, resume=flags.resume, on_epoch=draw, config=vars(flags),
                        unrolled=flags.unroll, captured=flags.captured)

    for name, net in nets.items():
        W = net.encoder[0].W.numpy().T                                         # (units, pixels)
        images.save_grid(out / f"units-{name}.png", images.signed(W[:100]), shape,
                         title=f"{name}: weights of 100 units, positive white and negative black")
    if plots.available():
        plots.learning_curves(history, out / "curves.png")
    plain, contractive = history[-2:]                                          # one row for each phase
    before, after = (norms(net).mean() for net in nets.values())
    experiments.write(out, flags, history, {
        "Jacobian norm, plain": before, "Jacobian norm": after,
        "Jacobian norm / that of the plain net": experiments.ratio(after, before),
        "nats per image, plain": plain["test_reconstruction"], "nats per image": contractive["test_reconstruction"]})
    cli.show(out)


if __name__ == "__main__":
    cli.main(run)

"""An autoencoder squeezes images through a few numbers and draws them again.

784 pixels become 256, 128 and then 20 numbers, the code. A mirror image of that network turns the code back into 784
pixels. The 20 numbers have no meaning given in advance; training chooses whatever makes the drawings most accurate. For
comparison the demo shows what 20 numbers can do without hidden layers: a linear autoencoder trained on the same
batches, and principal component analysis, the best linear code.

    python demos/autoencoder.py                                 drawn digits, needs no download, a minute or two
    python demos/autoencoder.py --data fashion-mnist --latent 10
    python demos/autoencoder.py --latent 2                      adds maps of both kinds of codes
    python demos/autoencoder.py --data mnist --hidden 1000,500,250 --latent 30 --epochs 30       the net of Hinton, 2006
    python demos/autoencoder.py --hidden 512,256 --latent 128 --betas 0.5,0.999     a wide code, less momentum
"""
from __future__ import annotations

import math
from functools import partial

import numpy as np

from tinyae import models, params, summary, train
from tinyae.backend import to_host
from tinyae.demo import cli, experiments, images, plots
from tinyae.models.linear import PCA
from tinyae.optim import Adam
from tinyae.train import evaluate


def run() -> None:
    flags = cli.flags("autoencoder", __doc__, hidden=[256, 128], latent=20, activation="relu", betas=[0.9, 0.999])
    training, test = cli.images(flags)
    out = cli.folder(flags)

    shape = training.images.shape[1:]
    rng = np.random.default_rng(flags.seed)
    model = models.Autoencoder(math.prod(shape), flags.hidden, flags.latent, flags.activation, rng=rng,
                               device=flags.device)
    linear = models.LinearAutoencoder(math.prod(shape), (), flags.latent, rng=rng, device=flags.device)
    print(summary(model, (math.prod(shape),)))

    first = partial(evaluate.first, test.images, flags.device)

    def draw(epoch: int) -> None:
        shown = first(40)
        images.save_reconstructions(out / f"reconstructions-{epoch:03d}.png", to_host(shown),
                                    to_host(model.reconstruct(shown)), shape)

    nets = {"linear": (linear, params({"linear": linear})), "deep": (model, params(model))}
    phases = tuple(train.Phase(net.losses, own, Adam(own, lr=flags.lr, betas=flags.betas), name)
                   for name, (net, own) in nets.items())
    history = train.fit([phases], (training, test), epochs=flags.epochs, batch_size=flags.batch_size, seed=flags.seed,
                        out=out, resume=flags.resume, on_epoch=draw, config=vars(flags),
                        unrolled=flags.unroll, captured=flags.captured)

    pca = PCA(evaluate.batches(training.images), flags.latent)
    ways = {"PCA": lambda x: pca.decode(pca.encode(x)),
            "linear autoencoder": lambda x: linear.decode(linear.encode(x)).data,
            "deep autoencoder": model.reconstruct}
    errors = {way: evaluate.squared_error(f, test.images, flags.device) for way, f in ways.items()}
    shown = first(10)
    rows = [to_host(row) for row in (shown, *(f(shown) for f in ways.values()))]
    images.save_grid(out / "compared.png", np.concatenate(rows), shape, columns=len(shown), title="originals, then "
                     f"reconstructions from {flags.latent} numbers, with their squared error: " +
                     " · ".join(f"{way} {error:.2f}" for way, error in errors.items()))
    if plots.available():
        plots.learning_curves([row for row in history if row["phase"] == "deep"], out / "curves.png")
        if flags.latent == 2:
            x = first(10_000)
            plots.latent_maps({"PCA": pca.encode(x), "deep autoencoder": model.encode(x).numpy()},
                              None if test.labels is None else test.labels[:len(x)], out / "latents.png")
    experiments.write(out, flags, history, {
        "nats per image": history[-1]["test_reconstruction"], "squared error": errors["deep autoencoder"],
        "squared error, linear": errors["linear autoencoder"], "squared error of PCA": errors["PCA"],
        "error / PCA's": experiments.ratio(errors["deep autoencoder"], errors["PCA"])})
    cli.show(out)


if __name__ == "__main__":
    cli.main(run)

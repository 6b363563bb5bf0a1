"""A variational autoencoder that draws the digit you ask for.

A plain VAE draws some digit from a random code. This one learns with the class: encoder and decoder see it as a one-hot
vector beside the pixels and beside the code (Kingma et al. 2014; Sohn, Lee & Yan 2015). The code is then free to hold
the handwriting, and the class decides which digit is written. A classifier that was trained on the training images
reads what has been drawn: how often is it what was asked for?

    python demos/conditional.py                             drawn digits, needs no download, a minute
    python demos/conditional.py --data fashion-mnist --epochs 20
    python demos/conditional.py --data my_pictures/ --size 32       a folder with a subfolder for each class
"""
from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinyae import Tensor, data, models, params, summary, train
from tinyae.backend import Array, Rng, normal, to_device, to_host
from tinyae.demo import cli, experiments, images, plots, probe
from tinyae.functions import bce_with_logits, gaussian_kl
from tinyae.layers import dense_stack
from tinyae.ops import concatenate, exp, mean, sigmoid
from tinyae.optim import Adam
from tinyae.show.latent import explorer
from tinyae.train import evaluate

LABELLED, EACH = 10_000, 100        # training images for the classifier that reads, and drawings per class


class ConditionalVAE(models.VAE):
    """q(z|x, y), p(z) = N(0, 1), p(x|z, y) = Bernoulli; a row holds the pixels x, then the class y, one-hot."""

    def __init__(self, pixels: int, classes: int, hidden: Sequence[int], latent: int, **settings: Any):
        super().__init__(pixels + classes, hidden, latent, **settings)
        widths, self.pixels = [latent + classes, *reversed(hidden), pixels], pixels
        self.decoder = dense_stack(widths, "relu", **settings)

    def losses(self, batch: Array, rng: Rng, beta: float | None = None) -> dict[str, Tensor]:
        """-log p(x|z, y) and KL(q(z|x, y) || p(z)) in nats per image."""
        x, y = batch[:, :self.pixels], batch[:, self.pixels:]
        mu, log_var = self.posterior(batch)
        z = mu + exp(0.5 * log_var) * normal(rng, like=mu)
        logits = self.decode(concatenate(z, y, axis=1))                     # (n, pixels)
        return {"reconstruction": mean(bce_with_logits(logits, x)), "kl": mean(gaussian_kl(mu, log_var))}


def run() -> None:
    flags = cli.flags("conditional", __doc__, hidden=[400], latent=10, page=False)
    training, test = cli.images(flags)
    told = data.with_classes(training, test)                                # images (n, pixels + classes)
    out = cli.folder(flags)
    shape = training.images.shape[1:]
    classes = told[0].images.shape[1] - math.prod(shape)

    model = ConditionalVAE(math.prod(shape), classes, flags.hidden, flags.latent,
                           rng=np.random.default_rng(flags.seed), device=flags.device)
    print(summary(model.body, (math.prod(shape) + classes,)))

    def drawn(y: np.ndarray, seed: int) -> np.ndarray:
        """Images of these classes (n,), decoded from codes that the seed draws: (n, pixels)."""
        z = np.random.default_rng(seed).standard_normal((len(y), flags.latent), np.float32)
        return decoded(z, y)

    def decoded(z: np.ndarray, y: np.ndarray) -> np.ndarray:
        codes = np.concatenate([z, np.eye(classes, dtype=np.float32)[y]], axis=1)
        return to_host(sigmoid(model.decode(to_device(codes, flags.device))).data)

    columns = np.arange(min(classes, 10))
    hands = np.random.default_rng(flags.seed).standard_normal((8, flags.latent), np.float32)

    def draw(epoch: int) -> None:
        """Draw eight codes, a row each, as every class, a column each."""
        z, y = np.repeat(hands, len(columns), axis=0), np.tile(columns, len(hands))
        images.save_grid(out / f"asked-{epoch:03d}.png", decoded(z, y), shape, columns=len(columns),
                         title=f"one code in each row, one class in each column, after epoch {epoch}")

    phase = train.Phase(model.losses, params(model), Adam(params(model), lr=flags.lr))
    history = train.fit([phase], told, epochs=flags.epochs, batch_size=flags.batch_size, seed=flags.seed, out=out,
                        resume=flags.resume, on_epoch=draw, config=vars(flags), unrolled=flags.unroll,
                        captured=flags.captured)

    reader = probe.fit(evaluate.over(lambda x: x, training.images[:LABELLED]), training.labels[:LABELLED], [200],
                       seed=flags.seed)
    asked = np.repeat(np.unique(training.labels), EACH)
    read = probe.accuracy(reader, drawn(asked, flags.seed + 1), asked)
    known = probe.accuracy(reader, evaluate.over(lambda x: x, test.images), test.labels)
    print(f"the classifier reads {known:.1f} % of the test images right, and {read:.1f} % of the drawings")
    if flags.page:
        seen = evaluate.first(told[1].images, flags.device, 500)
        explorer(out / "explorer.html", "A variational autoencoder that draws what you ask for",
                 [*model.body, model.mu], model.decoder, model.encode(seen).data, test.labels, shape, classes)
    if plots.available():
        plots.learning_curves(history, out / "curves.png")
    experiments.write(out, flags, history, {
        "nats per image": history[-1]["test_total"], "reconstruction": history[-1]["test_reconstruction"],
        "kl": history[-1]["test_kl"], "drawings read as asked, %": read, "test images read right, %": known})
    cli.show(out)


if __name__ == "__main__":
    cli.main(run)

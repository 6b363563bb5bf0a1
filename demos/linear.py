"""An autoencoder without activations rediscovers principal component analysis.

PCA (Pearson 1901) is much older than backpropagation, and it is exact: no other 30 numbers per image give a better
reconstruction by sums of fixed pictures. A net of two linear layers, trained on the same images, reaches the same
error. Its decoder's weights are mixtures of the principal components; a singular value decomposition separates them.

    python demos/linear.py                                  drawn digits, needs no download, under a minute
    python demos/linear.py --data mnist --latent 10
"""
from __future__ import annotations

import math

import numpy as np

from tinyae import models, params, summary, train
from tinyae.demo import cli, experiments, images, plots
from tinyae.models.linear import PCA, largest_angle
from tinyae.optim import Adam
from tinyae.train import evaluate


def run() -> None:
    flags = cli.flags("linear", __doc__, hidden=[], latent=30, epochs=40, batch_size=500, lr=1e-2)
    training, test = cli.images(flags)
    out = cli.folder(flags)

    shape = training.images.shape[1:]
    model = models.LinearAutoencoder(math.prod(shape), flags.hidden, flags.latent,
                                     rng=np.random.default_rng(flags.seed), device=flags.device)
    print(summary(model, (math.prod(shape),)))
    pca = PCA(evaluate.batches(training.images), flags.latent)
    best = evaluate.squared_error(lambda x: pca.decode(pca.encode(x)), test.images)
    print(f"PCA's squared error on the test images: {best:.3f}")

    # Large steps first, because the last components hardly change the error and are learned slowly; then smaller ones,
    # so that the noise of the batches averages out.
    own = params(model)
    epochs = train.split_epochs(flags.epochs, (0.25, 0.5, 0.125, 0.125))
    stages = [(rate * flags.lr, n) for rate, n in zip((1, 0.3, 0.1, 0.01), epochs, strict=True) if n]
    schedule = [train.Phase(model.losses, own, Adam(own, lr=lr), f"lr {lr:g}") for lr, _ in stages]
    history = train.fit(schedule, (training, test), epochs=[n for _, n in stages], seed=flags.seed,
                        batch_size=flags.batch_size, out=out, resume=flags.resume, config=vars(flags),
                        unrolled=flags.unroll, captured=flags.captured)

    found = model.components(evaluate.over(model.encode, training.images, flags.device))
    principal = pca.components[:len(found)]         # fewer images than latents span fewer directions
    signs = np.sign((found * principal).sum(axis=1, keepdims=True))
    rows = [principal[:10], (signs * found)[:10]]
    images.save_grid(out / "components.png", images.signed(np.concatenate(rows)), shape, columns=len(rows[0]),
                     title="principal components, largest variance first · above by PCA, below from the decoder")
    images.save_grid(out / "mixed.png", images.signed(model.decoder[-1].W.numpy()[:20]), shape,
                     title="the weights of the decoder: mixtures of the components")
    if plots.available():
        epochs = [row["epoch"] for row in history]
        errors = {"linear autoencoder": [row["test_reconstruction"] for row in history], "PCA": [best] * len(epochs)}
        plots.lines({name: (epochs, y) for name, y in errors.items()}, out / "curves.png", xlabel="epoch",
                    title="test images", ylabel="squared error per image")
    error = history[-1]["test_reconstruction"]
    experiments.write(out, flags, history, {
        "squared error": error, "squared error of PCA": best, "error / PCA's": experiments.ratio(error, best),
        "largest angle to PCA's subspace, degrees": largest_angle(found, principal)})
    cli.show(out)


if __name__ == "__main__":
    cli.main(run)

"""An autoencoder finds the images that do not belong, because it draws badly what it has never seen.

One class of images is kept out of the training. An autoencoder learns to redraw all the others through a narrow code;
an image of the class that it has not seen comes back with a larger error, and this error is the score. For comparison,
principal component analysis with a code of the same size gives a score in the same way. The area under the ROC curve
compares them: the probability that an image of the unseen class has a larger score than one of the others. 0.5 is no
better than a coin, 1 is perfect.

    python demos/anomaly.py                             drawn digits, the nines are unseen; under a minute
    python demos/anomaly.py --data fashion-mnist --latent 20
    python demos/anomaly.py --data my_table.csv --hidden 32 --latent 3      the last class of a table of numbers
"""
from __future__ import annotations

import math

import numpy as np

from tinyae import data, functions, models, params, summary, train
from tinyae.backend import Array, to_host
from tinyae.console import printable
from tinyae.demo import cli, experiments, images, plots, probe
from tinyae.errors import BadValue
from tinyae.models.linear import PCA
from tinyae.optim import Adam
from tinyae.train import evaluate


def run() -> None:
    flags = cli.flags("anomaly", __doc__, hidden=[256, 128], latent=8, activation="relu")
    training, test = cli.images(flags)
    if training.labels is None or test.labels is None or len(np.unique(test.labels)) < 2:
        raise BadValue("the test images must be of two classes or more", got=flags.data,
                       expected="images with labels, of the last class and of others",
                       fix="--data digits, or a folder with a subfolder for each class")
    out = cli.folder(flags)
    unseen = int(test.labels.max())
    normal = training.images[training.labels != unseen]
    name = printable(training.classes[unseen]) if training.classes else str(unseen)
    print(f"class {name} is kept out of the training: {len(training.images) - len(normal):,} images")

    shape = normal.shape[1:]
    model = models.Autoencoder(math.prod(shape), flags.hidden, flags.latent, flags.activation,
                               rng=np.random.default_rng(flags.seed), device=flags.device)
    print(summary(model, (math.prod(shape),)))
    known = test.images[test.labels != unseen]
    phase = train.Phase(model.losses, params(model), Adam(params(model), lr=flags.lr))
    history = train.fit([phase], (normal, known), epochs=flags.epochs, batch_size=flags.batch_size, seed=flags.seed,
                        out=out, resume=flags.resume, config=vars(flags),
                        unrolled=flags.unroll, captured=flags.captured)

    pca = PCA(evaluate.batches(normal), flags.latent)

    def score(x: Array) -> Array:
        """x (n, pixels) -> (n,): squared error of the reconstruction."""
        return functions.squared_error(model.reconstruct(x), x)

    odd = test.labels == unseen
    scores = {"autoencoder": evaluate.over(score, test.images, flags.device),
              "PCA": evaluate.over(lambda x: functions.squared_error(pca.decode(pca.encode(x)), x.astype(np.float64)),
                                   test.images)}
    areas = {way: probe.area_under_roc(of, odd) for way, of in scores.items()}
    for way, area in areas.items():
        print(f"{way:12} area under the ROC curve {area:.4f}")

    order = np.argsort(-scores["autoencoder"])
    shown = order[:20]
    x = data.batch(test.images, shown, flags.device)
    images.save_reconstructions(out / "unusual.png", to_host(x), to_host(model.reconstruct(x)), shape,
                                title=f"the test images of the largest scores, of which {odd[shown].sum()} of "
                                      f"{len(shown)} are of class {name} · below: reconstructions")
    if plots.available():
        plots.learning_curves(history, out / "curves.png")
        plots.lines({f"{way}: {areas[way]:.3f}": curve(of, odd) for way, of in scores.items()}, out / "roc.png",
                    title=f"finding class {name}", xlabel="share of the others that is reported",
                    ylabel=f"share of class {name} that is found")
    experiments.write(out, flags, history, {
        "nats per image": history[-1]["test_reconstruction"], "area under ROC": areas["autoencoder"],
        "area under ROC, PCA": areas["PCA"], "area / PCA's": experiments.ratio(areas["autoencoder"], areas["PCA"])})
    cli.show(out)


def curve(score: np.ndarray, odd: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The ROC curve: for each threshold, the share of others above it, and the share of the odd above it."""
    hit = odd[np.argsort(-score)]
    return np.cumsum(~hit) / (~hit).sum(), np.cumsum(hit) / hit.sum()


if __name__ == "__main__":
    cli.main(run)

"""How much do images without labels help a classifier?

A denoising autoencoder is trained on all training images, without their labels. A classifier then starts from its
encoder and is trained with labels for 100, 300, 1 000 or 10 000 of the images; an equal classifier starts from random
weights. Five random choices of the labelled images show how much of the difference is chance. The picture shows for
which numbers of labels the pretraining helps.

    python demos/pretraining.py                             drawn digits, needs no download, a few minutes
    python demos/pretraining.py --data mnist
"""
from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np

from tinyae import data, grad, models, params, summary, train
from tinyae.backend import freeze, to_device
from tinyae.demo import cli, experiments, plots
from tinyae.errors import BadValue
from tinyae.layers import Sequential
from tinyae.optim import Adam
from tinyae.train import evaluate

LABELS, DRAWS = (100, 300, 1000, 10_000), 5
STEPS, BATCH = 100, 50              # fine-tuning steps per epoch of pretraining, for every number of labels


def run() -> None:
    flags = cli.flags("pretraining", __doc__, hidden=[300], latent=150)
    training, test = cli.images(flags)
    if training.labels is None or test.labels is None:
        raise BadValue("these images have no labels", expected="images with labels", got=flags.data,
                       fix="--data digits, mnist or fashion-mnist")
    out = cli.folder(flags)

    shape = training.images.shape[1:]
    classes = int(training.labels.max()) + 1

    def autoencoder(seed: Any) -> models.Denoising:
        return models.Denoising(math.prod(shape), flags.hidden, flags.latent, init="he_normal", device=flags.device,
                                rng=np.random.default_rng(seed))

    pretrained = autoencoder(flags.seed)
    print(summary(pretrained.encoder, (math.prod(shape),)))
    phase = train.Phase(pretrained.losses, params(pretrained), Adam(params(pretrained), lr=flags.lr))
    history = train.fit([phase], (training, test), epochs=flags.epochs, batch_size=flags.batch_size, seed=flags.seed,
                        out=out, resume=flags.resume, config=vars(flags),
                        unrolled=flags.unroll, captured=flags.captured)

    def accuracy(encoder: Sequential, count: int, draw: int) -> float:
        """Test accuracy in percent after fine-tuning a copy of the encoder on `count` labels."""
        rng = np.random.default_rng([flags.seed, draw])
        chosen = rng.choice(len(training.images), count, replace=False)
        net = models.Classifier(copy.deepcopy(encoder), flags.latent, classes, rng=rng, device=flags.device)
        optimizer = Adam(params(net), lr=flags.lr)
        for _ in range(STEPS * flags.epochs):
            batch = rng.choice(chosen, BATCH)
            x = to_device(data.batch(training.images, batch), flags.device)
            labels = to_device(freeze(training.labels[batch].astype(np.int64)), flags.device)
            optimizer.step(grad(net.loss(x, labels), params(net)))
        return 100 * float((evaluate.over(net.classify, test.images, flags.device) == test.labels).mean())

    counts = [count for count in LABELS if count <= len(training.images)] or [len(training.images)]
    reached: dict[str, list[np.ndarray]] = {"without pretraining": [], "with pretraining": []}
    for count in counts:
        for way, found in reached.items():
            starts: Any = [pretrained if way == "with pretraining" else autoencoder([flags.seed, draw])
                           for draw in range(DRAWS)]
            found.append(np.array([accuracy(net.encoder, count, draw) for draw, net in enumerate(starts)]))
        print(f"{count:6,} labels: " + ", ".join(f"{way} {found[-1].mean():.2f} +- {found[-1].std():.2f} %"
                                                 for way, found in reached.items()))
    if plots.available():
        plots.lines({way: (counts, [a.mean() for a in found], [a.std() for a in found])
                     for way, found in reached.items()}, out / "labels.png", xlabel="images with a label", log=True,
                    title=f"{DRAWS} draws of the labels, mean and standard deviation", ylabel="test accuracy, %")
    experiments.write(out, flags, history, {
        f"{count} labels, {way}, %": a.mean() for way, found in reached.items()
        for count, a in zip(counts, found, strict=True)} | {
        f"{count} labels, {name}": float(of(a - b))
        for count, a, b in zip(counts, reached["with pretraining"], reached["without pretraining"], strict=True)
        for name, of in (("gain", np.mean), ("standard deviation of the gain", np.std))})
    cli.show(out)


if __name__ == "__main__":
    cli.main(run)

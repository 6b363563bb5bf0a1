"""A generative stochastic network walks at random from digit to digit, and every step draws a new one.

It learns one step: add salt-and-pepper noise to an image, compute from the rest the probability of each pixel of the
clean image, and draw a new image from these. Repeating the step gives a random walk through images that look like
training images. The demo draws the walk from a test image, step by step, and prints how often a classifier finds each
class in it.

    python demos/gsn.py                                     drawn digits, needs no download, a few minutes
    python demos/gsn.py --data mnist --hidden 1000 --epochs 30
"""
from __future__ import annotations

import math
from functools import partial
from itertools import islice

import numpy as np

from tinyae import models, params, summary, train
from tinyae.backend import generator, to_host
from tinyae.demo import cli, experiments, images, plots, probe
from tinyae.optim import Adam
from tinyae.train import evaluate

STEPS = 1000
LABELLED = 10_000       # training images with labels for the classifier


def run() -> None:
    flags = cli.flags("gsn", __doc__, hidden=[], latent=500)
    training, test = cli.images(flags)
    out = cli.folder(flags)

    shape = training.images.shape[1:]
    model = models.GSN(math.prod(shape), flags.hidden, flags.latent, rng=np.random.default_rng(flags.seed),
                       device=flags.device)
    print(summary(model, (math.prod(shape),)))

    first = partial(evaluate.first, test.images, flags.device)

    def walk(steps: int) -> np.ndarray:
        """The walk from the first test image: (steps, pixels)."""
        rng = generator(flags.seed, flags.device)
        return np.concatenate([to_host(p) for p in islice(model.walk(first(1), rng), steps)])

    def draw(epoch: int) -> None:
        """Draw the epoch's pictures: images restored from salt-and-pepper noise, and the walk."""
        noisy = model.corrupt(first(40), generator(flags.seed, flags.device))
        images.save_reconstructions(out / f"restored-{epoch:03d}.png", to_host(noisy),
                                    to_host(model.reconstruct(noisy)), shape,
                                    title="upper rows: test images with salt-and-pepper noise · lower rows: restored")
        images.save_grid(out / f"walk-{epoch:03d}.png", walk(200), shape, columns=20,
                         title=f"200 steps of the walk from a test image, row by row, after epoch {epoch}")

    phase = train.Phase(model.losses, params(model), Adam(params(model), lr=flags.lr))
    history = train.fit([phase], (training, test), epochs=flags.epochs, batch_size=flags.batch_size, seed=flags.seed,
                        out=out, resume=flags.resume, on_epoch=draw, config=vars(flags),
                        unrolled=flags.unroll, captured=flags.captured)

    if plots.available():
        plots.learning_curves(history, out / "curves.png")
    figures = {"nats per image": history[-1]["test_reconstruction"]}
    if training.labels is not None and test.labels is not None:
        net = probe.fit(evaluate.over(lambda x: x, training.images[:LABELLED]), training.labels[:LABELLED], [200],
                        seed=flags.seed)
        seen = net.classify(walk(STEPS))
        visits = np.bincount(seen, minlength=int(training.labels.max()) + 1)
        print(f"classes of {STEPS} steps:", ", ".join(f"{i}: {n}" for i, n in enumerate(visits)))
        figures |= {f"classes with 1 % of {STEPS} steps": float((visits >= STEPS // 100).sum()),
                    "steps to another class": float((np.diff(seen) != 0).mean()),
                    "accuracy of the classifier, %":
                        probe.accuracy(net, evaluate.over(lambda x: x, test.images), test.labels)}
    experiments.write(out, flags, history, figures)
    cli.show(out)


if __name__ == "__main__":
    cli.main(run)

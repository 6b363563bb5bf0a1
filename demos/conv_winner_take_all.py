"""A convolutional winner-take-all autoencoder draws every digit with a few strokes, each where it is needed.

Each map of the code keeps one number per image, its largest. At that place the decoder draws the map's picture of
11 x 11 pixels, always the same one. In training, moreover, each map is used only by the 10 % of images that activate it
most. Under these limits the pictures become strokes. The demo draws them, and digits composed of them. It prints the
accuracy of a linear classifier from the maps, and from the pixels alone.

    python demos/conv_winner_take_all.py                    drawn digits, needs no download, a few minutes
    python demos/conv_winner_take_all.py --data mnist --latent 128
    python demos/conv_winner_take_all.py --hidden 32 --latent 64        a second convolution, several times slower
"""
from __future__ import annotations

import math
from functools import partial

import numpy as np

from tinyae import models, params, summary, train
from tinyae.backend import Array, to_host
from tinyae.conv import max_pool2d
from tinyae.demo import cli, experiments, images, plots, probe
from tinyae.errors import BadValue
from tinyae.models.conv_winner_take_all import STROKE
from tinyae.optim import Adam
from tinyae.tensor import data_of
from tinyae.train import evaluate

LABELLED = 10_000       # training images with labels for the classifier
CELL = 2                # the classifier sees the largest number of each 2 x 2 places of a map


def run() -> None:
    flags = cli.flags("conv_winner_take_all", __doc__, hidden=[], latent=64, batch_size=100, lr=5e-3, epochs=3)
    training, test = cli.images(flags)
    shape = training.images.shape[1:]
    if min(shape[:2]) < 2:
        raise BadValue("images must have at least 2 x 2 pixels, over which the maps are pooled", got=shape,
                       expected="images (n, h, w[, c])", fix="--data digits")
    out = cli.folder(flags)
    model = models.ConvWinnerTakeAll(shape, flags.hidden, flags.latent, rng=np.random.default_rng(flags.seed),
                                     device=flags.device)
    print(summary(model, (math.prod(shape),)))

    first = partial(evaluate.first, test.images, flags.device)

    def draw(epoch: int) -> None:
        """Draw the epoch's pictures: the stroke of each map, and images composed of them."""
        strokes = np.moveaxis(model.decoder[0].W.numpy(), -1, 0).mean(axis=-1)      # (latent, 11, 11), grey
        images.save_grid(out / f"strokes-{epoch:03d}.png", images.signed(strokes[:100].reshape(-1, STROKE * STROKE)),
                         (STROKE, STROKE), columns=16, title=f"the stroke of each map, after epoch {epoch}")
        shown = to_host(data_of(model.decode(model.sparse_code(first(1000)))))[:40]
        images.save_reconstructions(out / f"reconstructions-{epoch:03d}.png", to_host(first(len(shown))), shown, shape,
                                    title="upper rows: originals · lower rows: drawn by the winners among 1000 images")

    phase = train.Phase(model.losses, params(model), Adam(params(model), lr=flags.lr))
    history = train.fit([phase], (training, test), epochs=flags.epochs, batch_size=flags.batch_size, seed=flags.seed,
                        out=out, resume=flags.resume, on_epoch=draw, config=vars(flags),
                        unrolled=flags.unroll, captured=flags.captured)

    if plots.available():
        plots.learning_curves(history, out / "curves.png", unit="squared error per image")
    drawn_by = evaluate.over(lambda x: (data_of(model.sparse_code(x)) > 0).sum(axis=(1, 2, 3)), test.images,
                             flags.device)
    figures = {"squared error": history[-1]["test_reconstruction"], "strokes in an image": float(drawn_by.mean())}
    if training.labels is not None and test.labels is not None:
        def pooled(x: Array) -> Array:
            return max_pool2d(data_of(model.maps(x)), size=CELL).reshape(len(x), -1)

        some = training.images[:LABELLED]
        for name, f in (("pixels", lambda x: x), ("maps", pooled)):
            seen, unseen = (evaluate.over(f, part, flags.device) for part in (some, test.images))
            net = probe.fit(seen, training.labels[:LABELLED], seed=flags.seed, device=flags.device)
            figures[f"accuracy from {name}, %"] = probe.accuracy(net, unseen, test.labels, flags.device)
            print(f"a linear classifier gets {figures[f'accuracy from {name}, %']:.2f} % right from the {name}")
    experiments.write(out, flags, history, figures)
    cli.show(out)


if __name__ == "__main__":
    cli.main(run)

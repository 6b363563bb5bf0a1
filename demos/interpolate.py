"""From one picture to another, through all the pictures between them.

Mix a full moon and a half moon pixel by pixel, and you get a full moon with a grey half: no real moon looks like that.
Mix their codes, and the decoder draws the phases between: one gibbous moon after another. The demo measures a mixture
by its distance from the nearest training image.

    python demos/interpolate.py                             moons, drawn on the spot, less than a minute
    python demos/interpolate.py --data digits --latent 20   a 9 that becomes a 5
"""
from __future__ import annotations

import math

import numpy as np

from tinyae import data, models, ops, params, summary, train
from tinyae.backend import Array, to_device, to_host
from tinyae.data import moon
from tinyae.demo import cli, experiments, images, plots
from tinyae.optim import Adam

PAIRS = np.array([[14, 7], [14, 21], [4, 10], [18, 24]]) / moon.DAYS      # full to half, both ways, and two others
STEPS = 10


def run() -> None:
    flags = cli.flags("interpolate", __doc__, data="moon", hidden=[256, 128], latent=2, epochs=30)
    training, test = cli.images(flags)
    out = cli.folder(flags)

    shape = training.images.shape[1:]
    model = models.VAE(math.prod(shape), flags.hidden, flags.latent, activation="elu", device=flags.device,
                       rng=np.random.default_rng(flags.seed))
    print(summary(model, (math.prod(shape),)))
    phase = train.Phase(model.losses, params(model), Adam(params(model), lr=flags.lr))
    history = train.fit([phase], (training, test), epochs=flags.epochs, batch_size=flags.batch_size, seed=flags.seed,
                        out=out, resume=flags.resume, config=vars(flags),
                        unrolled=flags.unroll, captured=flags.captured)

    ends = test.images if len(test.images) > 1 else np.concatenate([test.images, training.images[:1]])
    pairs = moon.draw(PAIRS.ravel()) if flags.data == "moon" else ends[:min(8, len(ends) // 2 * 2)]
    x = data.batch(pairs, np.arange(len(pairs)))
    share = np.linspace(0, 1, STEPS, dtype=np.float32)[:, None]

    def between(ends: Array) -> Array:
        """(pairs * 2, k) -> (pairs * STEPS, k): points on the line from the first to the second of each pair."""
        return np.concatenate([(1 - share) * a + share * b for a, b in zip(ends[::2], ends[1::2], strict=True)])

    codes = between(to_host(model.encode(to_device(x, flags.device)).data))
    drawn = to_host(ops.sigmoid(model.decode(to_device(codes, flags.device))).data)
    mixed = between(x)
    rows = np.stack([a.reshape(-1, STEPS, x.shape[1]) for a in (drawn, mixed)], axis=1)         # pairs, 2, STEPS, k
    images.save_grid(out / "between.png", rows.reshape(-1, x.shape[1]), shape, columns=STEPS,
                     title="pairs of rows, left to right: codes mixed and decoded · pixels mixed")

    known = data.batch(training.images, np.arange(min(6000, len(training.images))))

    def distance(y: Array) -> float:
        """Mean squared distance from the inner pictures of each line to the nearest training image."""
        inner = y.reshape(-1, STEPS, y.shape[1])[:, 1:-1].reshape(-1, y.shape[1])
        return float((np.square(inner).sum(1)[:, None] - 2 * inner @ known.T + np.square(known).sum(1)).min(1).mean())

    if plots.available():
        plots.learning_curves(history, out / "curves.png")
        if flags.latent == 2:
            codes = model.encode(to_device(data.batch(test.images, np.arange(min(1000, len(test.images)))),
                                           flags.device)).numpy()
            plots.latent_map(codes, None if test.labels is None else test.labels[:len(codes)], out / "latents.png")
    experiments.write(out, flags, history, {
        "distance to the nearest picture, codes mixed": distance(drawn),
        "distance to the nearest picture, pixels mixed": distance(mixed),
        "codes / pixels": experiments.ratio(distance(drawn), distance(mixed))})
    cli.show(out)


if __name__ == "__main__":
    cli.main(run)

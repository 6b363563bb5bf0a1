"""What does a unit respond to? Three ways to find out.

The weights of the first layer can be shown as pictures. For deeper units the demo finds the training images that
activate them most, and the image that activates them most among all images of the same norm. It finds the latter by
gradient ascent: grad with respect to the image instead of the weights. After each step the image is scaled back to the
norm of a typical image, because otherwise it would only grow.

    python demos/features.py                                drawn digits, needs no download, a few minutes
    python demos/features.py --data fashion-mnist
"""
from __future__ import annotations

import math

import numpy as np

from tinyae import Tensor, data, grad, models, ops, params, summary, train
from tinyae.backend import Array, Rng, device_of, generator, normal, to_device, to_host
from tinyae.demo import cli, experiments, images, plots
from tinyae.optim import Adam
from tinyae.train import evaluate

UNITS, MOST, ASCENT, RATE = 10, 9, 200, 0.1


def run() -> None:
    flags = cli.flags("features", __doc__, hidden=[500], latent=250)
    training, test = cli.images(flags)
    out = cli.folder(flags)

    shape = training.images.shape[1:]
    model = models.Denoising(math.prod(shape), flags.hidden, flags.latent, rng=np.random.default_rng(flags.seed),
                             device=flags.device)
    print(summary(model, (math.prod(shape),)))
    phase = train.Phase(model.losses, params(model), Adam(params(model), lr=flags.lr))
    history = train.fit([phase], (training, test), epochs=flags.epochs, batch_size=flags.batch_size, seed=flags.seed,
                        out=out, resume=flags.resume, config=vars(flags),
                        unrolled=flags.unroll, captured=flags.captured)

    W = model.encoder[0].W.numpy()                                          # (pixels, first hidden layer)
    strongest = np.argsort(-np.square(W).sum(axis=0))[:100]
    images.save_grid(out / "weights.png", images.signed(W.T[strongest]), shape,
                     title="weights of the first layer, positive white and negative black · the 100 strongest units")

    some = training.images[:10_000]
    codes = evaluate.over(model.encode, some, flags.device)                 # (n, latent)
    units = np.argsort(-codes.var(axis=0))[:UNITS]                          # those that vary most
    exciting = np.argsort(-codes[:, units], axis=0)[:MOST]                  # (most, units)
    norm = float(np.linalg.norm(data.batch(some, np.arange(len(some))), axis=1).mean())
    best = to_host(ascend(model, units, norm, generator(flags.seed, flags.device)))
    found = data.batch(some, exciting.T.ravel()).reshape(len(units), -1, math.prod(shape))
    rows = np.concatenate([images.signed(best)[:, None], found], axis=1)    # (units, 1 + most, pixels)
    images.save_grid(out / "units.png", rows.reshape(-1, math.prod(shape)), shape, columns=rows.shape[1],
                     title="one unit per row: the image that activates it most, then the training images that do")
    if plots.available():
        plots.learning_curves(history, out / "curves.png", unit="squared error per image")
    reached = to_host(model.encode(to_device(best, flags.device)).data)[np.arange(len(units)), units]
    experiments.write(out, flags, history, {
        "squared error": history[-1]["test_reconstruction"],
        "activation by ascent / by the best image": float((reached / codes[:, units].max(axis=0)).mean())})
    cli.show(out)


def ascend(model: models.Denoising, units: np.ndarray, norm: float, rng: Rng) -> Array:
    """(units, pixels): for each unit of the code, the image of this norm that activates it most, found from noise."""
    W = model.encoder[0].W.data
    own = to_device(np.eye(model.encoder[-1].b.size, dtype=W.dtype)[units], device_of(W))   # 1 where image = unit
    x = normal(rng, like=np.zeros((len(units), len(W)), W.dtype, like=W))
    for _ in range(ASCENT):
        x = x * (norm / np.linalg.norm(x, axis=1, keepdims=True))
        picture = Tensor(x)
        (g,) = grad(ops.sum(own * model.encode(picture)), [picture])
        x = x + RATE * norm * g / np.linalg.norm(g, axis=1, keepdims=True)
    return x * (norm / np.linalg.norm(x, axis=1, keepdims=True))


if __name__ == "__main__":
    cli.main(run)

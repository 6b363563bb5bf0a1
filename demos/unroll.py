"""The forward and the backward pass of a variational autoencoder, written out as straight-line NumPy.

The demo prints the program, checks that its gradients have the bits of grad's, and compares the times of both. It also
saves the program as a file that needs nothing but NumPy: read it, run it, compare it with your own derivation.

    python demos/unroll.py                          a VAE of 784 pixels, 20 hidden units and 2 latents
    python demos/unroll.py --hidden 400 --latent 20 --batch-size 128
"""
from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from operator import add
from time import perf_counter

import numpy as np

from tinyae import data, grad, models, params, unroll
from tinyae.demo import cli

ROUNDS = 20         # of which the median counts


def milliseconds(f: Callable[[], object]) -> float:
    """The median time of a call of f."""
    times = []
    for _ in range(ROUNDS):
        began = perf_counter()
        f()
        times.append(perf_counter() - began)
    return 1e3 * float(np.median(times))


def run() -> None:
    flags = cli.flags("unroll", __doc__, hidden=[20], latent=2, activation="relu", batch_size=32)
    training, _ = cli.images(flags)
    out = cli.folder(flags)
    x = data.batch(training.images, np.arange(flags.batch_size))                # (n, pixels)
    model = models.VAE(x.shape[1], flags.hidden, flags.latent, flags.activation, rng=np.random.default_rng(flags.seed))
    p = params(model)

    program = unroll(model.losses, x, wrt=p, rng=np.random.default_rng(flags.seed))
    print(program)
    program.save(out / "step.py")

    def on_the_tape() -> dict[str, np.ndarray]:
        return grad(reduce(add, model.losses(x, np.random.default_rng(flags.seed)).values()), p)

    def unrolled() -> dict[str, np.ndarray]:
        return program(x, rng=np.random.default_rng(flags.seed))[1]

    same = all(np.array_equal(g, h) for g, h in zip(on_the_tape().values(), unrolled().values(), strict=True))
    print(f"the gradients of the program are those of grad, bit for bit: {same}")
    print(f"losses and gradients take {milliseconds(on_the_tape):.2f} ms on the tape, "
          f"{milliseconds(unrolled):.2f} ms unrolled")
    print(f"the program with all that it calls: {out / 'step.py'}")


if __name__ == "__main__":
    cli.main(run)

"""Does the step wait for its data? The part of an epoch spent on making batches and drawing random numbers.

    python benchmarks/feeding.py            a minute

Each model is trained by tinyae.train.fit on random uint8 images of 28x28. Clocks measure the code that gathers and
converts a batch, and the generator of noise and masks. The table is printed and saved in FOLDER/feeding.json.
"""
from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import command
import conditions
import numpy as np
import tables

from tinyae import models, params, train
from tinyae.optim import Adam
from tinyae.train import loader, loop, state

IMAGES, EPOCHS, BATCH = 10_000, 3, 128
CASES: dict[str, Callable[..., Any]] = {
    "autoencoder 784-256-128-20": models.Autoencoder,
    "VAE 784-400-20": models.VAE,
    "dropout 784-512-256-64, a fifth dropped": models.DropoutAutoencoder,
    "denoising 784-500-250, Gaussian noise": models.Denoising,
    "denoising 784-500-250, a quarter masked": lambda **keywords: models.Denoising(
        noise="masking", level=0.25, **keywords),
    "convolutional autoencoder 16-32": models.ConvAutoencoder,
}


class Clock:
    """CPU seconds spent in the functions it times."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def timed(self, f: Callable) -> Callable:
        def call(*args: Any, **kwargs: Any) -> Any:
            began = time.process_time()
            try:
                return f(*args, **kwargs)
            finally:
                self.seconds += time.process_time() - began
        return call


class Generator:
    """A random generator whose methods are timed."""

    def __init__(self, rng: Any, clock: Clock):
        self.rng, self.clock = rng, clock

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.rng, name)
        return self.clock.timed(found) if callable(found) else found


@contextmanager
def clocks() -> Iterator[dict[str, Clock]]:
    """Clocks on the functions with which fit makes a batch, draws random numbers and makes a step."""
    batches, numbers, steps = Clock(), Clock(), Clock()
    kept = loader.Loader.batch, loop.step, state.generator
    loader.Loader.batch = batches.timed(kept[0])                                       # type: ignore[method-assign]
    loop.step = steps.timed(kept[1])
    state.generator = lambda *args: Generator(kept[2](*args), numbers)
    try:
        yield {"batches": batches, "random numbers": numbers, "steps": steps}
    finally:
        loader.Loader.batch, loop.step, state.generator = kept                       # type: ignore[method-assign]


def epoch(make: Callable[..., Any], images: np.ndarray) -> dict[str, float]:
    """CPU milliseconds per step: the whole step, its batch and its random numbers."""
    model = make(rng=np.random.default_rng(0))
    phase = train.Phase(model.losses, params(model), Adam(params(model)))
    with clocks() as spent:
        train.fit([phase], (images, images[:1]), epochs=EPOCHS, batch_size=BATCH, report=None)
    steps = EPOCHS * -(-len(images) // BATCH)
    return {what: float(f"{1e3 * clock.seconds / steps:.4g}") for what, clock in spent.items()}


def report(result: dict[str, Any]) -> str:
    rows = []
    for name, ms in result["models"].items():
        parts = [ms["batches"], ms["random numbers"]]
        rows.append([name, *map(tables.number, [ms["steps"], *parts]),
                     *(f"{100 * part / ms['steps']:.1f} %" for part in parts)])
    return tables.table(["model", "ms a step", "its batch", "its random numbers", "share of batches",
                         "share of random numbers"], rows)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = command.parser(__doc__)
    parser.add_argument("--images", type=command.count(BATCH), default=IMAGES,
                        help=f"number of training images ({IMAGES:,})")
    parser.add_argument("--out", type=Path, default=Path("runs/benchmarks"), metavar="FOLDER",
                        help="folder for feeding.json (runs/benchmarks)")
    asked = parser.parse_args(arguments)
    images = np.random.default_rng(0).integers(0, 256, (asked.images, 28, 28), np.uint8)
    result: dict[str, Any] = conditions.machine() | {"images": asked.images, "batch": BATCH, "models": {}}
    for name, make in CASES.items():
        print(f"{name} ...", flush=True)
        result["models"][name] = epoch(make, images)
    result["others"] = round(conditions.others_now(), 2)
    print(f"\n{report(result)}\n\n{tables.write(asked.out, 'feeding', result)}")
    if warning := conditions.busy(result["others"]):
        print(warning, file=sys.stderr)
    return 0


if __name__ == "__main__":
    command.start(main)

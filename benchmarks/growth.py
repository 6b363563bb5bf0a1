"""How does the cost of a training step grow with the batch, the width, the depth, the data set and the steps done?

    python benchmarks/growth.py             five minutes; its files of up to 8 GB are sparse and take no space
    python benchmarks/growth.py --quick     small sizes only: half a minute
    python benchmarks/growth.py --only depth,batch

The model is an autoencoder with one hidden width, trained by Adam. Time is CPU time per step. Memory is the peak of all
NumPy arrays during a step, parameters and batch included. A slope of s means that twice the size costs 2^s times as
much. The tables are printed and saved in FOLDER, as growth.json and growth.png.
"""
from __future__ import annotations

import sys
import tempfile
import time
import tracemalloc
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import charts
import command
import conditions
import numpy as np
import tables

from tinyae import data, grad, params
from tinyae.functions import squared_error
from tinyae.layers import dense_stack
from tinyae.ops import mean
from tinyae.optim import Adam

PIXELS, HIDDEN, BATCH = 784, 256, 128
NARROW = 64                 # the width of deep nets
SIZES = {"batch": [2 ** i for i in range(14)], "width": [2 ** i for i in range(6, 14)],
         "depth": [2, 5, 10, 20, 50, 100, 200, 500, 1000], "images": [10 ** i for i in range(3, 8)],
         "steps": [10, 100, 1000, 10_000]}
QUICK = {"batch": [16, 64, 256], "width": [64, 128, 256], "depth": [2, 10, 50], "images": [1000, 10_000],
         "steps": [10, 100, 1000]}
MEANS = {"batch": f"images in a batch; {PIXELS}-{HIDDEN}-{PIXELS}",
         "width": f"hidden units; {PIXELS}-width-{PIXELS}, batch {BATCH}",
         "depth": f"layers of {NARROW} units, batch {BATCH}",
         "images": f"images in a mapped file; {PIXELS}-{HIDDEN}-{PIXELS}, batch {BATCH} gathered in each step",
         "steps": f"steps done before; {NARROW}-{NARROW}-{NARROW}, batch {BATCH}"}
REPEATS, SECONDS = 9, 0.05  # per size: the median of REPEATS times, each over SECONDS or one step
LAST = 4                    # the slope is fitted to the last sizes


def trainer(widths: Sequence[int]) -> Callable[[np.ndarray], None]:
    """A net of these widths; returns a function that makes one training step on a batch (n, widths[0])."""
    net = dense_stack(widths, "tanh", rng=np.random.default_rng(0))
    own = params(net)
    optimizer = Adam(own)

    def step(x: np.ndarray) -> None:
        optimizer.step(grad(mean(squared_error(net(x), x)), own))
    return step


def uniform(n: int, d: int) -> np.ndarray:
    x = np.random.default_rng(0).random((n, d), dtype=np.float32)
    x.flags.writeable = False
    return x


def seconds_of(step: Callable[[], Any]) -> float:
    """CPU seconds per step."""
    times = []
    for _ in range(REPEATS):
        steps, began = 0, time.process_time()
        while steps == 0 or time.process_time() - began < SECONDS:
            step()
            steps += 1
        times.append((time.process_time() - began) / steps)
    return median(times)


def measure(make: Callable[[], Callable[[], Any]]) -> dict[str, float]:
    """Milliseconds per step of the step that `make` returns, and its peak memory in MB, from before make."""
    tracemalloc.start()         # NumPy reports its arrays there
    step = make()
    step()
    tracemalloc.reset_peak()
    step()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return {"ms": 1e3 * seconds_of(step), "MB": peak / 1e6}


def by_batch(n: int) -> dict[str, float]:
    def make() -> Callable[[], Any]:
        step, x = trainer([PIXELS, HIDDEN, PIXELS]), uniform(n, PIXELS)
        return lambda: step(x)
    return measure(make)


def by_width(n: int) -> dict[str, float]:
    def make() -> Callable[[], Any]:
        step, x = trainer([PIXELS, n, PIXELS]), uniform(BATCH, PIXELS)
        return lambda: step(x)
    return measure(make)


def by_depth(n: int) -> dict[str, float]:
    def make() -> Callable[[], Any]:
        step, x = trainer([NARROW] * (n + 1)), uniform(BATCH, NARROW)
        return lambda: step(x)
    return measure(make)


def by_images(n: int) -> dict[str, float]:
    """Random batches from a sparse .npy, which takes no space on the disk and reads as zeros."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "images.npy")
        np.lib.format.open_memmap(path, "w+", np.uint8, (n, 28, 28)).flush()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")             # data.load notes that all images are equal
            images = data.load(str(path), progress=False)[0].images

        def make() -> Callable[[], Any]:
            step, rng = trainer([PIXELS, HIDDEN, PIXELS]), np.random.default_rng(0)
            return lambda: step(data.batch(images, rng.integers(0, len(images), BATCH)))
        return measure(make)


def by_steps(n: int) -> dict[str, float]:
    """A step after n other steps."""
    def make() -> Callable[[], Any]:
        step, x = trainer([NARROW] * 3), uniform(BATCH, NARROW)
        for _ in range(n):
            step(x)
        return lambda: step(x)
    return measure(make)


GROWTHS = {"batch": by_batch, "width": by_width, "depth": by_depth, "images": by_images, "steps": by_steps}


def slope(sizes: Sequence[float], costs: Sequence[float]) -> float:
    """The slope of a line through the LAST points on logarithmic axes; fixed costs dominate the smaller sizes."""
    return float(np.polyfit(np.log(sizes[-LAST:]), np.log(costs[-LAST:]), 1)[0])


def digits(sizes: Sequence[float], costs: Sequence[float]) -> str:
    """The slope as a table shows it: two digits, and no -0.00."""
    return f"{round(slope(sizes, costs), 2) + 0.0:.2f}"


def columns(result: dict[str, Any], name: str) -> tuple[list[int], list[float], list[float]]:
    """(sizes, milliseconds, megabytes)."""
    found = result["growth"][name]
    return list(map(int, found)), [cost["ms"] for cost in found.values()], [cost["MB"] for cost in found.values()]


def slopes(result: dict[str, Any]) -> str:
    """A row for each size that grows: the slopes of time and memory."""
    rows = []
    for name in result["growth"]:
        sizes, ms, mb = columns(result, name)
        rows.append([f"{name}: {MEANS[name]}", f"{sizes[-LAST:][0]:,} to {sizes[-1]:,}",
                     digits(sizes, ms), digits(sizes, mb)])
    return tables.table(["what grows", "fitted to", "slope of ms a step", "slope of MB at most"], rows)


def report(result: dict[str, Any]) -> str:
    parts = []
    for name in result["growth"]:
        sizes, ms, mb = columns(result, name)
        rows = [[f"{n:,}", tables.number(t), tables.number(m)] for n, t, m in zip(sizes, ms, mb, strict=True)]
        rows.append([f"slope from {sizes[-LAST:][0]:,} on", digits(sizes, ms), digits(sizes, mb)])
        parts += [f"### {name}: {MEANS[name]}\n", tables.table([name, "ms a step", "MB at most"], rows), ""]
    return "\n".join(parts)


def panels(result: dict[str, Any]) -> Iterator[charts.Panel]:
    for name in result["growth"]:
        sizes, ms, mb = columns(result, name)
        yield charts.Panel(f"{MEANS[name].partition(';')[0].partition(',')[0]}", name, "ms, MB", {
            f"ms a step, slope {digits(sizes, ms)}": (sizes, ms),
            f"MB at most, slope {digits(sizes, mb)}": (sizes, mb)})


def main(arguments: Sequence[str] | None = None) -> int:
    parser = command.parser(__doc__)
    parser.add_argument("--quick", action="store_true", help="small sizes only")
    parser.add_argument("--only", type=command.some_of(GROWTHS), metavar="A,B",
                        help=f"only these of {', '.join(GROWTHS)}")
    parser.add_argument("--out", type=Path, default=Path("runs/benchmarks"), metavar="FOLDER",
                        help="folder for the results (runs/benchmarks)")
    asked = parser.parse_args(arguments)
    names = asked.only or list(GROWTHS)
    result, others = conditions.machine() | {"growth": {}}, []
    by_batch(1)                 # else the first size would include the time of imports
    for name in names:
        result["growth"][name] = {}
        for n in (QUICK if asked.quick else SIZES)[name]:
            print(f"{name} {n:,} ...", flush=True)
            result["growth"][name][str(n)] = {key: float(f"{cost:.5g}") for key, cost in GROWTHS[name](n).items()}
            others.append(conditions.others_now(0.1))
    result["others"] = round(median(others), 2)
    print(f"\n{report(result)}\n{tables.write(asked.out, 'growth', result)}")
    charts.draw(list(panels(result)), asked.out / "growth.png")
    if warning := conditions.busy(result["others"]):
        print(warning, file=sys.stderr)
    return 0


if __name__ == "__main__":
    command.start(main)

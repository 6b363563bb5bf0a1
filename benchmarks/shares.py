"""Where does the time of a step go? The shares of its rows (forward and backward), of Adam and of the engine.

    python benchmarks/shares.py             every workload: a minute
    python benchmarks/shares.py --only W1,W8

A clock times each row's forward and vjps; a row called by another row counts for the outer one. The remaining time
belongs to the engine and the Python code between the rows. The table is printed and saved in FOLDER/shares.json.
"""
from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from statistics import median
from typing import Any

import command
import conditions
import tables
from libraries import tinyae as library
from workloads import WORKLOADS

from tinyae import conv, fused, ops, optim
from tinyae.guards import Each

ROUNDS, SECONDS = 9, 0.3
KINDS = {"products": {"affine", "matmul"}, "convolutions": {name for name in conv.ROWS if name.startswith("conv")},
         "activations": {"relu", "leaky_relu", "elu", "sigmoid", "tanh"},
         "loss of pixels": {"bce", "sse"}, "Adam": {"Adam"}}
REST, ENGINE = "other rows", "engine"


class Clocks:
    """CPU seconds by name; a nested call counts for the outer one."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self.running = False

    def timed(self, name: str, f: Callable) -> Callable:
        @wraps(f)
        def call(*args: Any, **kwargs: Any) -> Any:
            if self.running:
                return f(*args, **kwargs)
            self.running, began = True, time.process_time()
            try:
                return f(*args, **kwargs)
            finally:
                self.running = False
                self.seconds[name] += time.process_time() - began
        return call


def watch() -> Clocks:
    """Put a clock on every row and on Adam's step, for the rest of this process."""
    clocks = Clocks()
    for name, row in (ops.ROWS | fused.ROWS | conv.ROWS).items():
        row.forward = clocks.timed(name, row.forward)
        if isinstance(row.vjps, Each):
            row.vjps = Each(clocks.timed(name, row.vjps.each))
        else:
            row.vjps = tuple(vjp and clocks.timed(name, vjp) for vjp in row.vjps)
    optim.Adam.step = clocks.timed("Adam", optim.Adam.step)     # type: ignore[method-assign]
    return clocks


def shares(name: str, clocks: Clocks) -> dict[str, float]:
    """The share of each kind, between 0 and 1: the median of the rounds."""
    step = library.build(WORKLOADS[name])
    for _ in range(3):
        step()
    found: dict[str, list[float]] = defaultdict(list)
    for _ in range(ROUNDS):
        clocks.seconds.clear()
        began = time.process_time()
        while (total := time.process_time() - began) < SECONDS or not clocks.seconds:
            step()
        for kind, rows in KINDS.items():
            found[kind].append(sum(clocks.seconds.pop(row, 0.0) for row in rows) / total)
        found[REST].append(sum(clocks.seconds.values()) / total)
        found[ENGINE].append(1 - sum(found[kind][-1] for kind in [*KINDS, REST]))
    return {kind: round(median(parts), 4) for kind, parts in found.items()}


def report(result: dict[str, Any]) -> str:
    kinds = [*KINDS, REST, ENGINE]
    rows = [[WORKLOADS[name].label, *(f"{100 * found[kind]:.0f} %" if found[kind] >= 0.005 else "" for kind in kinds)]
            for name, found in result["workloads"].items()]
    return tables.table(["workload", *kinds], rows)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = command.parser(__doc__)
    parser.add_argument("--only", type=command.some_of(WORKLOADS), metavar="W1,W2",
                        help=f"only these workloads of {', '.join(WORKLOADS)}")
    parser.add_argument("--out", type=Path, default=Path("runs/benchmarks"), metavar="FOLDER",
                        help="folder for shares.json (runs/benchmarks)")
    asked = parser.parse_args(arguments)
    names = asked.only or list(WORKLOADS)
    clocks = watch()
    result = conditions.machine() | {"workloads": {name: shares(name, clocks) for name in names}}
    print(f"{report(result)}\n\n{tables.write(asked.out, 'shares', result)}")
    return 0


if __name__ == "__main__":
    command.start(main)

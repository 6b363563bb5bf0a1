"""How much faster does each technique make a step? tinyae is timed with and without it.

    python benchmarks/techniques.py             every dense workload: ten minutes
    python benchmarks/techniques.py --quick     two of them: a minute
    python benchmarks/techniques.py --only W1

Each technique is replaced by its plain form in its own process, beside unchanged tinyae. A figure of 1.20 means that a
step takes 1.20 times as long without the technique. The figures do not multiply, because each technique is switched off
alone. The table is printed and saved in FOLDER/techniques.json.
"""
from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import command
import conditions
import numpy as np
import race
import tables
from workloads import LATER, WORKLOADS

NAMES, QUICK = ["W1", "W2", "W3", "W4", "W5", "W6", "W8"], ["W2", "W8"]
WHOLE = "tinyae"

# Each function imports tinyae itself, because the import decides whether freed memory is kept.


def as_it_is() -> None:
    pass


def give_memory_back() -> None:
    os.environ["TINYAE_KEEP_MEMORY"] = "0"


def product_then_bias() -> None:
    from tinyae import fused

    fused.affine = lambda x, W, b: x @ W + b


def losses_of_rows() -> None:
    from tinyae import functions, ops
    from tinyae.models import stacked

    functions.bce = lambda logits, x: ops.sum(ops.softplus(logits) - logits * x, axis=1)
    functions.sse = lambda y, x: ops.sum(ops.square(y - x), axis=1)
    functions.kl = lambda mu, lv: 0.5 * ops.sum(ops.expm1(lv) - lv + ops.square(mu), axis=1)
    functions.log_mean_sigmoids = lambda x: ops.stack(*[
        functions.logsumexp(-ops.softplus(sign * x), axis=0) - np.log(np.float32(len(x))) for sign in (-1, 1)])
    stacked.squared_norm = lambda W: ops.sum(ops.square(W))


def fresh_arrays() -> None:
    from tinyae import fused, ops

    ops.sigmoid.forward = lambda x: np.maximum(np.exp(-np.abs(x)), x >= 0) / (1 + np.exp(-np.abs(x)))
    ops.softplus.forward = lambda x: np.log1p(np.exp(-np.abs(x))) + np.maximum(x, 0)
    ops.elu.forward = lambda x: np.expm1(np.minimum(x, 0)) + np.maximum(x, 0)
    fused.bce.forward = lambda logits, x: (ops.softplus(logits) - logits * x).sum(1)
    fused._bce_vjp = lambda g, x, y: g * (ops.sigmoid(x) - y)


def sum_of_rows() -> None:
    from tinyae import tensor

    fast = tensor.sum_to.forward
    tensor.sum_to.forward = lambda x, shape: x.sum(0) if x.ndim == 2 and shape == x.shape[1:] else fast(x, shape)


def tensor_by_tensor() -> None:
    from tinyae import optim
    from tinyae.optim.rules import adam_plain

    class Adam:
        """The paper's lines, one parameter after the other."""

        def __init__(self, params: dict[str, Any], lr: float, betas: tuple[float, float], eps: float):
            self.params, self.lr, self.betas, self.eps, self.t = params, lr, betas, eps, 0
            self.m, self.v = ({name: np.zeros_like(p.data) for name, p in params.items()} for _ in range(2))

        def step(self, grads: dict[str, Any]) -> None:
            self.t += 1
            for name, p in self.params.items():
                p.data, self.m[name], self.v[name] = adam_plain(
                    grads[name], p.data, self.m[name], self.v[name], self.t, self.lr, self.betas, self.eps)

    optim.Adam = Adam           # type: ignore[misc, assignment]


def all_at_once() -> None:
    from tinyae.optim import flat

    flat.BLOCK = 1 << 62


def as_it_falls() -> None:
    from tinyae import fused

    fused._product_in_layout_of = lambda W, x, g: x.mT @ g


def unguarded() -> None:
    from tinyae import functions

    functions.bce_with_logits = functions.bce


TWINS: dict[str, Callable[[], None]] = {
    WHOLE: as_it_is,
    "freed memory is kept, not given back to the system": give_memory_back,
    "x @ W + b is one row, not two": product_then_bias,
    "a loss is one row, not a chain of rows": losses_of_rows,
    "sigmoid, softplus, elu, cross-entropy in place, in few passes": fresh_arrays,
    "the gradient of a bias is a product, not a sum": sum_of_rows,
    "Adam in place on all parameters joined, not one by one": tensor_by_tensor,
    "Adam block by block in the cache": all_at_once,
    "a tied weight's gradients have its memory layout": as_it_falls,
    "a check, not a gain: targets outside [0, 1] are refused": unguarded,
}


def without(name: str, workload: str) -> race.Step:
    TWINS[name]()
    from libraries import tinyae

    return tinyae.build(WORKLOADS[workload])


def report(result: dict[str, Any]) -> str:
    """A row for each technique, a column for each workload."""
    races = result["workloads"]
    rows = [[name, *(f"{race.ratio(figures[name], figures[WHOLE]):.2f}" for figures in races.values())]
            for name in TWINS if name != WHOLE]
    faults = [f"{figures[WHOLE]['faults']:,}" for figures in races.values()]
    without_memory = [f"{figures[list(TWINS)[1]]['faults']:,}" for figures in races.values()]
    return tables.table(["technique", *races], [*rows, ["page faults a step", *faults],
                                                ["the same where memory is given back", *without_memory]])


def main(arguments: Sequence[str] | None = None) -> int:
    parser = command.parser(__doc__)
    parser.add_argument("--quick", action="store_true", help=f"only {', '.join(QUICK)}, with fewer rounds")
    parser.add_argument("--only", type=command.some_of(NAMES), metavar="W1,W2",
                        help=f"only these workloads of {', '.join(NAMES)}")
    parser.add_argument("--rounds", type=command.count(),
                        help="rounds, in each of which every form is timed (15; quick: 5)")
    parser.add_argument("--seconds", type=command.seconds, default=0.3, help="length of a turn (0.3)")
    parser.add_argument("--out", type=Path, default=Path("runs/benchmarks"), metavar="FOLDER",
                        help="folder for techniques.json (runs/benchmarks)")
    asked = parser.parse_args(arguments)
    names = asked.only or (QUICK if asked.quick else NAMES)
    result: dict[str, Any] = conditions.machine(threads=1) | {"workloads": {}}
    for name in names:
        print(f"{name} ...", flush=True)
        figures, failed = race.run({twin: partial(without, twin, name) for twin in TWINS},
                                   rounds=asked.rounds or (5 if asked.quick else 15), seconds=asked.seconds)
        if failed:
            raise SystemExit(f"{name}: {failed}")
        result["workloads"][name], right = figures, figures[WHOLE]["losses"][LATER]
        for twin, mine in figures.items():
            if abs(mine["losses"][LATER] - right) > 1e-3 * abs(right):
                raise SystemExit(f"{name}: without '{twin}' the loss is {mine['losses'][LATER]}, not {right}")
    result["others"] = round(median(mine["others"] for figures in result["workloads"].values()
                                    for mine in figures.values()), 2)
    print(f"\n{report(result)}\n\n{tables.write(asked.out, 'techniques', result)}")
    if warning := conditions.busy(result["others"]):
        print(warning, file=sys.stderr)
    return 0


if __name__ == "__main__":
    command.start(main)

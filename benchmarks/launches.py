"""How many kernels, uploads and waits does a training step need on a GPU?

    python benchmarks/launches.py               every workload; no GPU needed: half a minute
    python benchmarks/launches.py --only W1

The steps run on tests/cupy_double, which computes with NumPy and counts the kernels that CuPy would start. Starting a
kernel takes some microseconds; while kernels compute for less than that, their number decides the time of a step. Noise
and Adam are counted, and the batch is already on the GPU. The table is printed and saved in FOLDER/launches.json.
"""
from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import command
import conditions
import tables
from libraries import tinyae
from workloads import NAMES, WORKLOADS

from tinyae import kernels

WAYS = {"kernels": True, "without fusing": False}


def count(fused: bool, name: str) -> dict[str, int]:
    """Counts of the second step (in the first, Adam joins its parameters). Needs a process that has not fused yet."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
    import cupy_double

    sys.modules["cupy"] = cupy_double.cupy      # type: ignore[assignment]
    if not fused:
        kernels._compiled = lambda f, *_: f
    step = tinyae.build(WORKLOADS[name], "cuda")
    step()
    with cupy_double.counting() as n:
        step()
    return {"launches": n.launches, "uploads": n.uploads, "waits": n.syncs}


def report(result: dict[str, Any]) -> str:
    rows = [[WORKLOADS[name].label, *(f"{found[way]['launches']}" for way in WAYS),
             f"{found['kernels']['uploads']}", f"{found['kernels']['waits']}"]
            for name, found in result["workloads"].items()]
    return tables.table(["", *WAYS, "uploads", "waits"], rows)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = command.parser(__doc__)
    parser.add_argument("--only", type=command.some_of(NAMES), metavar="W1,W2",
                        help=f"only these workloads of {', '.join(NAMES)}")
    parser.add_argument("--out", type=Path, default=Path("runs/benchmarks"), metavar="FOLDER",
                        help="folder for the results (runs/benchmarks)")
    asked = parser.parse_args(arguments)
    names = asked.only or NAMES
    result: dict[str, Any] = conditions.machine() | {"workloads": {name: {} for name in names}}
    for way, fused in WAYS.items():
        with get_context("spawn").Pool(1) as pool:
            for name, found in zip(names, pool.imap(partial(count, fused), names), strict=True):
                result["workloads"][name][way] = found
    print(report(result))
    print(f"\n{tables.write(asked.out, 'launches', result)}")
    return 0


if __name__ == "__main__":
    command.start(main)

"""What does a training step ask of a GPU? Kernels to start, copies from the host, waits for a result: counted.

    python benchmarks/launches.py               every workload; no GPU needed: half a minute
    python benchmarks/launches.py --only W1

The steps run on tests/cupy_double, which computes with NumPy and counts what CuPy would start. A kernel takes some
microseconds to start, and as long as it computes for less than that, their number is the step's time. Noise and Adam
are counted, the batch is on the GPU already. The table is printed; FOLDER/launches.json keeps it.
"""
from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import conditions
import tables
from libraries import tinyae
from workloads import WORKLOADS

from tinyae import kernels

NAMES = [name for name in WORKLOADS if name != "W8b"]       # which is W8 in another batch
WAYS = {"kernels": True, "without fusing": False}


def count(fused: bool, name: str) -> dict[str, int]:
    """Of the second step; the first joins Adam's parameters. Call it in a process that has not fused yet."""
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
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", metavar="W1,W2", help=f"workloads, of {', '.join(NAMES)}")
    parser.add_argument("--out", type=Path, default=Path("runs/benchmarks"), metavar="FOLDER",
                        help="where the results go (runs/benchmarks)")
    asked = parser.parse_args(arguments)
    names = asked.only.split(",") if asked.only else NAMES
    if unknown := set(names) - set(NAMES):
        parser.error(f"unknown workload {', '.join(unknown)}; there are {', '.join(NAMES)}")
    result: dict[str, Any] = conditions.machine() | {"workloads": {name: {} for name in names}}
    for way, fused in WAYS.items():
        with get_context("spawn").Pool(1) as pool:
            for name, found in zip(names, pool.imap(partial(count, fused), names), strict=True):
                result["workloads"][name][way] = found
    print(report(result))
    print(f"\n{tables.write(asked.out, 'launches', result)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

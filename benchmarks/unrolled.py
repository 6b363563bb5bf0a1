"""How long does an unrolled training step take? Beside it: the tape, the step by hand, its products, other libraries.

    python benchmarks/unrolled.py                   every workload in three runs: a quarter of an hour
    python benchmarks/unrolled.py --only W1,W8

The optimizer's step is part of the program. The first step records the program, writes it and compiles it; its time is
given in steps of the tape. The table is printed and saved in FOLDER/unrolled.json.
"""
from __future__ import annotations

import time
from collections.abc import Sequence
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any

import command
import conditions
import libraries
import race
import step
import tables
from workloads import WORKLOADS

OURS, SIDES = "tinyae_unrolled", ["hand", "jax", "torch"]
LIBRARIES = ["tinyae", OURS, "products", *SIDES]
RUNS, ROUNDS, SECONDS, FIRSTS = 3, 5, 0.3, 5


def first_step(name: str) -> float:
    """CPU milliseconds of the first unrolled step, the median of several new models."""
    took = []
    for _ in range(FIRSTS):
        program = libraries.step(OURS, name)
        began = time.process_time()
        program()
        took.append(1e3 * (time.process_time() - began))
    return median(took)


def measure(name: str, rounds: int, seconds: float, runs: int) -> dict[str, Any]:
    chosen = [library for library in LIBRARIES if not libraries.missing(library)]
    found = [step.compare(name, chosen, rounds, seconds, 1)["libraries"] for _ in range(runs)]
    with race.environment(1), get_context("spawn").Pool(1) as process:
        return {"first_ms": process.apply(first_step, (name,)), "runs": found}


def report(result: dict[str, Any]) -> str:
    head = ["workload", "ms a step", *(f"/ {side}, each run" for side in SIDES), "the tape / hand", "products / hand",
            "first step, in steps of the tape"]
    rows = []
    for name, found in result["workloads"].items():
        runs = found["runs"]

        def ratio(a: str, b: str, run: dict[str, Any]) -> str:
            return f"{race.ratio(run[a], run[b]):.2f}" if a in run and b in run else ""
        taped = median(race.quartiles(run["tinyae"])[1] for run in runs)
        rows.append([WORKLOADS[name].label, tables.number(median(race.quartiles(run[OURS])[1] for run in runs)),
                     *(" ".join(filter(None, (ratio(OURS, side, run) for run in runs))) for side in SIDES),
                     ratio("tinyae", "hand", runs[0]), ratio("products", "hand", runs[0]),
                     tables.number(found["first_ms"] / taped, 2)])
    return tables.table(head, rows)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = command.parser(__doc__)
    parser.add_argument("--only", type=command.some_of(WORKLOADS), metavar="W1,W2",
                        help=f"only these workloads of {', '.join(WORKLOADS)}")
    parser.add_argument("--rounds", type=command.count(), default=ROUNDS, help=f"rounds of a run ({ROUNDS})")
    parser.add_argument("--seconds", type=command.seconds, default=SECONDS, help=f"length of a turn ({SECONDS})")
    parser.add_argument("--runs", type=command.count(), default=RUNS, help=f"runs ({RUNS})")
    parser.add_argument("--out", type=Path, default=Path("runs/benchmarks"), metavar="FOLDER",
                        help="folder for unrolled.json (runs/benchmarks)")
    asked = parser.parse_args(arguments)
    names = asked.only or list(WORKLOADS)
    result = conditions.machine(1) | {
        "versions": {side: libraries.version(side) for side in SIDES[1:] if not libraries.missing(side)},
        "workloads": {}}
    for name in names:
        print(WORKLOADS[name].label, flush=True)
        result["workloads"][name] = measure(name, asked.rounds, asked.seconds, asked.runs)
        result["others"] = round(median(mine["others"] for found in result["workloads"].values()
                                        for run in found["runs"] for mine in run.values()), 2)
        path = tables.write(asked.out, "unrolled", result)      # so that an interrupted run keeps its results
    print(f"\n{report(result)}\n\n{path}")
    return 0


if __name__ == "__main__":
    command.start(main)

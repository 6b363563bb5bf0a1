"""How long does a training step take? tinyae is compared with every installed library on the same models.

    python benchmarks/step.py                   every workload, every library: half an hour
    python benchmarks/step.py --quick           a few rounds of small workloads: three minutes
    python benchmarks/step.py --only W1,W6 --libraries torch,jax

Three more sides are timed: `tinyae_unrolled` is tinyae's step as an unrolled program; `hand` is the same step in NumPy
without autograd, the limit for an engine; `products` is only the step's matrix products, the limit for any code on this
BLAS. A library that is not installed is named and left out.
The tables are printed and saved in FOLDER/step.json.
"""
from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import command
import conditions
import libraries
import race
import tables
import workloads
from workloads import WORKLOADS

QUICK, SLOW = ["W2", "W4", "W8"], {"torch_compile"}        # SLOW takes half a minute to start: not for --quick
OURS, SIDES = "tinyae", ("hand", "torch", "products")       # every library is compared with these
AGREE = 1e-3                # relative, of losses after a few steps; rounding makes them differ by 1e-6, later by more
OPERATIONS = 100


def compare(name: str, chosen: Sequence[str], rounds: int, seconds: float, threads: int) -> dict[str, Any]:
    """Time one workload; return the figures by library, and the reasons for libraries without figures."""
    makers = {library: partial(libraries.step, library, name) for library in chosen}
    figures, skipped = race.run(makers, rounds=rounds, seconds=seconds, threads=threads)
    return {"libraries": figures, "skipped": skipped}


def small_costs(chosen: Sequence[str], rounds: int, seconds: float) -> dict[str, Any]:
    """The overhead of each library: its import, and one operation on one number."""
    print("imports and small operations ...", flush=True)
    makers = {library: partial(libraries.chain, library, OPERATIONS) for library in chosen
              if library not in libraries.WITHOUT_TAPE}
    imports = import_ms([libraries.MODULES[library] for library in makers], min(rounds, 3))
    chains, _ = race.run(makers, rounds=rounds, seconds=seconds)
    return {library: {"import_ms": imports[libraries.MODULES[library]],
                      "operation_us": round(1e3 * race.quartiles(figures)[1] / OPERATIONS, 2)}
            for library, figures in chains.items()}


def import_ms(modules: Sequence[str], rounds: int) -> dict[str, float]:
    """CPU time of `import module` minus that of `import numpy`, each in a new Python; the median of the rounds."""
    def seconds(module: str) -> float:
        before = conditions.children_cpu()
        subprocess.run([sys.executable, "-c", f"import {module}"], check=True, stderr=subprocess.DEVNULL,
                       env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))})
        return conditions.children_cpu() - before

    took: dict[str, list[float]] = {module: [] for module in modules}
    for _ in range(rounds + 1):                             # the first round reads the files into memory
        least = seconds("numpy")
        for module in modules:
            took[module].append(seconds(module) - least)
    return {module: round(1e3 * median(times[1:]), 1) for module, times in took.items()}


# ---- tables

def of(figures: dict[str, Any], library: str, side: str) -> str:
    return f"{race.ratio(figures[library], figures[side]):.2f}" if side in figures and library != side else ""


def details(result: dict[str, Any]) -> str:
    """A workload's table, the fastest library first."""
    figures = result["libraries"]
    head = ["library", "ms a step", "quartiles", *(f"/ {side}" for side in SIDES), "page faults", "peak MB",
            f"loss after {workloads.LATER}"]
    rows = []
    for library in sorted(figures, key=lambda library: race.quartiles(figures[library])[1]):
        mine = figures[library]
        low, middle, high = map(tables.number, race.quartiles(mine))
        loss = mine["losses"][workloads.LATER]
        rows.append([library, middle, f"{low} to {high}", *(of(figures, library, side) for side in SIDES),
                     f"{mine['faults']:,}", f"{mine['peak_MB']:.0f}", "" if loss != loss else f"{loss:.6g}"])
    left = "".join(f"\n{library}: {why}." for library, why in result["skipped"].items())
    return tables.table(head, rows) + ("\n" + left if left else "")


def overview(steps: dict[str, Any]) -> str:
    """tinyae's milliseconds, and its time divided by that of each other library."""
    others = [library for library in libraries.MODULES if library != OURS
              and any(library in result["libraries"] for result in steps.values())]
    rows = []
    for name, result in steps.items():
        figures = result["libraries"]
        rows.append([WORKLOADS[name].label, tables.number(race.quartiles(figures[OURS])[1]),
                     *(of(figures, OURS, other) for other in others)])
    return tables.table(["workload", "ms a step", *(f"/ {other}" for other in others)], rows)


def costs_table(costs: dict[str, Any]) -> str:
    rows = [[library, tables.number(cost["import_ms"]), tables.number(cost["operation_us"])]
            for library, cost in sorted(costs.items(), key=lambda item: item[1]["operation_us"])]
    return tables.table(["library", "import, ms over NumPy's", "one addition, both passes, us"], rows)


def disagreeing(steps: dict[str, Any]) -> list[str]:
    """Libraries whose loss differs from that of hand (or tinyae): they train another model, so their times are void."""
    found = []
    for name, result in steps.items():
        figures = result["libraries"]
        losses = {library: mine["losses"][workloads.LATER] for library, mine in figures.items()}
        right = losses.get("hand", losses.get(OURS))
        found += [f"{name}: {library}'s loss is {loss:.6g}, not {right:.6g}" for library, loss in losses.items()
                  if right is not None and abs(loss - right) > AGREE * abs(right)]
    return found


def others(steps: dict[str, Any]) -> float:
    return median(mine["others"] for result in steps.values() for mine in result["libraries"].values())


def main(arguments: Sequence[str] | None = None) -> int:
    parser = command.parser(__doc__)
    parser.add_argument("--quick", action="store_true", help=f"only {', '.join(QUICK)}, with fewer rounds")
    parser.add_argument("--only", type=command.some_of(WORKLOADS), metavar="W1,W2",
                        help=f"only these workloads of {', '.join(WORKLOADS)}")
    parser.add_argument("--libraries", type=command.some_of(libraries.MODULES), metavar="A,B",
                        help=f"compare only with these of {', '.join(libraries.MODULES)}")
    parser.add_argument("--rounds", type=command.count(),
                        help="rounds, in each of which every library is timed (15; quick: 5)")
    parser.add_argument("--seconds", type=command.seconds, default=0.3, help="length of a turn (0.3)")
    parser.add_argument("--threads", type=command.count(), default=1, help="threads of each library (1)")
    parser.add_argument("--out", type=Path, default=Path("runs/benchmarks"), metavar="FOLDER",
                        help="folder for step.json (runs/benchmarks)")
    asked = parser.parse_args(arguments)
    names = asked.only or (QUICK if asked.quick else list(WORKLOADS))
    wanted = [OURS, "tinyae_unrolled", "hand", "products", *asked.libraries] if asked.libraries else [
        library for library in libraries.MODULES if not (asked.quick and library in SLOW)]
    wanted = list(dict.fromkeys(wanted))
    chosen = [library for library in wanted if not libraries.missing(library)]
    absent = [library for library in wanted if library not in chosen]
    for library in absent:
        print(f"{library} is left out: {libraries.MODULES[library]} is not installed")
    rounds = asked.rounds or (5 if asked.quick else 15)
    versions = {library: libraries.version(library) for library in chosen
                if library not in {OURS, *libraries.WITHOUT_TAPE}}
    steps: dict[str, Any] = {}
    result = conditions.machine(asked.threads) | {"versions": versions, "absent": absent, "workloads": steps,
                                              "costs": small_costs(chosen, rounds, asked.seconds)}
    for name in names:
        print(f"\n{WORKLOADS[name].label}\n", flush=True)
        steps[name] = compare(name, chosen, rounds, asked.seconds, asked.threads)
        result["others"] = round(others(steps), 2)
        path = tables.write(asked.out, "step", result)          # so that an interrupted run keeps its results
        print(details(steps[name]), flush=True)
    print(f"\n{costs_table(result['costs'])}\n\ntinyae's time / that of the others:\n\n{overview(steps)}\n\n{path}")
    for trouble in [conditions.busy(result["others"]), *disagreeing(steps)]:
        if trouble:
            print(trouble, file=sys.stderr)
    return bool(disagreeing(steps))


if __name__ == "__main__":
    command.start(main)

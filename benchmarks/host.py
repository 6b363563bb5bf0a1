"""How long is the host busy with a training step on a GPU? No GPU is needed.

    python benchmarks/host.py                       every workload: two minutes
    python benchmarks/host.py --beside FOLDER       in turns with another clone of tinyae

The steps run on the hollow GPU of tests/hollow: CuPy checks and launches every kernel, and no kernel runs. What is left
is the time that Python and CuPy take before a GPU can work; its driver comes on top, with some microseconds a launch.
For small nets, that is the time of the step. The table is printed and saved in FOLDER/host.json.
"""
from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import command
import conditions
import tables
from workloads import NAMES, WORKLOADS

HERE = Path(__file__).resolve().parents[1]
HOLLOW = HERE / "tests" / "hollow"
ROUNDS, TURN = 3, 0.3       # processes of each clone, seconds of each of a process's nine turns


def measure(name: str) -> dict[str, float]:
    """In a process of its own: CPU time of a step in microseconds, the median of nine turns, and its launches."""
    import hollow
    driver = hollow.install(Path(os.environ["HOLLOW"]))
    from libraries import tinyae
    step, times = tinyae.build(WORKLOADS[name], "cuda"), []
    for _ in range(6):
        step()
    before = hollow.number(driver, "launches")
    step()
    launches = hollow.number(driver, "launches") - before
    for _ in range(9):
        start, steps = time.thread_time(), 0
        while time.thread_time() - start < TURN:
            step()
            steps += 1
        times.append(1e6 * (time.thread_time() - start) / steps)
    return {"us": median(times), "launches": launches}


def run(clone: Path, name: str, folder: Path) -> dict[str, float]:
    """measure(name), of the tinyae in that clone. The folder holds the hollow GPU."""
    paths = clone, clone / "benchmarks", HOLLOW, HERE / "benchmarks"
    there = os.environ | {"HOLLOW": str(folder), "LD_LIBRARY_PATH": str(folder),
                          "PYTHONPATH": os.pathsep.join(map(str, paths))}
    code = f"import host, json; print(json.dumps(host.measure({name!r})))"
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], env=there, cwd=folder, stdout=subprocess.PIPE,
                          text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def report(result: dict[str, Any]) -> str:
    """us a step, and launches; beside another clone, which is "before"."""
    rows = []
    for name, found in result["workloads"].items():
        (us, launches), before = _figures(found["now"]), found.get("before")
        rows.append([WORKLOADS[name].label, tables.number(us), f"{launches}"])
        if before:
            then, many = _figures(before)
            rows[-1] += [tables.number(then), f"{many}", f"{ratio(found):.2f}"]
    head = ["", "us a step", "kernels", "us before", "kernels before", "now / before"]
    return tables.table(head[:len(rows[0])], rows)


def ratio(found: dict[str, list]) -> float:
    """Now / before, of the medians."""
    return _figures(found["now"])[0] / _figures(found["before"])[0]


def _figures(rounds: list[dict[str, float]]) -> tuple[float, float]:
    return median(r["us"] for r in rounds), rounds[0]["launches"]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = command.parser(__doc__)
    parser.add_argument("--only", type=command.some_of(NAMES), metavar="W1,W2",
                        help=f"only these workloads of {', '.join(NAMES)}")
    parser.add_argument("--beside", type=Path, metavar="FOLDER", help="the clone of tinyae to compare with, in turns")
    parser.add_argument("--out", type=Path, default=Path("runs/benchmarks"), metavar="FOLDER",
                        help="folder for the results (runs/benchmarks)")
    asked = parser.parse_args(arguments)
    names = asked.only or NAMES
    sys.path.append(str(HOLLOW))
    import hollow
    if reason := hollow.missing():
        print(f"no hollow GPU here: {reason}", file=sys.stderr)
        return 1
    clones = {"now": HERE} | ({"before": asked.beside.resolve()} if asked.beside else {})
    result: dict[str, Any] = conditions.machine() | {
        "versions": hollow.PACKAGES, "workloads": {name: {which: [] for which in clones} for name in names}}
    with TemporaryDirectory() as folder:
        hollow.build(Path(folder), products=False)
        for _ in range(ROUNDS):
            for name in names:
                for which, clone in clones.items():
                    result["workloads"][name][which].append(run(clone, name, Path(folder)))
    print(report(result))
    print(f"\n{tables.write(asked.out, 'host', result)}")
    return 0


if __name__ == "__main__":
    command.start(main)

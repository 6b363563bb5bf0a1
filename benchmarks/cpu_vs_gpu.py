"""When is a GPU faster? A training step on the CPU, on the GPU, and as one CUDA graph, over batch sizes.

    python benchmarks/cpu_vs_gpu.py             every workload, batches from 1 to 4096: ten minutes
    python benchmarks/cpu_vs_gpu.py --quick     two small workloads: under a minute
    python benchmarks/cpu_vs_gpu.py --only W1,W6 --batches 32,128,512

Both sides use all their resources; the CPU runs as many threads as its BLAS starts. Times are wall times. After a
warm-up the sides alternate; a turn is many steps and one wait for the device. Without a GPU only the CPU is measured,
and the missing part is named. GFLOP/s counts only the matrix products; the next column gives the rate of the products
alone. "captured" is the step that train.fit(captured=True) runs, a CUDA graph. If PyTorch is installed, its step on the
GPU and its CUDA graph are measured too, with Adam in one kernel. PyTorch computes matrix products in full float32, as
tinyae does, but convolutions in TF32, unless it is told not to; both ways are shown. The tables are printed and saved
in FOLDER, as cpu_vs_gpu.json and cpu_vs_gpu.png.
"""
from __future__ import annotations

import importlib
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from math import exp, log
from pathlib import Path
from statistics import median
from typing import Any

import charts
import command
import conditions
import libraries
import race
import tables
import workloads
from libraries import products, tinyae
from workloads import NAMES, WORKLOADS, Workload

from tinyae.backend import device as device_named
from tinyae.backend import synchronize, to_device
from tinyae.errors import BadValue

BATCHES, IMAGES = [1, 4, 16, 64, 256, 1024, 4096], [1, 4, 16, 64]      # IMAGES: batches of a convolutional net
QUICK, QUICK_BATCHES = ["W2", "W8"], [1, 32, 512]
SIDES = {"cpu": "CPU", "cuda": "GPU"}
MORE = ["captured", "torch", "torch graph", "torch, no TF32", "torch graph, no TF32"]      # on a GPU


def block(step: race.Step, steps: int, device: str) -> float:
    """Seconds per step, averaged over `steps` and the wait for the device's last kernel."""
    began = time.perf_counter()
    for _ in range(steps):
        step()
    synchronize(device)
    return (time.perf_counter() - began) / steps


def measure(w: Workload, devices: Sequence[str], rounds: int, seconds: float) -> dict[str, dict[str, list[float]]]:
    """Milliseconds per step in each round, by device: for the whole step, and for its matrix products alone."""
    sides: dict[tuple[str, str], race.Step] = {}
    for device in devices:
        sides[device, "step"] = tinyae.build(w, device)
        sides[device, "products"] = products.build(w, partial(to_device, device=device))
    if "cuda" in devices:
        for name, make in makers(w).items():
            sides["cuda", name] = make()
    steps = {}
    for (device, what), step in sides.items():
        block(step, 3, device)                                          # compiles kernels and allocates memory
        steps[device, what] = max(1, int(seconds / block(step, 3, device)))
    found: dict[str, dict[str, list[float]]] = {device: {what: [] for d, what in sides if d == device}
                                                for device in devices}
    for _ in range(rounds):
        for (device, what), step in sides.items():
            found[device][what].append(float(f"{1e3 * block(step, steps[device, what], device):.5g}"))
    return found


def makers(w: Workload) -> dict[str, Callable[[], race.Step]]:
    """The makers of other steps on a GPU, by name: step = makers(w)[name]()."""
    found: dict[str, Callable[[], race.Step]] = {"captured": partial(tinyae.build_captured, w)}
    if not libraries.missing("torch") and importlib.import_module("torch").cuda.is_available():
        build = importlib.import_module("libraries.torch").build_on_gpu
        for tf32, label in ((True, ""), (False, ", no TF32"))[:2 if w.kind == "conv_vae" else 1]:
            found |= {f"torch{label}": partial(build, w, tf32=tf32),
                      f"torch graph{label}": partial(build, w, graph=True, tf32=tf32)}
    return found


def crossing(speedups: dict[int, float]) -> str:
    """A sentence on the batch at which CPU and GPU are equal. speedups: CPU time / GPU time, by batch.

    The crossing is interpolated between two batches on logarithmic axes.
    """
    pairs = sorted(speedups.items())
    first, last = pairs[0][0], pairs[-1][0]
    if min(speedups.values()) > 1:
        return f"the GPU wins from batch {first} on"
    if max(speedups.values()) <= 1:
        return f"the CPU wins up to batch {last}"
    for (low, before), (high, after) in reversed(list(pairwise(pairs))):
        if before <= 1 < after:
            at = exp(log(low) + log(high / low) * log(1 / before) / log(after / before))
            below = "now one wins, now the other" if max(s for b, s in pairs if b <= low) > 1 else "the CPU wins here"
            return f"below batch {round(at)} {below}, above it the GPU"
    return f"the GPU wins for small batches only: the CPU is ahead at batch {last}"


# ---- tables

def gflops(name: str, batch: int, milliseconds: Sequence[float]) -> str:
    return tables.number(workloads.flops(WORKLOADS[name].sized(batch)) / median(milliseconds) / 1e6)


def report(result: dict[str, Any]) -> str:
    """A table for each workload, and with a GPU a sentence."""
    parts = []
    for name, batches in result["workloads"].items():
        devices = [device for device in SIDES if device in next(iter(batches.values()))]
        head = ["batch"]
        for side in (SIDES[device] for device in devices):
            head += [f"{side} ms a step", "quartiles", f"{side} GFLOP/s", "its products'"]
        rows = []
        for batch, found in batches.items():
            row = [f"{int(batch):,}"]
            for device in devices:
                low, middle, high = map(tables.number, race.quartiles({"rounds_ms": found[device]["step"]}))
                row += [middle, f"{low} to {high}", *(gflops(name, int(batch), found[device][what])
                                                      for what in ("step", "products"))]
            rows.append(row + ([tables.number(found["speedup"])] if "speedup" in found else []))
        both = len(devices) == 2
        more = [what for what in MORE if both and what in next(iter(batches.values()))["cuda"]]
        for row, found in zip(rows, batches.values(), strict=True):
            row += [tables.number(median(found["cuda"][what])) for what in more]
        head += ["speed-up"] * both + [f"{what} ms" for what in more]
        parts += [f"### {name} {WORKLOADS[name].title}\n", tables.table(head, rows), ""]
        if both:
            parts.append(f"{name}: {crossing({int(batch): found['speedup'] for batch, found in batches.items()})}.")
            if more:
                times = {int(batch): [median(found[d][what]) for d, what in (("cpu", "step"), ("cuda", "captured"))]
                         for batch, found in batches.items()}
                parts.append(f"Captured: {crossing({batch: cpu / gpu for batch, (cpu, gpu) in times.items()})}.")
            parts.append("")
    return "\n".join(parts)


def panels(result: dict[str, Any]) -> list[charts.Panel]:
    found = []
    for name, batches in result["workloads"].items():
        x = list(map(int, batches))
        lines = {SIDES[device]: (x, [median(found[device]["step"]) for found in batches.values()])
                 for device in SIDES if device in next(iter(batches.values()))}
        found.append(charts.Panel(f"{name} {WORKLOADS[name].title}", "batch", "ms a step", lines))
    return found


def gpu() -> str:
    """The GPU's name and driver, as nvidia-smi reports them."""
    try:
        asked = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
        return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.splitlines()[0]
    except (OSError, subprocess.CalledProcessError, IndexError):
        return "a GPU that nvidia-smi does not name"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = command.parser(__doc__)
    parser.add_argument("--quick", action="store_true", help=f"only {', '.join(QUICK)}, with batches {QUICK_BATCHES}")
    parser.add_argument("--only", type=command.some_of(NAMES), metavar="W1,W2",
                        help=f"only these workloads of {', '.join(NAMES)}")
    parser.add_argument("--batches", type=command.counts, metavar="1,32",
                        help=f"batch sizes ({BATCHES}; {IMAGES} for W7)")
    parser.add_argument("--rounds", type=command.count(),
                        help="rounds, in each of which every side is timed (9; quick: 3)")
    parser.add_argument("--seconds", type=command.seconds, default=0.2,
                        help="length of a turn, but at least one step (0.2)")
    parser.add_argument("--out", type=Path, default=Path("runs/benchmarks"), metavar="FOLDER",
                        help="folder for the results (runs/benchmarks)")
    asked = parser.parse_args(arguments)
    names = asked.only or (QUICK if asked.quick else NAMES)
    devices, result, others = ["cpu"], conditions.machine(), [conditions.others_now()]
    try:
        devices.append(device_named("cuda"))
        result["gpu"] = gpu()
    except BadValue as missing:
        result["no gpu"] = missing.got
        print(f"Only the CPU is measured, because there is no GPU:\n{missing}\n", file=sys.stderr)
    result["workloads"] = {}
    for name in names:
        w = WORKLOADS[name]
        some = asked.batches if asked.batches else (
            QUICK_BATCHES if asked.quick else IMAGES if w.kind == "conv_vae" else BATCHES)
        result["workloads"][name] = {}
        for batch in some:
            print(f"{name}, batch {batch} ...", flush=True)
            found: dict[str, Any] = dict(measure(w.sized(batch), devices, asked.rounds or (3 if asked.quick else 9),
                                                 asked.seconds))
            if len(devices) == 2:
                found["speedup"] = round(median(cpu / gpu for cpu, gpu in zip(
                    found["cpu"]["step"], found["cuda"]["step"], strict=True)), 4)
            result["workloads"][name][str(batch)] = found
            others.append(conditions.others_now(0.1))
    result["others"] = round(median(others), 2)
    print(f"\n{report(result)}\n{tables.write(asked.out, 'cpu_vs_gpu', result)}")
    charts.draw(panels(result), asked.out / "cpu_vs_gpu.png")
    if warning := conditions.busy(result["others"]):
        print(warning, file=sys.stderr)
    return 0


if __name__ == "__main__":
    command.start(main)

"""Run the other benchmarks, and write docs/performance.md from their results.

    python benchmarks/performance.py                    all benchmarks, one after the other: an hour on an idle machine
    python benchmarks/performance.py --only step        one of them; the others' figures stay
    python benchmarks/performance.py --report           none of them: only writes the page from benchmarks/measured

Every figure of the page comes from benchmarks/measured. Other libraries are compared if they are installed. The figures
of a GPU, in h200.json, were put together from runs on one machine, and stay as they are.
"""
from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from math import nan
from pathlib import Path
from typing import Any

import command
import conditions
import convolution
import cpu_vs_gpu
import feeding
import growth
import launches
import shares
import step
import tables
import techniques
import unrolled
from workloads import WORKLOADS

from tinyae import files
from tinyae.demo import experiments

ROOT = Path(__file__).parents[1]
MEASURED, PAGE = ROOT / "benchmarks" / "measured", ROOT / "docs" / "performance.md"

HEAD = """# Performance

The command beside each table measures its figures and keeps them in benchmarks/measured.
`python benchmarks/performance.py --report` writes this page from those files. Times are medians. With one thread they
are CPU time, which other programs disturb least.
"""

STEP = """## A training step compared with other libraries

`python benchmarks/step.py` trains the same models in every library, from the same weights, on the same batches, with
the same noise, and checks that their losses agree. A ratio is tinyae's time divided by that of the other library; below
1, tinyae is faster. `hand` is the same step written by hand in NumPy, without autograd, so it is the limit for an
engine without any overhead. `products` computes only the step's matrix products, each into an existing array; for a
convolution these multiply its patches, already gathered, by its kernel.

{overview}

On another machine, expect the same ratios to `hand` and `products`, since both sides use one NumPy and one BLAS, and
other ratios to the libraries. Most of a step is matrix products, each library brings its own, and which is the fastest
depends on the processor. W8 is different: it is so small that it shows what each library spends on bookkeeping.

The overhead of each library:

{costs}
"""

UNROLLED = """## An unrolled step

`python benchmarks/unrolled.py` times `unroll_step`, the whole step as one program with the bits of the tape, in {runs}
runs. The first step records the program, takes its rows apart, and compiles it.

{unrolled}

A program has no Python between its lines and allocates nothing, so W8 gains most. In W1 to W6 `hand` is faster by
computing numbers that round otherwise: it gets a loss and its gradient from one tanh, takes one logarithm of the
product of 64 numbers, and keeps Adam's m and v in units that save two of its twelve sweeps. A program has the bits of
the tape. jax.jit is faster where Adam or the activations have many numbers (W3, W5, W6), since XLA makes one loop of
all sweeps. The products alone are the floor for all of them. A recording of W8 takes many of its short steps: compiling
the text alone takes more than two.

Three choices were measured when they were made, and no command repeats that. `np.maximum` with a row of zeros takes
0.28 to 0.52 of its time with the number 0. The loss of pixels and its gradient take 0.94 (W1) and 0.87 (W5) of the time
of their rows if they write into arrays that are there. In blocks of rows, which stay in the cache, W1's take 1.03 of
their time in one piece with blocks of 128 rows, 1.15 with 32 and 1.77 with 8, because NumPy's calls cost more than the
cache saves; so only the optimizer's step runs in blocks.
"""

WHERE = """## Where the time goes

`python benchmarks/shares.py` measures each part in percent of tinyae's step. "Products" are those of the dense layers,
biases included. "Engine" is the time outside all rows: it walks the tape, adds gradients, checks targets, and runs the
Python code between the rows.

{shares}

Where jax.jit is faster, these columns show why. XLA compiles into one loop, in a core's registers, operations for which
NumPy sweeps over memory a dozen times. In W3 and W6 that is Adam. In W1, W2 and W5 it is the loss of pixels and the
activations; XLA also computes their exponentials once for the value and the gradient, while tinyae's rows save nothing
and compute them twice. In W2, W4 and W8 it is the Python code between the rows, of which a compiled step has none.
"""

WAYS = tables.table(
    ["c -> k at the size of x, images", "3 -> 32 at 128, 16", "32 -> 64 at 64, 16", "64 -> 64 at 32, 16",
     "16 -> 32 at 14, 128", "1 -> 16 at 28, 128"],
    [["conv2d: patches of a block, all in one array", "6.3", "14", "6.4", "1.8", "0.9"],
     ["conv2d: patches of a block, each in a new array", "7.7", "17", "8.1", "3.1", "1.3"],
     ["conv2d: all patches at once", "8.7", "16", "8.2", "2.9", "1.2"],
     ["conv2d: a product for each tap", "12", "16", "7.7", "3.4", "7.5"],
     ["conv_transpose2d: products of taps, moved and added", "9.0", "17", "8.7", "3.4", "2.2"],
     ["conv_transpose2d: patches, added up", "13", "27", "11", "5.2", "1.8"],
     ["conv_transpose2d: a conv2d for each pixel of a cell", "29", "22", "8.8", "4.6", "4.6"]])

CONVOLUTION = """## Convolutions

`python benchmarks/convolution.py`: two models' training steps, and their layers one by one, beside PyTorch's. A layer's
time is that of its forward pass and its gradients, of x (but for a first layer), W and b; the rest of a step are the
activations, the loss and Adam. Memory is what a fresh process grows by in its first steps, above what it held with the
model and the batch in place.

{convolution}

The sprite model is that of W7, as textbooks have it; demos/sprites.py adds layer_norm and colours to it.

tinyae keeps no patches, which a step of the sprites would have to read again from memory: it makes them twice, of a few
images at a time, in an array that stays in the cache.

### Ways to convolve

tinyae/conv_blocks.py takes the first way for conv2d and for conv_transpose2d. The others were measured beside it when
the choice was made, and no command repeats that: medians in ms of one core's time, with cold caches, for a 3x3 kernel
with stride 2.

{ways}

Images with fewer than 8 channels have the places of their patches side by side in memory, because NumPy's innermost
loops are slow over so few channels. In the order of wider images, 3 -> 32 would take 7.0 and 14 ms, and 1 -> 16 would
take 1.5 and 3.1 ms.
"""

WORTH = """## What each technique is worth

`python benchmarks/techniques.py` replaces one technique at a time by its plain form. A figure of 1.20 means that the
step takes 1.20 times as long without the technique. Differences of a few hundredths are noise.

{techniques}

Some techniques cannot matter for some workloads: W8 has no large arrays, only W4 has tied weights, and small nets fit
into the cache as a whole.
"""

FEEDING = """## Batches and random numbers

`python benchmarks/feeding.py` measures, within the training loop, how long it takes to gather a batch of bytes and turn
it into float32, and to draw noise or masks. There are {images:,} images, in batches of {batch}.

{feeding}
"""

GROWTH = """## How cost grows

`python benchmarks/growth.py` measures a step at growing sizes. A slope of s means that twice the size costs 2^s times
as much. It is fitted to the last {last} sizes, because small sizes are dominated by fixed costs, above all by Adam's
update of the weights.

![time and memory over batch, width, depth, images, steps](../benchmarks/measured/growth.png)

{growth}
"""

GPU = """## CPU and GPU

`python benchmarks/cpu_vs_gpu.py`, both with all they have, on the clock. GFLOP/s counts the matrix products of a step;
"its products'" is what they reach when nothing else is computed.

{which}

![time of a step over the batch](../benchmarks/measured/cpu_vs_gpu.png)

{gpu}
"""

H200 = """## On an H200

Three runs, each on one {card}, on {date}, with CuPy {cupy} and PyTorch {torch}.
benchmarks/measured/h200.json holds their figures, and no command of this page writes it. tinyae changed meanwhile:

{runs}

It has changed since run C, and [gpu.md](gpu.md#what-has-never-been-measured) says in what.

Run A measured four workloads as `python benchmarks/cpu_vs_gpu.py` does. The CPU is that of the same machine, with 16
cores.

![time of a step over the batch, on an H200](../benchmarks/measured/h200.png)

{gpu}

### A step, call by call and as one launch

Milliseconds a step, call by call. In run C, tinyae's step also gathers its batch from images on the GPU.

{eager}

Run C, with "captured", the step of `train.fit(captured=True)`, beside PyTorch's CUDA graph. "torch" has Adam in one
kernel, as tinyae and the graph have; PyTorch's default for Adam takes more. Over 100 steps (20 of W7), the losses of a
captured run and of one call by call differed by {apart:g}.

{captured}

PyTorch's convolutions round to TF32 by default; tinyae never does. Without TF32, PyTorch's graph of W7 took
{no_tf32} ms, and tinyae's captured step {ratio:.2f} times as long.
"""

LAUNCHES = """## What a step asks of a GPU

`python benchmarks/launches.py` counts kernels, uploads and waits on a stand-in for CuPy. A kernel takes some
microseconds to start, whatever it computes. If the kernels compute for less than that, the number of kernels decides
how long the step takes. "Without fusing", each operation of an elementwise function is a kernel of its own
(tinyae/kernels.py). The uploads are tables of addresses, which the kernel that joins more than eight gradients needs.
No step waits for a result.

{launches}
"""


def page(found: dict[str, dict[str, Any]]) -> str:
    """The page with everything that has been measured."""
    parts = [HEAD]
    if "step" in found:
        steps = found["step"]["workloads"]
        parts.append(STEP.format(overview=step.overview(steps), costs=step.costs_table(found["step"]["costs"])))
    if "unrolled" in found:
        runs = max(len(w["runs"]) for w in found["unrolled"]["workloads"].values())
        parts.append(UNROLLED.format(unrolled=unrolled.report(found["unrolled"]), runs=runs))
    if "shares" in found:
        parts.append(WHERE.format(shares=shares.report(found["shares"])))
    if "convolution" in found:
        parts.append(CONVOLUTION.format(convolution=convolution.report(found["convolution"]), ways=WAYS))
    if "techniques" in found:
        parts.append(WORTH.format(techniques=techniques.report(found["techniques"])))
    if "feeding" in found:
        parts.append(FEEDING.format(feeding=feeding.report(found["feeding"]), images=found["feeding"]["images"],
                                    batch=found["feeding"]["batch"]))
    if "growth" in found:
        parts.append(GROWTH.format(growth=growth.report(found["growth"]).strip(), last=growth.LAST))
    if "cpu_vs_gpu" in found:
        result = found["cpu_vs_gpu"]
        which = f"The GPU: {result['gpu']}." if "gpu" in result else (
            f"This is the CPU's half, for there was no GPU: {result['no gpu']}. "
            "[Below](#on-an-h200) are both halves of four workloads.")
        parts.append(GPU.format(gpu=cpu_vs_gpu.report(result).strip(), which=which))
    if "h200" in found:
        parts.append(on_h200(found["h200"]))
    if "launches" in found:
        parts.append(LAUNCHES.format(launches=launches.report(found["launches"])))
    if "step" in found:
        parts.append("## Each workload, library by library\n")
        for name, result in found["step"]["workloads"].items():
            parts.append(f"### {WORKLOADS[name].label}\n\n{step.details(result)}\n")
    machines: dict[str, list[str]] = {}
    for name, result in found.items():
        machines.setdefault(described(result), []).append(name + libraries_of(result) + disturbed(result))
    parts += ["## Machines\n", *(f"- {machine}: {'; '.join(names)}" for machine, names in machines.items())]
    return "\n".join(parts) + "\n"


def on_h200(result: dict[str, Any]) -> str:
    """The section on the runs of h200.json, whose "steps" are milliseconds by workload, run and side."""
    steps = result["steps"]
    default, fused = "torch, default Adam", "torch"
    eager = [*((run, "tinyae") for run in "ABC"), *((run, side) for side in (default, fused) for run in "AC")]
    rows = [[WORKLOADS[name].label, *(tables.number(runs[run].get(side, nan)) for run, side in eager)]
            for name, runs in steps.items()]
    both = {name: runs["C"] for name, runs in steps.items() if "captured" in runs["C"]}
    pairs = [("tinyae", default), ("tinyae", fused), ("captured", "torch graph")]
    ratios = [[name, tables.number(ms["captured"]), tables.number(ms["torch graph"]),
               *(f"{ms[one] / ms[other]:.2f}" for one, other in pairs)] for name, ms in both.items()]
    no_tf32 = both["W7"]["torch graph, no TF32"]
    return H200.format(
        card=result["gpu"].split(",")[0], date=result["date"], **result["versions"],
        gpu=cpu_vs_gpu.report(result).strip(),
        runs="\n".join(f"- **{run}**: {what}." for run, what in result["runs"].items()),
        eager=tables.table(["workload", *(f"{run}: {side}" for run, side in eager)], rows),
        captured=tables.table(["workload", "captured", "torch graph", *map(" / ".join, pairs)], ratios),
        apart=max(ms["losses apart"] for ms in both.values()), no_tf32=tables.number(no_tf32),
        ratio=both["W7"]["captured"] / no_tf32)


def described(result: dict[str, Any]) -> str:
    """The machine and the date of a measurement."""
    return f"{result['machine']}, {result['blas']}, threads: {result['threads']}, {result['system']}, {result['date']}"


def libraries_of(result: dict[str, Any]) -> str:
    return "".join(f", {library} {version}" for library, version in result.get("versions", {}).items() if version)


def disturbed(result: dict[str, Any]) -> str:
    others = result.get("others", 0)
    return f" (other programs kept {others:.1f} CPUs busy meanwhile)" if others > conditions.BUSY else ""


def measured() -> dict[str, dict[str, Any]]:
    return {part: experiments.read(MEASURED / f"{part}.json") for part in [*COMMANDS, "h200"]
            if (MEASURED / f"{part}.json").exists()}


COMMANDS = ["step", "unrolled", "shares", "convolution", "techniques", "feeding", "growth", "cpu_vs_gpu", "launches"]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = command.parser(__doc__)
    parser.add_argument("--only", metavar="A,B", help=f"only these of {', '.join(COMMANDS)}")
    parser.add_argument("--report", action="store_true", help="only write the page, from benchmarks/measured")
    asked = parser.parse_args(arguments)
    chosen = [] if asked.report else asked.only.split(",") if asked.only else COMMANDS
    if unknown := set(chosen) - set(COMMANDS):
        parser.error(f"unknown {', '.join(unknown)}; there are {', '.join(COMMANDS)}")
    failed = []
    for name in chosen:
        began = time.perf_counter()
        script = Path(__file__).with_name(f"{name}.py")
        if subprocess.run([sys.executable, str(script), "--out", str(MEASURED)]).returncode:
            failed.append(name)
        print(f"{name}: {(time.perf_counter() - began) / 60:.1f} minutes", flush=True)
    files.write(PAGE, page(measured()).encode())
    print(PAGE)
    return bool(failed)


if __name__ == "__main__":
    command.start(main)

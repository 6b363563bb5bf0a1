"""Run the other benchmarks, and write docs/performance.md from their results.

    python benchmarks/performance.py                    all benchmarks, one after the other: an hour on an idle machine
    python benchmarks/performance.py --only step        one of them; the others' figures stay
    python benchmarks/performance.py --report           none of them: only writes the page from benchmarks/measured

The figures of the page's tables come from benchmarks/measured. Other libraries are compared if they are installed. The
figures of a GPU, in h200.json, were collected from runs on one machine, and stay as they are.
"""
from __future__ import annotations

import subprocess
import sys
import textwrap
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
import host
import launches
import race
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

A step is one training step: forward pass, backward pass and Adam. The tables compare times on one machine; between
machines only ratios compare, and [Machines](#machines) names the machine and the date of each section. All times are
medians. With one thread they are CPU time, which other programs disturb least.

The command beside each table measures its figures and keeps them in benchmarks/measured.
`python benchmarks/performance.py --report` writes this page from those files.

## In short

{short}
"""

STEP = """## A training step compared with other libraries

`python benchmarks/step.py` trains the same models in every library, from the same weights, on the same batches, with
the same noise, and checks that their losses agree. A ratio is tinyae's time divided by that of the other library; below
1, tinyae is faster. `hand` is the same step written by hand in NumPy, without autograd: an engine without any overhead
would reach it. `products` computes only the step's matrix products, each into an existing array; for a convolution
these multiply its patches, already gathered, by its kernel.

{overview}

On another machine, expect the same ratios to `hand` and `products`, because both sides use one NumPy and one BLAS.
Ratios to the libraries change: most of a step is matrix products, each library brings its own, and the processor
decides which is the fastest. W8 is so small that it shows the cost of each library's bookkeeping instead:

{costs}

[The last section](#each-workload-library-by-library) has the times of each library.
"""

UNROLLED = """## An unrolled step

`python benchmarks/unrolled.py` times `unroll_step`, the whole step as one program with the bits of the tape, in {runs}
runs. The first step records the program, takes its rows apart, and compiles it.

{unrolled}

A program has no Python between its lines and allocates nothing, so W8 gains most. In W1 to W6 `hand` is faster because
it computes numbers that round differently: it gets a loss and its gradient from one tanh, takes one logarithm of the
product of 64 numbers, and keeps Adam's m and v in units that save two of its twelve sweeps. A program has the bits of
the tape. jax.jit was faster in every run of {behind}, because XLA merges the sweeps of Adam and
of the activations into one loop. The products alone bound all of them from below.

Three choices were measured once, and no command repeats the measurement:

- `np.maximum` with a row of zeros takes 0.28 to 0.52 of its time with the number 0.
- The loss of pixels and its gradient, written into existing arrays, take 0.94 (W1) and 0.87 (W5) of the time of their
  rows.
- In blocks of rows, which stay in the cache, W1's loss and gradient take 1.03 of their time in one piece with blocks of
  128 rows, 1.15 with 32 and 1.77 with 8: NumPy's calls cost more than the cache saves. So only the optimizer's step
  runs in blocks.
"""

WHERE = """## Where the time goes

`python benchmarks/shares.py` measures each part in percent of tinyae's step. "Products" are those of the dense layers,
biases included. "Engine" is the time outside all rows: it walks the tape, adds gradients, checks targets, and runs the
Python code between the rows.

{shares}

These columns show where jax.jit gains. NumPy sweeps over memory a dozen times for operations that XLA compiles into one
loop, in a core's registers. In W3 and W6 these are Adam's. In W1, W2 and W5 they belong to the loss of pixels and the
activations. XLA also computes their exponentials once for the value and the gradient; tinyae's rows save nothing, and
compute them twice. In W2, W4 and W8 jax.jit saves the Python code between the rows, because a compiled step has none.
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

`python benchmarks/convolution.py` times two models' training steps, and their layers one by one, beside PyTorch's. A
layer's time covers its forward pass and the gradients of x (except in a first layer), W and b. The rest of a step is
the activations, the loss and Adam. Memory is the growth of a fresh process in its first steps, once it holds the model
and the batch.

{convolution}

The sprite model has the layers of W7{again}.
[demos/sprites.py](../demos/sprites.py) adds layer_norm and colours.

tinyae does not keep the patches of a convolution, which the backward pass would have to read from memory. It gathers
them twice, for a few images at a time, in an array that stays in the cache.

### Ways to convolve

[conv_blocks.py](../tinyae/conv_blocks.py) takes the first way for conv2d and for conv_transpose2d. The others were
measured once, beside it, and no command repeats the measurement: medians in ms of one core's time, with cold caches,
for a 3x3 kernel with stride 2.

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
as much. It is fitted to the last {last} sizes, because fixed costs dominate the small ones, above all Adam's update of
the weights. [All sizes](#how-cost-grows-size-by-size) stand below.

{slopes}

![time and memory over batch, width, depth, images, steps](../benchmarks/measured/growth.png)
"""

SIZES = """## How cost grows, size by size

{growth}
"""

GPU = """## CPU and GPU

`python benchmarks/cpu_vs_gpu.py` gives both devices all that the machine has, and measures wall-clock time. GFLOP/s
counts the matrix products of a step; "its products'" is the rate when nothing else is computed.

{which}

![time of a step over the batch](../benchmarks/measured/cpu_vs_gpu.png)

{gpu}
"""

H200 = """## On an H200

Three runs, each on one {card}, on {date}, with CuPy {cupy} and PyTorch {torch}. Their figures are in
benchmarks/measured/h200.json, which no command writes. tinyae changed between the runs:

{runs}

It has changed since run C, too; [gpu.md](gpu.md#what-has-never-been-measured) says how.

Run A measured four workloads as `python benchmarks/cpu_vs_gpu.py` does. The CPU is that of the same machine, with 16
cores.

![time of a step over the batch, on an H200](../benchmarks/measured/h200.png)

{gpu}

### A step, call by call and as one launch

The table has the milliseconds of a step, call by call. In run C, tinyae's step also gathers its batch from images on
the GPU. "torch" has Adam in one kernel, as tinyae has; PyTorch's default for Adam takes more kernels.

{eager}

The next table is of run C. "captured" is the step of `train.fit(captured=True)`, and "torch graph" is PyTorch's CUDA
graph. Over 100 steps (20 of W7), the losses of a captured run and of a run call by call differed by {apart:g}.

{captured}

PyTorch's convolutions round to TF32 by default; tinyae never does. Without TF32, PyTorch's graph of W7 took
{no_tf32} ms, and tinyae's captured step {ratio:.2f} times as long.
"""

LAUNCHES = """## What a step asks of a GPU

`python benchmarks/launches.py` counts kernels, uploads and waits on a stand-in for CuPy. A kernel takes some
microseconds to start, whatever it computes. If the kernels compute for less than that, the number of kernels decides
how long the step takes. "Without fusing", each operation of an elementwise function is a kernel of its own
([kernels.py](../tinyae/kernels.py)). No step uploads anything or waits for a result.

{launches}
"""

HOST = """`python benchmarks/host.py` measures for how long the host is busy with a step: CPU time on the hollow GPU
([gpu.md](gpu.md#how-it-is-tested-without-a-gpu)), without a driver, whose calls come on top. "Before" is the engine
without kernels written by hand, in turns with today's. These kernels are CuPy's own and those that it compiles; matrix
products are not among them.

{host}
"""


def page(found: dict[str, dict[str, Any]]) -> str:
    """The page with everything that has been measured: the results, then the long tables."""
    parts = [HEAD.format(short=in_short(found))]
    if "step" in found:
        steps = found["step"]["workloads"]
        parts.append(STEP.format(overview=step.overview(steps), costs=step.costs_table(found["step"]["costs"])))
    if "unrolled" in found:
        workloads = found["unrolled"]["workloads"]
        behind = [name for name, w in workloads.items()
                  if min(ratios(w["runs"], "tinyae_unrolled", "jax"), default=0) > 1]
        parts.append(UNROLLED.format(unrolled=unrolled.report(found["unrolled"]), behind=listed(behind) or "none",
                                     runs=max(len(w["runs"]) for w in workloads.values())))
    if "shares" in found:
        parts.append(WHERE.format(shares=shares.report(found["shares"])))
    if "techniques" in found:
        parts.append(WORTH.format(techniques=techniques.report(found["techniques"])))
    if "convolution" in found:
        w7 = ratios([found["step"]["workloads"]["W7"]["libraries"]] if "step" in found else [], "tinyae", "torch")
        again = (f", whose step took {w7[0]:.2f} times as long as PyTorch's in the first table:\n"
                 "two runs may differ that much") if w7 else ""
        parts.append(CONVOLUTION.format(convolution=convolution.report(found["convolution"]), ways=WAYS, again=again))
    if "feeding" in found:
        parts.append(FEEDING.format(feeding=feeding.report(found["feeding"]), images=found["feeding"]["images"],
                                    batch=found["feeding"]["batch"]))
    if "growth" in found:
        parts.append(GROWTH.format(slopes=growth.slopes(found["growth"]), last=growth.LAST))
    if "h200" in found:
        parts.append(on_h200(found["h200"]))
    if "launches" in found:
        parts.append(LAUNCHES.format(launches=launches.report(found["launches"])))
    if "host" in found:
        parts.append(HOST.format(host=host.report(found["host"])))
    if "cpu_vs_gpu" in found:
        result = found["cpu_vs_gpu"]
        which = f"The GPU is an {result['gpu']}." if "gpu" in result else (
            "This machine had no GPU, so these are the CPU's times. [Above](#on-an-h200) are those of both devices,\n"
            "for four workloads.")
        parts.append(GPU.format(gpu=cpu_vs_gpu.report(result).strip(), which=which))
    if "growth" in found:
        parts.append(SIZES.format(growth=growth.report(found["growth"]).strip()))
    if "step" in found:
        parts.append("## Each workload, library by library\n")
        for name, result in found["step"]["workloads"].items():
            parts.append(f"### {WORKLOADS[name].label}\n\n{step.details(result)}\n")
    machines: dict[str, list[str]] = {}
    for name, result in found.items():
        machines.setdefault(described(result), []).append(name + libraries_of(result) + disturbed(result))
    parts += ["## Machines\n", *(f"- {machine}: {'; '.join(names)}" for machine, names in machines.items())]
    return "\n".join(parts) + "\n"


DENSE = ["W1", "W2", "W3", "W4", "W5", "W6"]


def ratios(races: Sequence[dict[str, Any]], side: str, other: str) -> list[float]:
    """Times of a step of one side, divided by those of another, where both were timed."""
    return [race.ratio(figures[side], figures[other]) for figures in races if side in figures and other in figures]


def span(numbers: Sequence[float]) -> str:
    return f"{min(numbers):.2f}" if min(numbers) == max(numbers) else f"{min(numbers):.2f} to {max(numbers):.2f}"


def listed(names: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


def beside(result: dict[str, Any], races: Sequence[dict[str, Any]], ours: str) -> str:
    """A sentence on our time divided by that of each library that was timed; nothing if none was."""
    found = [(label, ratios(races, ours, side)) for label, side in
             (("PyTorch's", "torch"), ("torch.compile's", "torch_compile"), ("jax.jit's", "jax"))]
    spans = [f"{span(numbers)} times as long as {label}" for label, numbers in found if numbers]
    return f" On an {result['machine'].split(',')[0]}, it takes {listed(spans)}." if spans else ""


def in_short(found: dict[str, dict[str, Any]]) -> str:
    """The main results, a line each, with links to their sections."""
    lines = []
    if "step" in found:
        races = [w["libraries"] for name, w in found["step"]["workloads"].items() if name in DENSE]
        by_hand = span(ratios(races, "tinyae", "hand"))
        lines.append("[A training step](#a-training-step-compared-with-other-libraries) of W1 to W6 takes "
                     f"{by_hand} times as long as the same step written by hand in NumPy."
                     + beside(found["step"], races, "tinyae"))
    if "unrolled" in found:
        races = [run for name, w in found["unrolled"]["workloads"].items() if name in DENSE for run in w["runs"]]
        by_hand = span(ratios(races, "tinyae_unrolled", "hand"))
        lines.append(f"[Unrolled](#an-unrolled-step), it takes {by_hand} times as long as by hand."
                     + beside(found["unrolled"], races, "tinyae_unrolled"))
    if "convolution" in found:
        nets = [sides for sides in found["convolution"]["steps"].values() if "torch" in sides]
        if nets:
            memory = [sides["tinyae"]["step_MB"] / sides["torch"]["step_MB"] for sides in nets]
            lines.append(f"[Convolutional models](#convolutions) take {span(ratios(nets, 'tinyae', 'torch'))} times as "
                         f"long as PyTorch's, and {span(memory)} of their memory.")
    if "growth" in found:
        columns = {name: growth.columns(found["growth"], name) for name in found["growth"]["growth"]}
        by = {name: growth.digits(sizes, ms) for name, (sizes, ms, _) in columns.items()}
        lines.append("[The time of a step](#how-cost-grows) grows in proportion to the batch, the width and the depth "
                     f"(slopes {by['batch']}, {by['width']} and {by['depth']}), and hardly with the number of images "
                     f"and of steps ({by['images']} and {by['steps']}).")
    if "h200" in found:
        runs = {name: sides["C"] for name, sides in found["h200"]["steps"].items() if "captured" in sides["C"]}
        one = {name: ms["captured"] / ms["torch graph"] for name, ms in runs.items()}
        dense = span([one[name] for name in DENSE])
        lines.append(f"[On an H200](#on-an-h200), a step as one launch takes {dense} times as long as PyTorch's CUDA "
                     f"graph for W1 to W6, and {one['W7']:.2f} times for W7. "
                     "[gpu.md](gpu.md) says from which batch on a GPU pays.")
    return "\n".join(textwrap.fill(f"- {line}", 120, subsequent_indent="  ", break_long_words=False,
                                   break_on_hyphens=False) for line in lines)


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
    return {part: experiments.read(MEASURED / f"{part}.json") for part in [*COMMANDS, "h200", "host"]
            if (MEASURED / f"{part}.json").exists()}


COMMANDS = ["step", "unrolled", "shares", "convolution", "techniques", "feeding", "growth", "cpu_vs_gpu", "launches"]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = command.parser(__doc__)
    parser.add_argument("--only", type=command.some_of(COMMANDS), metavar="A,B",
                        help=f"only these of {', '.join(COMMANDS)}")
    parser.add_argument("--report", action="store_true", help="only write the page, from benchmarks/measured")
    asked = parser.parse_args(arguments)
    chosen = [] if asked.report else asked.only or COMMANDS
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

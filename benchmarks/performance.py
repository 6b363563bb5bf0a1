"""Run the other benchmarks, and write docs/performance.md from their results.

    python benchmarks/performance.py                    all benchmarks, one after the other: an hour on an idle machine
    python benchmarks/performance.py --only step        one of them; the others' figures stay
    python benchmarks/performance.py --report           none of them: only writes the page from benchmarks/measured

Every figure of the page comes from benchmarks/measured. Other libraries are compared if they are installed.
"""
from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import conditions
import convolution
import cpu_vs_gpu
import feeding
import growth
import launches
import shares
import step
import techniques
from workloads import WORKLOADS

from tinyae import files
from tinyae.demo import experiments

ROOT = Path(__file__).parents[1]
MEASURED, PAGE = ROOT / "benchmarks" / "measured", ROOT / "docs" / "performance.md"

HEAD = """# Performance

Every figure is measured by the command beside its table; the files are in benchmarks/measured, and this page is drawn
from them by `python benchmarks/performance.py --report`. Times are medians; with one thread they are CPU time, which
other programs disturb least.
"""

STEP = """## A training step beside others

`python benchmarks/step.py` trains the same models in every library, from the same weights, on the same batches, with
the same noise, and checks that their losses agree. This is tinyae's time over that of the others; below 1, tinyae is
the faster. `hand` is the step written by hand in NumPy, without autograd: what an engine could reach if it cost
nothing. `products` is the step's matrix products alone, each into an array that is there already; for a convolution,
those of its patches, already gathered, with its kernel.

{overview}

How to read this on another machine. The ratios to `hand` and to `products` carry over: both sides use one NumPy, one
BLAS. The ratios to other libraries do not: each brings its own matrix product, and most of a step is matrix products,
so that they depend on whose is the better on this processor. W8 is the contrary: so small that it shows what a library
spends on its own bookkeeping.

What a library costs before it computes anything:

{costs}
"""

WHERE = """## Where the time goes

`python benchmarks/shares.py`, in percent of tinyae's step. Products are those of the dense layers, biases included; the
engine is what no row accounts for: walking the tape, adding up gradients, looking at targets, Python between the rows.

{shares}

Where jax.jit is ahead, these columns say by which passes: XLA makes one loop, over the numbers in a core's registers,
of what NumPy does in a dozen sweeps over memory. In W3 and W6 that is Adam; in W1, W2 and W5 the loss of pixels and the
activations, whose exponentials it also computes once for a value and its gradient, where rows, which save nothing,
compute them twice; in W2, W4 and W8 it is the Python between the rows, which a compiled step has none of.
"""

CONVOLUTION = """## Convolutions

`python benchmarks/convolution.py`: two models' training steps, and their layers one by one, beside PyTorch's. A layer's
time is that of its forward pass and its gradients, of x (but for a first layer), W and b; the rest of a step are the
activations, the loss and Adam. Memory is what a fresh process grows by in its first steps, above what it held with the
model and the batch in place.

{convolution}

The sprite model is that of W7, as textbooks have it; demos/sprites.py adds layer_norm and colours to it.

tinyae keeps no patches, which a step of the sprites would have to read again from memory: it makes them twice, of a few
images at a time, in an array that stays in the cache (tinyae/conv.py says what the other ways take).
"""

WORTH = """## What each technique is worth

`python benchmarks/techniques.py` switches one technique off and puts its plain twin in its place: 1.20 says that
without it a step takes 1.20 times as long. A few hundredths are noise.

{techniques}

Where a technique does not show, it cannot: W8 has no large arrays, only W4 has tied weights, and small nets fit into
the cache as a whole.
"""

FEEDING = """## Feeding the step

`python benchmarks/feeding.py`: what it takes to gather a batch of bytes and make it float32, and to draw noise or
masks, in the training loop itself, of {images:,} images in batches of {batch}.

{feeding}
"""

GROWTH = """## How cost grows

`python benchmarks/growth.py`. With a slope of s twice the size costs 2^s times as much; it is that of the last
{last} sizes, as small ones pay what all sizes pay, Adam's update of the weights above all.

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

LAUNCHES = """## What a step asks of a GPU

`python benchmarks/launches.py` counts it on a stand-in for CuPy. A kernel takes some microseconds to start, whatever it
computes; while it computes for less than that, the number of kernels is the time of the step. "Without fusing" each
operation of an elementwise function is a kernel of its own (tinyae/kernels.py). Uploads are the tables of addresses
with which one kernel joins the gradients, where there are more than eight; nothing waits for a result.

{launches}
"""


def page(found: dict[str, dict[str, Any]]) -> str:
    """The page with everything that has been measured."""
    parts = [HEAD]
    if "step" in found:
        steps = found["step"]["workloads"]
        parts.append(STEP.format(overview=step.overview(steps), costs=step.costs_table(found["step"]["costs"])))
    if "shares" in found:
        parts.append(WHERE.format(shares=shares.report(found["shares"])))
    if "convolution" in found:
        parts.append(CONVOLUTION.format(convolution=convolution.report(found["convolution"])))
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
            f"This is the CPU's half, for there was no GPU: {result['no gpu']}.")
        parts.append(GPU.format(gpu=cpu_vs_gpu.report(result).strip(), which=which))
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


def described(result: dict[str, Any]) -> str:
    """The machine and the date of a measurement."""
    return f"{result['machine']}, {result['blas']}, threads: {result['threads']}, {result['system']}, {result['date']}"


def libraries_of(result: dict[str, Any]) -> str:
    return "".join(f", {library} {version}" for library, version in result.get("versions", {}).items() if version)


def disturbed(result: dict[str, Any]) -> str:
    others = result.get("others", 0)
    return f" (other programs kept {others:.1f} CPUs busy meanwhile)" if others > conditions.BUSY else ""


def measured() -> dict[str, dict[str, Any]]:
    return {part: experiments.read(MEASURED / f"{part}.json") for part in COMMANDS
            if (MEASURED / f"{part}.json").exists()}


COMMANDS = ["step", "shares", "convolution", "techniques", "feeding", "growth", "cpu_vs_gpu", "launches"]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", metavar="A,B", help=f"only these of {', '.join(COMMANDS)}")
    parser.add_argument("--report", action="store_true", help="only write the page, from benchmarks/measured")
    asked = parser.parse_args(arguments)
    chosen = [] if asked.report else asked.only.split(",") if asked.only else COMMANDS
    if unknown := set(chosen) - set(COMMANDS):
        parser.error(f"unknown {', '.join(unknown)}; there are {', '.join(COMMANDS)}")
    failed = []
    for command in chosen:
        began = time.perf_counter()
        script = Path(__file__).with_name(f"{command}.py")
        if subprocess.run([sys.executable, str(script), "--out", str(MEASURED)]).returncode:
            failed.append(command)
        print(f"{command}: {(time.perf_counter() - began) / 60:.1f} minutes", flush=True)
    files.write(PAGE, page(measured()).encode())
    print(PAGE)
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())

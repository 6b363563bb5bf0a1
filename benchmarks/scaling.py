"""How much faster is a training step on several ranks, and what may be expected of 8 to 1 024?

    python benchmarks/scaling.py                    a demo's net, W1, W2, W6 and W7 on 1 and 2 ranks: two minutes
    python benchmarks/scaling.py --quick            the demo's net alone, with fewer rounds
    python benchmarks/scaling.py --ranks 1,2,4      on a machine with at least 4 cores, else ranks wait for a core

Each rank runs one BLAS thread. Every round starts mpiexec anew for each number of ranks, so that a slow moment of the
machine meets all of them. The ranks share the workload's batch; figures are medians over the rounds.

Then a model is fitted to the measurements, and predicts steps on more ranks than there are here. A step on n ranks, k
images each, with P bytes of gradients, takes

    t(n, k) = c + k F/R + 2 ceil(log2 n) L + 2 (n-1)/n P/B

c: the cost of a step with any batch (launching rows, Adam); F: floating-point operations of an image's products;
R: operations a second; the last two terms are an Allreduce by halving and doubling (Thakur, Rabenseifner & Gropp 2005),
with a message's latency L and the bandwidth B. The table and the predictions are printed and saved in
FOLDER/scaling.json.
"""
from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import reduce
from operator import add
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any, NamedTuple

import command
import conditions
import numpy as np
import tables
import workloads
from libraries import tinyae as library
from workloads import WORKLOADS, Workload

from tinyae import grad, params
from tinyae.backend import frozen, generator
from tinyae.errors import BadValue
from tinyae.layers import load_params
from tinyae.optim import Adam
from tinyae.train import distributed

DEMO = Workload("demo", "demos/vae.py as it is: 784-400-20", "vae", 128, (784, 400), (20, 400, 784), latent=20)
SHARED = {w.name: w for w in [DEMO, *(WORKLOADS[name] for name in ("W1", "W2", "W6", "W7"))]}   # W5 has no mean loss
MESSAGES = [1, *(4 ** i for i in range(4, 12))]             # numbers in an Allreduce: 4 bytes to 16 MB
PREDICTED = [8, 32, 128, 512, 1024]
SHARES = [1, 2, 4, 8]                                       # a batch, its half, ...: the model's c and R

# Latency in s and bandwidth in bytes/s of a rank's link, as such networks are sold; nothing here has measured them.
NETWORKS = {"10 Gbit/s Ethernet": (30e-6, 1.25e9), "200 Gbit/s InfiniBand": (2e-6, 25e9)}


class Machine(NamedTuple):
    """The constants of t(n, k), fitted to one workload on this machine."""

    fixed: float            # c, s
    rate: float             # R, operations/s
    operations: float       # F, for an image
    message: float          # P, bytes

    def step(self, ranks: int, images: float, network: tuple[float, float]) -> float:
        """t(n, k) in s."""
        latency, bandwidth = network
        compute = self.fixed + images * self.operations / self.rate
        return compute + 2 * np.ceil(np.log2(ranks)) * latency + 2 * (ranks - 1) / ranks * self.message / bandwidth


# ---- on every rank

def build(w: Workload, ranks: distributed.Ranks) -> Callable[[], None]:
    """A step of train.fit on this rank's share of w's batch."""
    share = ranks.share(w.batch)
    x, target = (frozen(a.reshape(w.batch, -1)[share.rows]) for a in workloads.batch(w))
    net = library.model(w, target, rng=np.random.default_rng(0))
    own = params(net)
    load_params(net, dict(zip(own, workloads.weights(w).values(), strict=True)))
    optimizer = Adam(own, lr=w.lr, betas=w.betas, eps=w.eps)
    noise = share.noise(generator(workloads.SEED + 2, "cpu"))

    def step() -> None:
        terms = net.losses(x, noise)
        gradients, _ = ranks.mean(grad(reduce(add, terms.values()), own), terms, share)
        optimizer.step(gradients)
    return step


def timed(step: Callable[[], Any], ranks: distributed.Ranks, seconds: float) -> tuple[float, float]:
    """(s a step, s of it in Allreduce, waiting included), over as many steps as fit."""
    for _ in range(3):
        step()
    began = perf_counter()
    step()
    (steps,) = ranks.largest(max(3, int(seconds / (perf_counter() - began))))       # the same on every rank
    waited, began = ranks.seconds, perf_counter()
    for _ in range(steps):
        step()
    return (perf_counter() - began) / steps, (ranks.seconds - waited) / steps


def measure(names: Sequence[str], seconds: float) -> None:
    """Time the workloads on this rank, and messages between ranks; rank 0 prints what it found as JSON."""
    ranks = distributed.world()
    found: dict[str, Any] = {"steps": {name: timed(build(SHARED[name], ranks), ranks, seconds) for name in names}}
    if ranks.size == 1:
        found["batches"] = {name: [timed(build(SHARED[name].sized(SHARED[name].batch // n), ranks), ranks, seconds)[0]
                                   for n in SHARES] for name in names}
    else:
        buffers = [np.zeros(n, np.float32) for n in MESSAGES]
        found["messages"] = [timed(lambda x=x: ranks.allreduce(x), ranks, seconds / 4)[0] for x in buffers]
    if ranks.rank == 0:
        print(json.dumps(found))


# ---- on one

def started(n: int, names: Sequence[str], seconds: float) -> dict[str, Any]:
    """What `measure` finds on n ranks."""
    mpiexec = shutil.which("mpiexec", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    if mpiexec is None:
        raise BadValue("several ranks need an MPI", expected="an mpiexec", got="none beside this python or in PATH",
                       fix="pip install '.[mpi]' mpich, or your cluster's module")
    line = [mpiexec, "-n", str(n), sys.executable, __file__, "--measure", ",".join(names), "--seconds", str(seconds)]
    single = os.environ | dict.fromkeys(conditions.THREADS, "1")
    ended = subprocess.run(line, capture_output=True, text=True, env=single)
    if ended.returncode:
        raise SystemExit(f"{n} ranks ended with status {ended.returncode}:\n{ended.stderr or ended.stdout}")
    return json.loads(ended.stdout)


def middle(values: Sequence[Any]) -> Any:
    """The median over the rounds, number by number."""
    return np.median(np.array(values), axis=0).tolist()


def fit(w: Workload, batches: Sequence[float]) -> Machine:
    """c and R from the times of a batch, its half, ..., each relative error counted alike."""
    images = [w.batch // n for n in SHARES]
    slope, fixed = np.polyfit(images, batches, 1, w=1 / np.array(batches))
    operations = workloads.flops(w) / w.batch
    message = 4.0 * sum(np.prod(shape) for shape in workloads.shapes(w).values())
    return Machine(max(fixed, 0.0), operations / slope, operations, message)


def link(times: Sequence[float]) -> tuple[float, float]:
    """(L, B) between two ranks here, where an Allreduce takes 2 L + P/B."""
    slope, twice = np.polyfit(4.0 * np.array(MESSAGES), times, 1, w=1 / np.array(times))
    return max(twice, 0.0) / 2, 1 / slope


def summary(result: dict[str, Any]) -> str:
    """What was measured: a row for each workload and number of ranks."""
    rows = []
    for name, by_ranks in result["steps"].items():
        alone = by_ranks["1"][0]
        for n, (step, waited) in by_ranks.items():
            modelled = Machine(*result["machine_of"][name]).step(int(n), SHARED[name].batch / int(n), result["link"])
            rows.append([SHARED[name].label, n, tables.number(1e3 * step), tables.number(SHARED[name].batch / step),
                         f"{alone / step:.2f}", f"{alone / step / int(n):.0%}", f"{waited / step:.0%}",
                         tables.number(1e3 * modelled)])
    return tables.table(["workload", "ranks", "ms a step", "images/s", "speedup", "efficiency", "in Allreduce",
                         "ms by the model"], rows)


def predictions(result: dict[str, Any]) -> str:
    """t(n, k) for more ranks: with the workload's batch on every rank, and with that batch shared out."""
    rows = []
    for name, constants in result["machine_of"].items():
        machine, batch = Machine(*constants), SHARED[name].batch
        alone = machine.step(1, batch, (0.0, np.inf))
        for network, properties in NETWORKS.items():
            rows.append([f"{name}, {batch} images a rank", network, "efficiency",
                         *(f"{alone / machine.step(n, batch, properties):.0%}" for n in PREDICTED)])
            rows.append([f"{name}, {batch} images in all", network, "speedup",
                         *(f"{alone / machine.step(n, batch / n, properties):.1f}" if n <= batch else ""
                           for n in PREDICTED)])
    return tables.table(["workload", "network (assumed)", "figure", *map(str, PREDICTED)], rows)


def report(result: dict[str, Any]) -> str:
    latency, bandwidth = result["link"]
    links = "\n".join(f"- {name}: {L * 1e6:g} us, {B / 1e9:g} GB/s" for name, (L, B) in NETWORKS.items())
    return f"""## Measured

{summary(result)}

Between two ranks here: latency {latency * 1e6:.3g} us, bandwidth {bandwidth / 1e9:.3g} GB/s (fitted to Allreduces of
4 bytes to 16 MB). Time in Allreduce includes waiting for the slower rank.

## Predicted, not measured

{predictions(result)}

Assumed: every rank computes as fast as one rank did here alone, and no rank waits for a slower one. An Allreduce goes
by halving and doubling, after the backward pass. Each rank has a link of its own, with this latency and bandwidth:

{links}"""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = command.parser(__doc__)
    parser.add_argument("--quick", action="store_true", help="only the demo's net, 2 rounds")
    parser.add_argument("--only", type=command.some_of(SHARED), metavar="W1,W2",
                        help=f"only these workloads of {', '.join(SHARED)}")
    parser.add_argument("--ranks", type=command.counts, default=[1, 2], metavar="1,2", help="numbers of ranks (1,2)")
    parser.add_argument("--rounds", type=command.count(), help="rounds (5; quick: 2)")
    parser.add_argument("--seconds", type=command.seconds, default=0.5, help="length of a measurement (0.5)")
    parser.add_argument("--out", type=Path, default=Path("runs/benchmarks"), metavar="FOLDER",
                        help="folder for scaling.json (runs/benchmarks)")
    parser.add_argument("--measure", metavar="W1,W2", help="what mpiexec starts on each rank")
    asked = parser.parse_args(arguments)
    if asked.measure:
        measure(asked.measure.split(","), asked.seconds)
        return 0
    names = asked.only or (["demo"] if asked.quick else list(SHARED))
    numbers = sorted({1, 2, *asked.ranks})                  # 1 and 2 are what the model is fitted to
    result: dict[str, Any] = conditions.machine(threads=1)
    found: dict[int, list[Any]] = {n: [] for n in numbers}
    others = []
    for i in range(rounds := asked.rounds or (2 if asked.quick else 5)):
        print(f"round {i + 1} of {rounds} ...", flush=True)
        others.append(conditions.others_now())
        for n in numbers:
            found[n].append(started(n, names, asked.seconds))
    result |= {"steps": {name: {str(n): middle([one["steps"][name] for one in found[n]]) for n in numbers}
                         for name in names},
               "batches": {name: middle([one["batches"][name] for one in found[1]]) for name in names},
               "messages": middle([one["messages"] for one in found[2]]), "others": round(median(others), 2)}
    result |= {"machine_of": {name: fit(SHARED[name], result["batches"][name]) for name in names},
               "link": link(result["messages"])}
    print(f"\n{report(result)}\n\n{tables.write(asked.out, 'scaling', result)}")
    if warning := conditions.busy(result["others"]):
        print(warning, file=sys.stderr)
    return 0


if __name__ == "__main__":
    command.start(main)

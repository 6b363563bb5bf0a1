"""How fast are convolutions compared with PyTorch's? Two models' training steps, their memory, and each layer alone.

    python benchmarks/convolution.py                two models and 16 layers: five minutes
    python benchmarks/convolution.py --threads 2    times are CPU time with one thread, and wall time with more

Both sides have the same layers, loss, Adam and batch. A layer's time covers its forward pass and the gradients of x
(except in a first layer), W and b. Memory is how much a fresh process grows in its first steps, after it has created
the model and the batch. The tables are printed and saved in FOLDER/convolution.json.
"""
from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from functools import partial, reduce
from itertools import pairwise
from multiprocessing import get_context
from operator import add
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import conditions
import libraries
import numpy as np
import race
import tables

from tinyae import conv, grad, models, ops, params
from tinyae.backend import freeze
from tinyae.models.conv_autoencoder import shapes_of
from tinyae.optim import Adam

HOW = {"stride": 2, "padding": 1}


class Net(NamedTuple):
    make: Any
    shape: tuple[int, int, int]
    channels: tuple[int, ...]
    latent: int
    batch: int


class Layer(NamedTuple):
    """A convolution from x (n, h, w, c) to y (n, u, v, k), or a transposed one from y to x."""
    net: str
    transposed: bool
    x: tuple[int, ...]
    y: tuple[int, ...]
    first: bool

    @property
    def label(self) -> str:
        (_, h, w, c), (*_, k) = self.x, self.y
        return f"{h}x{w}, {k} -> {c}, transposed" if self.transposed else f"{h}x{w}, {c} -> {k}"


NETS = {"sprite VAE, 128x128x3, batch 16": Net(models.ConvVAE, (128, 128, 3), (32, 64, 64, 64, 64, 64), 1000, 16),
        "convolutional autoencoder, 28x28, batch 128": Net(models.ConvAutoencoder, (28, 28, 1), (16, 32), 20, 128)}


def layers() -> list[Layer]:
    found = []
    for name, net in NETS.items():
        shapes = [(net.batch, *shape) for shape in shapes_of(net.shape, net.channels)]
        for transposed in (False, True):
            found += [Layer(name, transposed, x, y, first=x is shapes[0] and not transposed)
                      for x, y in pairwise(shapes)][::-1 if transposed else 1]
    return found


def draw(*shape: int) -> np.ndarray:
    return freeze(np.random.default_rng(0).random(shape, dtype=np.float32))


# ---- tinyae

def our_step(name: str) -> Callable[[], Any]:
    net, rng = NETS[name], np.random.default_rng(0)
    model, x = net.make(net.shape, net.channels, net.latent, rng=rng), draw(net.batch, int(np.prod(net.shape)))
    own = params(model)
    optimizer = Adam(own)

    def step() -> Any:
        loss = reduce(add, model.losses(x, rng).values())
        optimizer.step(grad(loss, own))
        return loss.data
    return step


def our_layer(layer: Layer) -> Callable[[], Any]:
    x, y, W = draw(*layer.x), draw(*layer.y), draw(3, 3, layer.x[3], layer.y[3])
    row, how = (conv.conv_transpose2d_affine, HOW | {"size": layer.x[1:3]}) if layer.transposed else (
        conv.conv2d_affine, HOW)
    h, g = (y, x) if layer.transposed else (x, y)
    args = h, W, draw(g.shape[3])

    def step() -> Any:
        z = row(*args, **how)
        gradients = [vjp(g, z, *args, **how) for vjp in row.vjps[layer.first:]]
        ops.sum_to(gradients[-1], shape=args[2].shape)
        return z.flat[0]
    return step


# ---- PyTorch

def rest(x: tuple[int, ...], y: tuple[int, ...]) -> tuple[int, ...]:
    """The output_padding that leads from y (u, v, k) to x (h, w, c)."""
    return tuple(n - 2 * m + 1 for n, m in zip(x[:2], y[:2], strict=True))


def their_step(name: str) -> Callable[[], Any]:
    import torch
    from torch import nn
    from torch.nn import functional as F

    net = NETS[name]
    shapes, variational = shapes_of(net.shape, net.channels), net.make is models.ConvVAE
    d = int(np.prod(shapes[-1]))
    down = nn.ModuleList(nn.Conv2d(a[2], b[2], 3, **HOW) for a, b in pairwise(shapes))
    up = nn.ModuleList(nn.ConvTranspose2d(b[2], a[2], 3, **HOW, output_padding=rest(a, b))
                       for b, a in pairwise(reversed(shapes)))
    heads = nn.ModuleList(nn.Linear(d, net.latent) for _ in range(1 + variational))
    back = nn.Linear(net.latent, d)
    optimizer = torch.optim.Adam(nn.ModuleList([down, heads, back, up]).parameters(), 1e-3)
    x = torch.from_numpy(np.moveaxis(draw(net.batch, *net.shape), -1, 1).copy())

    def step() -> Any:
        h = x
        for layer in down:
            h = F.leaky_relu(layer(h))
        z, *log_var = (head(h.flatten(1)) for head in heads)
        loss = torch.zeros(())
        if variational:
            loss = 0.5 * (log_var[0].exp() + z ** 2 - 1 - log_var[0]).sum() / len(x)
            z = z + torch.exp(0.5 * log_var[0]) * torch.randn_like(z)
        h = F.leaky_relu(back(z)).reshape(-1, shapes[-1][2], *shapes[-1][:2])
        for i, layer in enumerate(up, 1):
            h = layer(h) if i == len(up) else F.leaky_relu(layer(h))
        loss = loss + F.binary_cross_entropy_with_logits(h, x, reduction="sum") / len(x)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.detach()
    return step


def their_layer(layer: Layer) -> Callable[[], Any]:
    import torch
    from torch.nn import functional as F

    x, y = (torch.from_numpy(np.moveaxis(draw(*shape), -1, 1).copy()) for shape in (layer.x, layer.y))
    W = torch.from_numpy(draw(3, 3, layer.x[3], layer.y[3]).transpose(3, 2, 0, 1).copy())
    f = partial(F.conv_transpose2d, output_padding=rest(layer.x[1:], layer.y[1:])) if layer.transposed else F.conv2d
    h, g = (y, x) if layer.transposed else (x, y)
    args = h, W, torch.from_numpy(draw(g.shape[1]).copy())
    wanted = [a.requires_grad_() for a in args[layer.first:]]

    def step() -> Any:
        z = f(*args, **HOW)
        torch.autograd.grad(z, wanted, g)
        return z.detach().flatten()[0]
    return step


STEPS: dict[str, Callable] = {"tinyae": our_step, "torch": their_step}
LAYERS: dict[str, Callable] = {"tinyae": our_layer, "torch": their_layer}


# ---- figures

def grown(make: Callable[[], race.Step]) -> float:
    """MB by which a fresh process grows in its first steps."""
    step = make()
    before = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
    for _ in range(race.WARM):
        float(step())
    return round(conditions.peak_memory() - before, 1)


def memory(make: Callable[[], race.Step], threads: int) -> float:
    """grown(make) in a fresh process; 0 if the system does not report memory."""
    if not Path("/proc/self/statm").exists():
        return 0.0
    with race.environment(threads), get_context("spawn").Pool(1) as pool:
        return pool.apply(grown, (make,))


def turns(makers: dict[str, Callable], rounds: int, threads: int) -> dict[str, dict[str, Any]]:
    figures, failed = race.run(makers, rounds=rounds, seconds=0.3, threads=threads)
    for side, why in failed.items():
        print(f"{side} failed: {why}", file=sys.stderr)
    return figures


def measure(sides: Sequence[str], rounds: int, threads: int) -> dict[str, Any]:
    steps, found = {}, []
    for name in NETS:
        print(name, flush=True)
        makers = {side: partial(STEPS[side], name) for side in sides}
        steps[name] = turns(makers, rounds, threads)
        for side, mine in steps[name].items():
            mine["step_MB"] = memory(makers[side], threads)
    for layer in layers():
        print(layer.label, flush=True)
        figures = turns({side: partial(LAYERS[side], layer) for side in sides}, rounds, threads)
        found.append({"net": layer.net, "label": layer.label, "sides": figures})
    every = [*steps.values(), *(layer["sides"] for layer in found)]
    others = round(median(mine["others"] for figures in every for mine in figures.values()), 2)
    return {"steps": steps, "layers": found, "others": others}


def beside(figures: dict[str, Any]) -> list[str]:
    """tinyae's milliseconds, PyTorch's, and their ratio if both were measured."""
    times = [tables.number(race.quartiles(figures[side])[1]) if side in figures else "" for side in STEPS]
    return [*times, f"{race.ratio(figures['tinyae'], figures['torch']):.2f}" if len(figures) == 2 else ""]


def report(result: dict[str, Any]) -> str:
    steps, rows = [], []
    for name, figures in result["steps"].items():
        MB = [figures[side]["step_MB"] if side in figures else 0 for side in STEPS]
        steps.append([name, *beside(figures), *(f"{m:.0f}" for m in MB), f"{MB[0] / MB[1]:.2f}" if MB[1] else ""])
        rows += [[layer["label"], *beside(layer["sides"])] for layer in result["layers"] if layer["net"] == name]
    times = ["tinyae, ms", "PyTorch, ms", "ratio"]
    return "\n\n".join([tables.table(["a training step", *times, "tinyae, MB", "PyTorch, MB", "ratio"], steps),
                        tables.table(["a layer: forward, gradients", *times], rows)])


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9, help="rounds, in each of which both sides are timed (9)")
    parser.add_argument("--threads", type=int, default=1, help="threads of each side (1)")
    parser.add_argument("--out", type=Path, default=Path("runs/benchmarks"), metavar="FOLDER",
                        help="folder for convolution.json (runs/benchmarks)")
    asked = parser.parse_args(arguments)
    sides = [side for side in STEPS if not libraries.missing(side)]
    if len(sides) < len(STEPS):
        print("PyTorch is left out: torch is not installed")
    versions = {side: libraries.version(side) for side in sides if side != "tinyae"}
    result = conditions.machine(asked.threads) | {"versions": versions} | measure(sides, asked.rounds, asked.threads)
    print(f"\n{report(result)}\n\n{tables.write(asked.out, 'convolution', result)}")
    if warning := conditions.busy(result["others"]):
        print(warning, file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())

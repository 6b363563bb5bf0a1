"""PyTorch, eager: its functional losses, autograd and Adam. Dense weights are stored (out, in), as in nn.Linear."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import losses
import numpy as np
import torch
import workloads
from torch.nn import functional as F


class Ops(losses.Ops):
    exp, log, relu, elu, sigmoid, leaky_relu, sum = map(staticmethod, (
        torch.exp, torch.log, F.relu, F.elu, torch.sigmoid, F.leaky_relu, torch.sum))

    def affine(self, x: Any, W: Any, b: Any) -> Any:
        return F.linear(x, W, b)

    def bce(self, logits: Any, x: Any) -> Any:
        return F.binary_cross_entropy_with_logits(logits, x, reduction="sum")

    def squared(self, y: Any, x: Any) -> Any:
        return F.mse_loss(y, x, reduction="sum")

    def mean(self, x: Any) -> Any:
        return x.mean(0)

    def conv(self, x: Any, W: Any, b: Any) -> Any:
        return F.conv2d(x, W, b, stride=2, padding=1)

    def conv_transpose(self, x: Any, W: Any, b: Any) -> Any:
        return F.conv_transpose2d(x, W, b, stride=2, padding=1, output_padding=1)

    def reshape(self, x: Any, shape: tuple[int, ...]) -> Any:
        if len(shape) == 4:                 # rows of (h, w, c) to images (n, c, h, w), contiguous,
            return x.reshape(shape).permute(0, 3, 1, 2).contiguous()        # which a CPU convolves faster
        return x.permute(0, 2, 3, 1).reshape(shape)


def ours(a: np.ndarray) -> Any:
    """Weights in PyTorch's layout: (in, out) -> (out, in), (3, 3, in, out) -> (out, in, 3, 3)."""
    return torch.from_numpy(np.ascontiguousarray(a.transpose(3, 2, 0, 1) if a.ndim == 4 else a.T))


def build(w: workloads.Workload, compiled: bool = False) -> Callable[[], Any]:
    ops, noise = Ops(), workloads.noise(w)
    p = {name: torch.nn.Parameter(ours(a)) for name, a in workloads.weights(w).items()}
    images = (np.ascontiguousarray(np.moveaxis(a, -1, 1)) if a.ndim == 4 else a for a in workloads.batch(w))
    x, target = map(torch.from_numpy, images)
    optimizer = torch.optim.Adam(p.values(), lr=w.lr, betas=w.betas, eps=w.eps)

    def compute(x: Any, target: Any, e: Any) -> Any:
        return losses.loss(w, ops, p, x, target, e)

    if compiled:
        compute = torch.compile(compute, dynamic=False)

    def step() -> Any:
        e = next(noise)
        optimizer.zero_grad(set_to_none=True)
        loss = compute(x, target, None if e is None else torch.from_numpy(e))
        loss.backward()
        optimizer.step()
        return loss.detach()
    return step


def build_on_gpu(w: workloads.Workload, graph: bool = False, tf32: bool = True) -> Callable[[], Any]:
    """The step on a GPU, with noise drawn there and Adam in one kernel.

    graph: the whole step as a CUDA graph. tf32: whether convolutions may round to 10 bits of mantissa, the default.
    """
    ops = Ops()
    p = {name: torch.nn.Parameter(ours(a).cuda()) for name, a in workloads.weights(w).items()}
    images = (np.ascontiguousarray(np.moveaxis(a, -1, 1)) if a.ndim == 4 else a for a in workloads.batch(w))
    x, target = (torch.from_numpy(a).cuda() for a in images)
    optimizer = torch.optim.Adam(p.values(), lr=w.lr, betas=w.betas, eps=w.eps, capturable=graph, fused=True)

    def step() -> Any:
        torch.backends.cudnn.allow_tf32 = tf32
        e = torch.randn(w.batch, w.latent, device="cuda") if w.latent else None
        optimizer.zero_grad(set_to_none=True)
        loss = losses.loss(w, ops, p, x, target, e)
        loss.backward()
        optimizer.step()
        return loss.detach()

    if not graph:
        return step
    side, captured = torch.cuda.Stream(), torch.cuda.CUDAGraph()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(4):                                  # compile and allocate
            step()
    torch.cuda.current_stream().wait_stream(side)
    optimizer.zero_grad(set_to_none=True)
    with torch.cuda.graph(captured):
        step()
    return captured.replay


def chain(n: int) -> Callable[[], Any]:
    x, one = torch.ones(1, requires_grad=True), torch.ones(1)

    def run() -> Any:
        y = x
        for _ in range(n):
            y = y + one
        return torch.autograd.grad(y, x)
    return run

"""HIPS autograd: value_and_grad, and Adam on one flat vector, as in its own autograd.misc.optimizers."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import losses
import numpy
import workloads
from autograd import grad, value_and_grad
from autograd import numpy as np
from autograd.misc import flatten


class Ops(losses.Ops):
    matmul, exp, log, log1p, abs, tanh, sum = map(staticmethod, (
        np.matmul, np.exp, np.log, np.log1p, np.abs, np.tanh, np.sum))

    def maximum(self, x: Any) -> Any:
        return np.maximum(x, 0)

    def mean(self, x: Any) -> Any:
        return np.mean(x, axis=0)


def build(w: workloads.Workload) -> Callable[[], Any]:
    if w.kind == "conv_vae":
        raise NotImplementedError("no convolution that is meant for training")
    ops, noise, (b1, b2) = Ops(), workloads.noise(w), w.betas
    x, target = workloads.batch(w)
    p, unflatten = flatten(workloads.weights(w))
    m, v, t = numpy.zeros_like(p), numpy.zeros_like(p), 0
    value_and_gradient = value_and_grad(lambda p, e: losses.loss(w, ops, p, x, target, e))

    def step() -> Any:
        nonlocal p, m, v, t
        loss, gradients = value_and_gradient(unflatten(p), next(noise))
        g, t = flatten(gradients)[0], t + 1
        m = (1 - b1) * g + b1 * m
        v = (1 - b2) * g ** 2 + b2 * v
        p = p - w.lr * (m / (1 - b1 ** t)) / (numpy.sqrt(v / (1 - b2 ** t)) + w.eps)
        return loss
    return step


def chain(n: int) -> Callable[[], Any]:
    x = one = numpy.ones(1, numpy.float32)

    def add(x: Any) -> Any:
        for _ in range(n):
            x = x + one
        return x[0]
    gradient = grad(add)
    return lambda: gradient(x)

"""MyGrad with its memory guard off, as its documentation recommends for speed. It has no optimizers, so Adam is the
textbook's loop over the parameters, in place."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import losses
import mygrad
import numpy as np
import workloads
from mygrad.nnet import activations


class Ops(losses.Ops):
    matmul, exp, log, log1p, abs, sum, relu, sigmoid = map(staticmethod, (
        mygrad.matmul, mygrad.exp, mygrad.log, mygrad.log1p, mygrad.abs, mygrad.sum, activations.relu,
        activations.sigmoid))

    def elu(self, x: Any) -> Any:
        return activations.elu(x, 1.0)

    def maximum(self, x: Any) -> Any:
        return mygrad.maximum(x, 0)

    def mean(self, x: Any) -> Any:
        return mygrad.mean(x, axis=0)


def build(w: workloads.Workload) -> Callable[[], Any]:
    if w.kind == "conv_vae":
        raise NotImplementedError("no transposed convolution")
    mygrad.turn_memory_guarding_off()
    ops, noise, (b1, b2), t = Ops(), workloads.noise(w), w.betas, 0
    x, target = workloads.batch(w)
    p = {name: mygrad.tensor(a) for name, a in workloads.weights(w).items()}
    moments = {name: (np.zeros_like(a.data), np.zeros_like(a.data)) for name, a in p.items()}

    def step() -> Any:
        nonlocal t
        loss, t = losses.loss(w, ops, p, x, target, next(noise)), t + 1
        loss.backward()
        for name, (m, v) in moments.items():
            g = p[name].grad
            m[...] = b1 * m + (1 - b1) * g
            v[...] = b2 * v + (1 - b2) * g * g
            p[name].data -= w.lr * (m / (1 - b1 ** t)) / (np.sqrt(v / (1 - b2 ** t)) + w.eps)
            p[name].null_grad()
        return loss.data
    return step


def chain(n: int) -> Callable[[], Any]:
    mygrad.turn_memory_guarding_off()
    x, one = mygrad.tensor(np.ones(1, np.float32)), np.ones(1, np.float32)

    def run() -> None:
        y = x
        for _ in range(n):
            y = y + one
        y.backward()
        x.null_grad()
    return run

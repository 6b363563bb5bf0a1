"""Weight decay on a gradient that two parameters share

The derivatives of a + b with respect to a and to b are the same array, so an engine gives one array to both. That
is right and costs nothing, until somebody writes into it. DeZero's weight decay does, with `grad += rate * p` for
one parameter after the other. Each of the two then carries the decay of both.
"""
from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinyae
from tinyae import Tensor, backend
from tinyae.optim import SGD

from ..workshop import replace

SOURCES = {
    "DeZero, dezero/optimizers.py, class WeightDecay":
        "https://github.com/oreilly-japan/deep-learning-from-scratch-3/blob/master/dezero/optimizers.py",
}


def wrong(optimizer: SGD, grads: list[Any]) -> None:
    for p, g in zip(optimizer.params.values(), grads, strict=True):
        g += optimizer.l2 * p.data                      # b's gradient is this array, too
    for p, g in zip(optimizer.params.values(), grads, strict=True):
        p.data = p.data - optimizer.lr * g


def right(optimizer: SGD, grads: list[Any]) -> None:
    for p, g in zip(optimizer.params.values(), grads, strict=True):
        g = g + optimizer.l2 * p.data                   # a new array
        p.data = p.data - optimizer.lr * g


def steps(step: Any, shared: bool) -> list[float]:
    """How far one step at rate 1, with decay 0.1, moves a = 1 and b = 10, whose loss is a + b."""
    a, b = Tensor(np.array([1.0])), Tensor(np.array([10.0]))
    g = np.ones(1)
    grads = [g, g] if shared else tinyae.grad(a + b, [a, b])
    step(SGD([a, b], lr=1.0, l2=0.1), grads)
    return [1 - a.item(), 10 - b.item()]


def outcome() -> str:
    bad, good = steps(wrong, shared=True), steps(right, shared=True)
    return (f"a = 1, b = 10, loss a + b, decay 0.1: the gradients become {bad[0]:.1f} and {bad[1]:.1f}, where "
            f"{good[0]:.1f} and {good[1]:.1f} are right. On tinyae's gradients, read-only, the line raises.")


def install(put: pytest.MonkeyPatch) -> None:
    replace(put, backend.freeze, lambda x: x)           # without the lock, which would refuse the write
    put.setattr(SGD, "step", wrong)


def test_decay_of_one_parameter_leaves_the_other_alone() -> None:
    assert steps(SGD.step, shared=False) == pytest.approx([1.1, 2.0])


def test_the_published_numbers() -> None:
    assert steps(wrong, shared=True) == pytest.approx([2.1, 2.1])


def test_gradients_cannot_be_written_into() -> None:
    a = Tensor(np.array([1.0]))
    with pytest.raises(ValueError, match="read-only"):
        tinyae.grad(tinyae.ops.sum(a + a), [a])[0][...] = 5

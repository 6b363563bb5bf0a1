"""Backpropagation without a topological sort

micrograd's first version called each parent's vjp as soon as one child had been processed. Its author reported the
mistake himself: a value that is used twice passes its gradient on before the gradient is complete, and then passes
it on again. Learners have proposed to delete the sort ever since, because on trees, and on most small examples,
nothing goes wrong. The smallest example that goes wrong is c = b + b with b = a + a.
"""
from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinyae
from tinyae import Tensor
from tinyae.tensor import data_of

from ..workshop import replace

SOURCES = {
    "micrograd, issue 2, by its author": "https://github.com/karpathy/micrograd/issues/2",
    "micrograd, pull request 64: the counter-example": "https://github.com/karpathy/micrograd/pull/64",
}


def wrong(y: Tensor, wrt: list[Tensor]) -> list[Any]:
    grads = {y: np.ones_like(y.data)}

    def walk(t: Tensor) -> None:
        for a, vjp in zip(t.args, t.op.vjps, strict=True):
            grads[a] = grads.get(a, 0) + vjp(grads[t], t.data, *map(data_of, t.args))
        for a in t.args:
            if a.op is not None:
                walk(a)             # too early: another child of a may still add to its gradient

    walk(y)
    return [grads[w] for w in wrt]


def right(y: Tensor, wrt: list[Tensor]) -> list[Any]:
    grads = {y: np.ones_like(y.data)}
    for t in reversed(tinyae.tensor.tape(y)):       # newest first: all children of t have come before it
        if t.op is not None:
            for a, vjp in zip(t.args, t.op.vjps, strict=True):
                grads[a] = grads.get(a, 0) + vjp(grads[t], t.data, *map(data_of, t.args))
    return [grads[w] for w in wrt]


def counter_example(grad: Any) -> float:
    """dc/da by some grad."""
    a = Tensor(1.0)
    b = a + a
    c = b + b
    return float(grad(c, [a])[0])


def outcome() -> str:
    bad, good = counter_example(wrong), counter_example(right)
    return f"With b = a + a and c = b + b: dc/da = {bad:g}, where {good:g} is right."


def install(put: pytest.MonkeyPatch) -> None:
    replace(put, tinyae.grad, wrong)


def test_a_value_used_twice_passes_its_gradient_on_once() -> None:
    assert counter_example(tinyae.grad) == 4

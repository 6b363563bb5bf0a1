"""A second backward that counts neither once nor twice

`grad += ...` gives the right gradient of a value that is used twice, and it keeps adding at the next call of
backward. In the leaves, twice the gradient might pass for accumulation. But the values in between keep their old
gradients, too, and pass them on again, so the sum is neither one gradient nor two. micrograd's zero_grad resets
only the parameters, and users keep reporting it.
"""
from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from tinyae import Tensor
from tinyae.tensor import data_of, tape

SOURCES = {
    "micrograd, issue 53, with these numbers": "https://github.com/karpathy/micrograd/issues/53",
    "micrograd, pull request 102": "https://github.com/karpathy/micrograd/pull/102",
}


def wrong(y: Tensor) -> None:
    past = tape(y)
    for t in past:
        t.grad = np.zeros_like(t.data) if t.grad is None else t.grad
    y.grad = np.ones_like(y.data)
    for t in reversed(past):
        for a, vjp in zip(t.args, t.op.vjps if t.op else (), strict=True):
            a.grad = a.grad + vjp(t.grad, t.data, *map(data_of, t.args))        # of interior values, too


def right(y: Tensor) -> None:
    past = tape(y)
    for t in past:
        t.grad = np.zeros_like(t.data)          # whatever was there before
    y.grad = np.ones_like(y.data)
    for t in reversed(past):
        for a, vjp in zip(t.args, t.op.vjps if t.op else (), strict=True):
            a.grad = a.grad + vjp(t.grad, t.data, *map(data_of, t.args))


def after_two(backward: Callable) -> float:
    """de/da of e = (a + b) * d at d = 1, after two calls of a backward."""
    a, b, d = Tensor(3.0), Tensor(2.0), Tensor(1.0)
    e = (a + b) * d
    backward(e)
    backward(e)
    return float(a.grad)


def outcome() -> str:
    return (f"With e = (a + b) * d and d = 1, after two calls: de/da = {after_two(wrong):g}; one gradient is "
            f"{after_two(right):g}, two would be {2 * after_two(right):g}.")


def install(put: pytest.MonkeyPatch) -> None:
    put.setattr(Tensor, "backward", wrong)


def test_a_second_backward_replaces_the_first() -> None:
    assert after_two(Tensor.backward) == 1


def test_the_published_number() -> None:
    assert after_two(wrong) == 3

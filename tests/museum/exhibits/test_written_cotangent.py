"""A vjp that writes into its cotangent

The vjp of 2x is 2g, and `g *= 2; return g` saves an array. But g belongs to others as well: in x + 2x, the sum
gives one array to both of its arguments, so x receives its own share doubled. A check of 2x alone finds nothing,
because the vjp returns the right numbers. A checker must give the same g to a second argument and compare it
afterwards. NVIDIA's apex wrote the gradient of its fused softmax over the incoming gradient; a custom function in a
report to PyTorch does the same as the lines below. An engine on NumPy can make g read-only. Arrays on a GPU have no
such flag, so the exhibit runs on tinyae's stand-in for CuPy.
"""
from __future__ import annotations

import sys
from typing import Any

import cupy_double
import numpy as np
import pytest

import tinyae
from tinyae import Tensor, op, ops
from tinyae.check.gradcheck import WrongGradient, gradcheck

from ..workshop import replace

SOURCES = {
    "NVIDIA apex, issue 1430": "https://github.com/NVIDIA/apex/issues/1430",
    "PyTorch, issue 30454: a custom function": "https://github.com/pytorch/pytorch/issues/30454",
}


def wrong(g: Any, z: Any, x: Any) -> Any:
    g *= 2
    return g


def right(g: Any, z: Any, x: Any) -> Any:
    return 2 * g


def double(vjp: Any) -> Any:
    return op(lambda x: 2 * x, vjp)


def slope(row: Any) -> float:
    """d/dx (x + row(x)) at x = 1, on a GPU's double."""
    with pytest.MonkeyPatch.context() as put:
        put.setitem(sys.modules, "cupy", cupy_double.cupy)
        x = Tensor(cupy_double.cupy.array([1.0]))
        return float(tinyae.grad(ops.sum((x + row(x)) * 1.0), [x])[0].get()[0])


def check(row: Any) -> float:
    """gradcheck of a row at x = 1, on a GPU's double."""
    with pytest.MonkeyPatch.context() as put:
        put.setitem(sys.modules, "cupy", cupy_double.cupy)
        return gradcheck(row, cupy_double.cupy.array([1.0]))


def outcome() -> str:
    return f"The derivative of x + 2x is {slope(double(wrong)):g}, where {slope(double(right)):g} is right."


def negative_in_place(g: Any, z: Any, x: Any) -> Any:
    g *= -1
    return g


def install(put: pytest.MonkeyPatch) -> None:
    replace(put, ops.neg, op(np.negative, negative_in_place))


def test_a_row_leaves_the_gradient_of_its_neighbour_alone() -> None:
    assert slope(ops.neg) == 0


def test_the_published_mistake_is_found_by_the_gradient_check() -> None:
    with pytest.raises(WrongGradient, match="writes into its g"):
        check(double(wrong))
    assert check(double(right)) < 1e-6


def test_the_number() -> None:
    assert slope(double(wrong)) == 4 and slope(double(right)) == 3

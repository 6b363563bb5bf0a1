"""An array that changed between forward and backward

The vjp of x * x reads x long after the forward pass. If the caller has reused the array in the meantime, for
example as the buffer of the next batch, the derivative is taken at a point where the function was never evaluated,
and no shape or dtype reveals it. DeZero and NVIDIA's warp do this silently; HIPS autograd's tutorial asks its
readers not to assign into arrays.
"""
from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinyae
from tinyae import Tensor, backend

from ..workshop import replace

SOURCES = {
    "NVIDIA warp, issue 1350": "https://github.com/NVIDIA/warp/issues/1350",
    "HIPS autograd, docs/tutorial.md": "https://github.com/HIPS/autograd/blob/master/docs/tutorial.md",
}


def wrong(x: Any) -> Any:
    """What Tensor(x) keeps."""
    return x                                # the caller's own array


def right(x: Any) -> Any:
    """What Tensor(x) keeps."""
    kept = np.array(x)                      # a read-only copy
    kept.flags.writeable = False
    return kept


def slope(keep: Any) -> float:
    """d/dx x^2 at x = 2, when the caller writes 10 into the array before the backward pass."""
    x = np.array([2.0])
    t = Tensor(keep(x))
    y = tinyae.ops.sum(tinyae.ops.square(t))
    x[...] = 10.0
    return float(tinyae.grad(y, [t])[0][0])


def outcome() -> str:
    with pytest.MonkeyPatch.context() as put:
        install(put)
        bad = slope(lambda x: x)
    return f"y = x² at x = 2, and 10 written into the array before the backward pass: dy/dx = {bad:g}, " \
           f"where {slope(right):g} is right."


def install(put: pytest.MonkeyPatch) -> None:
    replace(put, backend.frozen, wrong)


def test_a_tensor_does_not_change_with_the_array_it_was_made_of() -> None:
    assert slope(lambda x: x) == 4


def test_the_published_number() -> None:
    with pytest.MonkeyPatch.context() as put:
        install(put)
        assert slope(lambda x: x) == 20

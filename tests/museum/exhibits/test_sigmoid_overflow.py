"""A sigmoid that overflows

To find a number near 0, 1 / (1 + exp(-x)) computes exp(90). In float32 that is infinite, so the result is 0, and
log(sigmoid(x)) is -inf where it should be x. NumPy prints a warning once. To get rid of it, a course silenced all
RuntimeWarnings in its tests, including those that would have meant something.
"""
from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tinyae import Tensor, op, ops

from ..workshop import replace

SOURCES = {
    "NumPyCNN, issue 13": "https://github.com/ahmedfgad/NumPyCNN/issues/13",
    "TinyTorch, pull request 1870: the silenced warning": "https://github.com/harvard-edge/cs249r_book/pull/1870",
}


def wrong(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def right(x: Any) -> Any:
    e = np.exp(-np.abs(x))                  # in (0, 1]
    return np.where(x >= 0, 1, e) / (1 + e)


def outcome() -> str:
    x = np.float32([-90.0])
    with np.errstate(over="ignore"):
        bad = wrong(x)[0]
    return f"sigmoid(-90) in float32: {bad:g}, after an overflow, where {right(x)[0]:.2g} is right."


def install(put: pytest.MonkeyPatch) -> None:
    replace(put, ops.sigmoid, op(wrong, *ops.sigmoid.vjps))


def test_both_tails_of_sigmoid_without_a_warning() -> None:
    x = np.float32([-1e4, -100, -90, 90, 1e4])
    with np.errstate(all="ignore"):
        p = ops.sigmoid(Tensor(x)).data
    assert np.allclose(p, np.exp(np.minimum(x, 0)), rtol=1e-6, atol=0)
    with np.errstate(over="raise"):
        ops.sigmoid(Tensor(x))

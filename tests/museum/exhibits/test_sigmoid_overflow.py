"""A sigmoid that overflows

1 / (1 + exp(-x)) computes exp(90) on the way to a number near 0. In float32 that is infinite: the result is
0, the warning is printed once, and a course went so far as to silence all RuntimeWarnings in its tests to be
rid of it, and with them any that would have meant something. What is lost is the small end: log(sigmoid(x))
is -inf where it is x.
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

"""A loss that compares everything with everything

The predictions have shape (n, 1), the targets (n,). Then y - x is an (n, n) table of every prediction against every
target, and its mean square is smallest when all predictions equal the mean of the targets. Nothing fails, and the
net learns a constant. Users report this to every framework, again and again, and PyTorch now warns. DeZero's mean
squared error even hands a gradient of shape (4, 4) to a parameter of shape (4, 1).
"""
from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tinyae import Tensor, functions, ops

from ..workshop import replace

SOURCES = {
    "DeZero, issue 20, comment of September 2020":
        "https://github.com/oreilly-japan/deep-learning-from-scratch-3/issues/20",
    "PyTorch, issue 16045": "https://github.com/pytorch/pytorch/issues/16045",
    "DeepSets, pull request 1": "https://github.com/manzilzaheer/DeepSets/pull/1",
}


def wrong(y: Any, x: Any) -> Any:
    return ops.sum(ops.square(y - x)) / len(y)


def right(y: Any, x: Any) -> Any:
    if y.shape != x.shape:
        raise ValueError(f"cannot compare {y.shape} with {x.shape}")
    return ops.sum(ops.square(y - x)) / len(y)


def outcome() -> str:
    y, x = np.arange(4.0).reshape(4, 1), np.zeros(4)
    return (f"Predictions 0, 1, 2, 3 as (4, 1), targets 0 as (4,): {wrong(y, x):.1f}, where "
            f"{right(y, x.reshape(4, 1)):.1f} is right.")


def install(put: pytest.MonkeyPatch) -> None:
    replace(put, functions.squared_error, wrong)


def test_unequal_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="equal shapes"):
        functions.squared_error(Tensor(np.zeros((4, 1))), np.zeros(4))


def test_the_published_numbers() -> None:
    y, x = np.arange(4.0).reshape(4, 1), np.zeros(4)
    assert (wrong(y, x), right(y, x.reshape(4, 1))) == (14.0, 3.5)

"""A gradient check in single precision

float32 has seven digits, and a difference over a step of 1e-6 loses most of them. So a check in the arguments' own
precision fails a correct function, and the learner searches for a mistake that is not there. The usual remedy is to
raise the tolerance until the check passes; then everything passes. The cure is to check in float64, always: the
formulas are the same.
"""
from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinyae
from tinyae import Tensor, grad, ops

SOURCES = {
    "HIPS autograd, autograd/test_util.py":
        "https://github.com/HIPS/autograd/blob/master/autograd/test_util.py",
    "Chainer, issue 3046: a correct layer that fails": "https://github.com/chainer/chainer/issues/3046",
    "PaddlePaddle, issue 4283": "https://github.com/PaddlePaddle/Paddle/issues/4283",
}


def wrong(f: Any, x: np.ndarray) -> bool:
    return error(f, x) < 1e-6


def right(f: Any, x: np.ndarray) -> bool:
    return error(f, x.astype(np.float64)) < 1e-6


def error(f: Any, x: np.ndarray) -> float:
    """The relative error of grad along a direction, beside a central difference in x's precision."""
    t, u, h = Tensor(x), np.ones_like(x), x.dtype.type(1e-6)
    exact = u @ grad(ops.sum(f(t)), [t])[0]
    numeric = u @ (f(x + h * u) - f(x - h * u)) / (2 * h)
    return float(abs(numeric - exact) / abs(exact))


POINT = np.float32([0.8])


def outcome() -> str:
    verdict = {True: "passes", False: "fails"}
    return (f"A correct x² at 0.8 {verdict[wrong(ops.square, POINT)]} in float32, with an error of "
            f"{error(ops.square, POINT):.1%}; in float64 it {verdict[right(ops.square, POINT)]}.")


def install(put: pytest.MonkeyPatch) -> None:
    def check(f: Any, x: np.ndarray) -> None:
        assert wrong(f, x), "wrong gradient"
    put.setattr(tinyae, "gradcheck", check)


def test_a_correct_function_of_float32_arguments_passes() -> None:
    tinyae.gradcheck(ops.tanh, POINT)

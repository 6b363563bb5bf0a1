"""A gradient check with an absolute tolerance

HIPS autograd's checker is a model for tinyae's: random directions, random weights, second order. But it accepts two
numbers that differ by less than 1e-6, and some functions have derivatives that are all smaller than that: a loss
per pixel of a large image, or anything in metres that should be in nanometres. For those, zero passes. A test of
Chainer's went the other way, to a tolerance of 5. An error is large or small only in relation to its gradient.
"""
from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinyae
from tinyae import Tensor, grad, op, ops
from tinyae.check.gradcheck import WrongGradient

SOURCES = {
    "HIPS autograd, autograd/test_util.py":
        "https://github.com/HIPS/autograd/blob/master/autograd/test_util.py",
    "Chainer, issue 6087": "https://github.com/chainer/chainer/issues/6087",
}


def wrong(f: Any, x: np.ndarray) -> bool:
    exact, numeric = slopes(f, x)
    return abs(exact - numeric) < 1e-6 or abs(exact - numeric) < 1e-6 * abs(exact + numeric)


def right(f: Any, x: np.ndarray) -> bool:
    exact, numeric = slopes(f, x)
    return abs(exact - numeric) < 1e-6 * max(abs(exact), abs(numeric))


def slopes(f: Any, x: np.ndarray) -> tuple[float, float]:
    """Along a random direction, by grad and by a central difference."""
    rng, t = np.random.default_rng(0), Tensor(x)
    u, v = rng.standard_normal((2, x.size))
    exact = u @ grad(ops.sum(v * f(t)), [t])[0]
    return float(exact), float(v @ (f(x + 1e-5 * u) - f(x - 1e-5 * u)) / 2e-5)


small_sine = op(lambda x: 1e-7 * np.sin(x), lambda g, z, x: 0 * g)
POINT = np.array([0.3, -1.2, 0.8])


def outcome() -> str:
    verdict = {True: "passes", False: "fails"}
    return (f"1e-7 sin(x) with a gradient of zero {verdict[wrong(small_sine, POINT)]}; beside the size of the "
            f"gradient, it {verdict[right(small_sine, POINT)]}.")


def install(put: pytest.MonkeyPatch) -> None:
    put.setattr(tinyae, "gradcheck", wrong)


def test_a_small_function_with_a_zero_gradient_fails_the_check() -> None:
    with pytest.raises(WrongGradient):
        tinyae.gradcheck(small_sine, POINT)

"""A gradient check that weighs all outputs alike

To check a function of many outputs, one can sum them and check the sum. But the outputs of a softmax add up to 1
for every input, so their sum has derivative zero, and a softmax whose backward returns only zeros passes. DeZero's
checker sums, and its tests rely on it. If the outputs are weighted with random numbers, every one of them counts.
"""
from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinyae
from tinyae import Tensor, grad, op, ops
from tinyae.check.gradcheck import WrongGradient

SOURCES = {
    "DeZero, dezero/utils.py, gradient_check":
        "https://github.com/oreilly-japan/deep-learning-from-scratch-3/blob/master/dezero/utils.py",
}


def wrong(f: Any, x: np.ndarray) -> bool:
    t = Tensor(x)
    exact = grad(ops.sum(f(t)), [t])[0]
    numeric = [(f(x + h).sum() - f(x - h).sum()) / 2e-4 for h in 1e-4 * np.eye(x.size)]
    return np.allclose(exact, numeric, rtol=1e-4, atol=1e-5)


def right(f: Any, x: np.ndarray) -> bool:
    t, v = Tensor(x), np.random.default_rng(0).standard_normal(f(x).shape)
    exact = grad(ops.sum(v * f(t)), [t])[0]
    numeric = [((v * f(x + h)).sum() - (v * f(x - h)).sum()) / 2e-4 for h in 1e-4 * np.eye(x.size)]
    return np.allclose(exact, numeric, rtol=1e-4, atol=1e-5)


def array_softmax(x: np.ndarray) -> np.ndarray:
    e = np.exp(x - x.max())
    return e / e.sum()


dead_softmax = op(array_softmax, lambda g, z, x: 0 * g)
POINT = np.array([0.3, -1.2, 0.8])


def outcome() -> str:
    verdict = {True: "passes", False: "fails"}
    return (f"A softmax with a gradient of zero {verdict[wrong(dead_softmax, POINT)]}; with random weights it "
            f"{verdict[right(dead_softmax, POINT)]}.")


def install(put: pytest.MonkeyPatch) -> None:
    put.setattr(tinyae, "gradcheck", wrong)


def test_a_softmax_with_a_zero_gradient_fails_the_check() -> None:
    with pytest.raises(WrongGradient):
        tinyae.gradcheck(dead_softmax, POINT)

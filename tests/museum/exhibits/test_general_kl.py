"""A KL divergence below zero

Between two Gaussians the divergence is log(s2/s1) + (s1^2 + (m1 - m2)^2) / (2 s2^2) - 1/2. Rewritten with Kingma's
factor -1/2 in front, it offers three mistakes: the sign of the logarithm, the square of s1, and the 2 in the
denominator, which the factor already contains. A PyTorch tutorial on Fashion-MNIST printed a negative result, which
no divergence has; the lines below reconstruct its number. PyTorch Geometric mixed log s with log s^2 until 2020.
"""
from __future__ import annotations

from math import log
from typing import Any

import numpy as np
import pytest

from tinyae import functions, ops

from ..workshop import replace

SOURCES = {
    "PyTorch Geometric, pull request 1368": "https://github.com/pyg-team/pytorch_geometric/pull/1368",
    "PyTorch examples, issue 225": "https://github.com/pytorch/examples/issues/225",
}


def wrong(m1: Any, lv1: Any, m2: Any = 0.0, lv2: Any = 0.0) -> Any:
    s1, v2 = ops.exp(0.5 * lv1), np.exp(lv2)
    return -0.5 * ops.sum(1 + (lv2 - lv1) - (s1 + ops.square(m1 - m2)) / (2 * v2), axis=1)


def right(m1: Any, lv1: Any, m2: Any = 0.0, lv2: Any = 0.0) -> Any:
    v1, v2 = ops.exp(lv1), np.exp(lv2)
    return -0.5 * ops.sum(1 - (lv2 - lv1) - (v1 + ops.square(m1 - m2)) / v2, axis=1)


def example() -> list[np.ndarray]:
    """N(0.7, 0.5^2) and N(-0.3, 1.4^2), as means and log variances of shape (1, 1)."""
    return [np.array([[value]]) for value in (0.7, 2 * log(0.5), -0.3, 2 * log(1.4))]


def monte_carlo(m1: Any, lv1: Any, m2: Any, lv2: Any, n: int = 400_000) -> float:
    """E[log q(z) - log p(z)] over z ~ q, from the densities alone."""
    def log_density(m: Any, lv: Any) -> Any:
        return -0.5 * (np.log(2 * np.pi) + lv + (z - m) ** 2 / np.exp(lv))
    z = m1 + np.exp(lv1 / 2) * np.random.default_rng(0).standard_normal((1, n))
    return float(np.mean(log_density(m1, lv1) - log_density(m2, lv2)))


def outcome() -> str:
    return (f"KL(N(0.7, 0.5²) ‖ N(-0.3, 1.4²)): {wrong(*example())[0]:.3f}, where {right(*example())[0]:.4f} is "
            f"right, and {monte_carlo(*example()):.2f} comes out of 400 000 samples.")


def install(put: pytest.MonkeyPatch) -> None:
    replace(put, functions.gaussian_kl, wrong)


def test_the_closed_form_agrees_with_samples() -> None:
    assert functions.gaussian_kl(*example())[0] == pytest.approx(monte_carlo(*example()), rel=0.01)


def test_the_published_number_and_the_right_one() -> None:
    assert round(float(wrong(*example())[0]), 3) == -1.338
    assert round(float(right(*example())[0]), 4) == 0.8485
    assert right(*example()) == pytest.approx(functions.gaussian_kl(*example()))

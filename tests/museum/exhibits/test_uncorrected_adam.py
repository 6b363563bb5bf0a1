"""Adam without its bias correction

Both averages start at zero and are too small at first, above all the second one, which remembers a thousand steps.
So the first steps are several times too long, when the net knows least. BERT was trained like this; its author
wrote that it "was mostly an oversight", and that a warm-up makes up for it. Fine-tuning on little data became
unstable, and it took papers to find out why. MLX had the same lines, and has offered the correction as an option
since 2024.
"""
from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from tinyae import Tensor
from tinyae.optim import Adam

SOURCES = {
    "BERT, issue 153": "https://github.com/google-research/bert/issues/153",
    "Revisiting Few-sample BERT Fine-tuning (Zhang et al. 2021)": "https://arxiv.org/abs/2006.05987",
    "MLX, pull request 1640": "https://github.com/ml-explore/mlx/pull/1640",
}


def wrong(adam: Adam, grads: list[Any]) -> None:
    b1, b2 = adam.betas
    for p, g, m, v in zip(adam.params.values(), grads, adam.m, adam.v, strict=True):
        m += (1 - b1) * (g - m)
        v += (1 - b2) * (g * g - v)
        p.data = p.data - adam.lr * m / (np.sqrt(v) + adam.eps)


def right(adam: Adam, grads: list[Any]) -> None:
    b1, b2 = adam.betas
    adam.t += 1
    for p, g, m, v in zip(adam.params.values(), grads, adam.m, adam.v, strict=True):
        m += (1 - b1) * (g - m)
        v += (1 - b2) * (g * g - v)
        p.data = p.data - adam.lr * (m / (1 - b1 ** adam.t)) / (np.sqrt(v / (1 - b2 ** adam.t)) + adam.eps)


def steps(step: Any, n: int) -> list[float]:
    """The first n steps in units of the rate, when the gradient is always 5."""
    w = Tensor(np.zeros(1))
    adam, path = Adam([w], lr=1.0), [0.0]
    for _ in range(n):
        step(adam, [np.array([5.0])])
        path.append(w.item())
    return [before - after for before, after in pairwise(path)]


def outcome() -> str:
    bad, good = steps(wrong, 20), steps(right, 20)
    return (f"A constant gradient, steps 1, 2 and 20 in units of the rate: {bad[0]:.2f}, {bad[1]:.2f} and "
            f"{bad[19]:.2f}, where {good[0]:.2f}, {good[1]:.2f} and {good[19]:.2f} are right.")


def install(put: pytest.MonkeyPatch) -> None:
    put.setattr(Adam, "step", wrong)


def test_the_steps_of_a_constant_gradient_have_the_size_of_the_rate() -> None:
    assert steps(Adam.step, 20) == pytest.approx([1.0] * 20)

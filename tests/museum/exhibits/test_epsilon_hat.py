"""The other epsilon

Adam divides by sqrt(v / (1 - b2^t)) + eps. The paper also offers a faster form, which moves the correction to the
rate and leaves eps in place. But then eps is another number, which acts as if it were 30 times larger at first. The
paper gives it a hat; TensorFlow, Keras and DeZero call it epsilon. PyTorch changed from one form to the other in
2019. Far from the output of a deep net, gradients can be of the size of eps, and there two libraries with the same
settings train two different nets.
"""
from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tinyae import Tensor
from tinyae.optim import Adam

SOURCES = {
    "TensorFlow, issue 9047": "https://github.com/tensorflow/tensorflow/issues/9047",
    "TensorFlow, issue 35102": "https://github.com/tensorflow/tensorflow/issues/35102",
    "DeZero, dezero/optimizers.py, class Adam":
        "https://github.com/oreilly-japan/deep-learning-from-scratch-3/blob/master/dezero/optimizers.py",
}


def wrong(adam: Adam, grads: list[Any]) -> None:
    b1, b2 = adam.betas
    adam.t += 1
    rate = adam.lr * (1 - b2 ** adam.t) ** 0.5 / (1 - b1 ** adam.t)
    for p, g, m, v in zip(adam.params.values(), grads, adam.m, adam.v, strict=True):
        m += (1 - b1) * (g - m)
        v += (1 - b2) * (g * g - v)
        p.data = p.data - rate * m / (np.sqrt(v) + adam.eps)


def right(adam: Adam, grads: list[Any]) -> None:
    b1, b2 = adam.betas
    adam.t += 1
    rate, correction = adam.lr / (1 - b1 ** adam.t), (1 - b2 ** adam.t) ** 0.5
    for p, g, m, v in zip(adam.params.values(), grads, adam.m, adam.v, strict=True):
        m += (1 - b1) * (g - m)
        v += (1 - b2) * (g * g - v)
        p.data = p.data - rate * m / (np.sqrt(v) / correction + adam.eps)


def first_step(step: Any, g: float) -> float:
    """In units of the rate."""
    w = Tensor(np.zeros(1))
    step(Adam([w], lr=1.0, eps=1e-8), [np.array([g])])
    return -w.item()


def outcome() -> str:
    lines = (f"for a gradient of {g:g} it is {first_step(wrong, g):.3f}, where {first_step(right, g):.3f} is right"
             for g in (1e-8, 1.0))
    return f"The first step, in units of the rate: {'; '.join(lines)}."


def install(put: pytest.MonkeyPatch) -> None:
    put.setattr(Adam, "step", wrong)


def test_a_gradient_of_the_size_of_epsilon_makes_half_a_step() -> None:
    assert first_step(Adam.step, 1e-8) == pytest.approx(0.5)

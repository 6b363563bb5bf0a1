"""A learning rate of -0.001

One character, and the optimizer climbs. With Adam, whose steps have one size, the loss grows slowly enough to pass
for a hard problem. The rate stands in public notes on a well-known chapter about autoencoders. PyTorch refuses a
negative rate, which surprised users who had trained a discriminator upwards with one.
"""
from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tinyae import Tensor, grad, ops, optim
from tinyae.optim import Adam

from ..workshop import replace

SOURCES = {
    "Public notes (TensorFlow 1) on chapter 15 of Hands-On Machine Learning: learning_rate = -0.001": "",
    "DeepMMD-GAN, issue 2: PyTorch refuses": "https://github.com/arogozhnikov/DeepMMD-GAN/issues/2",
}


def wrong(params: Any, lr: float = 1e-3) -> Adam:
    optimizer = Adam(params)
    optimizer.lr = lr               # unchecked
    return optimizer


def right(params: Any, lr: float = 1e-3) -> Adam:
    if not 0 < lr < float("inf"):
        raise ValueError(f"lr={lr} climbs the loss")
    return wrong(params, lr)


def after_100_steps(lr: float) -> float:
    """w^2 after 100 steps from w = 1."""
    w = Tensor(np.ones(1))
    optimizer = wrong([w], lr)
    for _ in range(100):
        optimizer.step(grad(ops.sum(w * w), [w]))
    return w.item() ** 2


def outcome() -> str:
    return (f"w² after 100 steps from w = 1: {after_100_steps(-0.001):.2f} at rate -0.001, and "
            f"{after_100_steps(0.001):.2f} at rate 0.001.")


def install(put: pytest.MonkeyPatch) -> None:
    replace(put, optim.Adam, wrong)


def test_rates_that_do_not_descend_are_refused() -> None:
    for lr in (-0.001, 0.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="lr"):
            optim.Adam([Tensor(1.0)], lr=lr)

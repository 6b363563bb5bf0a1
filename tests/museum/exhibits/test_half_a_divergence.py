"""A sparsity penalty below zero

The divergence between two coins has two terms, one for each side. A function called kl_divergence, given two
numbers, returns only the first: target * log(target / p). It is negative as soon as p exceeds the target, and keeps
falling until every unit is on for every image, the opposite of sparse. A user reported a loss that fell from 0.14
to -1.21 in twenty epochs and suspected the penalty; readers of a book asked what the second term is for.
"""
from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tinyae import functions, ops

from ..workshop import replace

SOURCES = {
    "Sparse-Autoencoder, issue 1: a loss below zero": "https://github.com/IParraMartin/Sparse-Autoencoder/issues/1",
    "Hands-On Machine Learning, issue 561: why two terms": "https://github.com/ageron/handson-ml2/issues/561",
}


def wrong(logits: Any, target: float) -> Any:
    p = ops.mean(ops.sigmoid(logits), axis=0)
    return ops.sum(target * ops.log(target / p))


def right(logits: Any, target: float) -> Any:
    p = ops.mean(ops.sigmoid(logits), axis=0)
    return ops.sum(target * ops.log(target / p) + (1 - target) * ops.log((1 - target) / (1 - p)))


def units(p: float) -> np.ndarray:
    """Logits (2, 1) of a unit that is on with probability p for both images."""
    return np.full((2, 1), np.log(p / (1 - p)))


def outcome() -> str:
    lines = (f"{wrong(units(p), 0.1):.2f}, where {right(units(p), 0.1):.2f} is right, at a mean of {p}"
             for p in (0.5, 0.9))
    return "With the target 0.1: " + "; ".join(lines) + "."


def install(put: pytest.MonkeyPatch) -> None:
    replace(put, functions.sparsity_kl, wrong)


def test_no_mean_activation_is_better_than_the_target() -> None:
    assert min(functions.sparsity_kl(units(p), 0.1) for p in np.linspace(0.01, 0.99, 99)) > -1e-12

"""A sparsity penalty on each activation

A sparse unit is off for most images and on for a few: its mean over the batch should be, for example, 0.1. If the
divergence is taken of each activation and averaged afterwards, it demands that every unit be 0.1 for every image.
The code with the lowest penalty then says nothing about its image.
"""
from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tinyae import functions, ops

from ..workshop import replace

SOURCES = {
    "tensorflow_stacked_denoising_autoencoder, issue 1":
        "https://github.com/wblgers/tensorflow_stacked_denoising_autoencoder/issues/1",
}


def divergence(target: float, p: Any) -> Any:
    return target * ops.log(target / p) + (1 - target) * ops.log((1 - target) / (1 - p))


def wrong(logits: Any, target: float) -> Any:
    return ops.sum(ops.mean(divergence(target, ops.sigmoid(logits)), axis=0))


def right(logits: Any, target: float) -> Any:
    return ops.sum(divergence(target, ops.mean(ops.sigmoid(logits), axis=0)))


def sparse_and_constant() -> list[np.ndarray]:
    """Logits of a unit over ten images: all but on for one and all but off for nine, and the same for all ten."""
    on = np.array([[0.91], *[[0.01]] * 9])
    return [np.log(p / (1 - p)) for p in (on, np.full((10, 1), 0.1))]


def outcome() -> str:
    sparse, constant = sparse_and_constant()
    return (f"A unit that is on for one image of ten costs {wrong(sparse, 0.1):.2f} nats, and one that is 0.1 for "
            f"all of them {abs(wrong(constant, 0.1)):.2f}, where {abs(right(sparse, 0.1)):.2f} and "
            f"{abs(right(constant, 0.1)):.2f} are right.")


def install(put: pytest.MonkeyPatch) -> None:
    replace(put, functions.sparsity_kl, wrong)


def test_a_sparse_unit_costs_nothing() -> None:
    sparse, constant = sparse_and_constant()
    assert functions.sparsity_kl(sparse, 0.1) == pytest.approx(0, abs=1e-12)
    assert functions.sparsity_kl(constant, 0.1) == pytest.approx(0, abs=1e-12)

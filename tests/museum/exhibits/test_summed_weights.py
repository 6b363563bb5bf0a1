"""A contractive penalty that is not the norm of the Jacobian

The penalty of one sigmoid layer is sum_j [h_j (1 - h_j)]^2 sum_i W_ij^2. A library got it wrong twice. First it
took the mean of the Jacobian's entries instead of the sum of their squares. Once that was mended, a misplaced
parenthesis summed the weights before squaring them, so that weights of opposite signs cancel and a unit may be as
steep as it likes. Both mistakes give numbers of a reasonable size, and gradients that agree with them. Only a
second way to compute the same norm reveals them.
"""
from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tinyae import Tensor, ops
from tinyae.models import contractive
from tinyae.models.contractive import jacobian_norm

from ..workshop import replace

SOURCES = {
    "pylearn2, pull request 90: the mean": "https://github.com/lisa-lab/pylearn2/pull/90",
    "pylearn2, pull request 142: the parenthesis": "https://github.com/lisa-lab/pylearn2/pull/142",
}


def wrong(h: Any, W: Any) -> Any:
    return ops.sum(ops.square(h * (1 - h)) * ops.square(ops.sum(W, axis=0)), axis=1)


def right(h: Any, W: Any) -> Any:
    return ops.sum(ops.square(h * (1 - h)) * ops.sum(ops.square(W), axis=0), axis=1)


def layer() -> tuple[Tensor, Tensor, Tensor]:
    """x (1, 2), W (2, 1) whose weights cancel, and h = sigmoid(x @ W)."""
    x, W = Tensor(np.array([[0.3, 0.3]])), Tensor(np.array([[4.0], [-4.0]]))
    return x, W, ops.sigmoid(x @ W)


def outcome() -> str:
    x, W, h = layer()
    return (f"A unit with the weights 4 and -4, at its steepest: {wrong(h, W).item():g}, where "
            f"{right(h, W).item():g} is right, and {jacobian_norm(h, x).item():g} by differentiating twice.")


def install(put: pytest.MonkeyPatch) -> None:
    replace(put, contractive.closed_form, wrong)


def test_the_closed_form_is_what_differentiating_gives() -> None:
    x, W, h = layer()
    assert contractive.closed_form(h, W).item() == pytest.approx(jacobian_norm(h, x).item(), rel=1e-10)

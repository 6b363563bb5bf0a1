"""Tied weights that are copies

A tied decoder uses the transpose of the encoder's matrix: one set of numbers, which receives the gradient of both
uses. Keras had an option `tie_weights` that returned the encoder's weights but trained a second set. The two
drifted apart until a user found them "NOT identical". A copy at the start is the same mistake in one line.
"""
from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest

from tinyae import Tensor, functions, grad, ops, params
from tinyae.layers import Dense
from tinyae.optim import SGD

SOURCES = {
    "Keras, issue 386": "https://github.com/keras-team/keras/issues/386",
    "Chainer, issue 34: the answer is a transpose": "https://github.com/chainer/chainer/issues/34",
}


class Wrong:
    def __init__(self, dense: Dense):
        self.W = Tensor(dense.W.data.T)         # its own numbers from now on
        self.c = Tensor(np.zeros(dense.W.shape[0]))

    def __call__(self, h: Any) -> Any:
        return h @ self.W + self.c


class Right:
    def __init__(self, dense: Dense):
        self.dense = dense
        self.c = Tensor(np.zeros(dense.W.shape[0]))

    def __call__(self, h: Any) -> Any:
        return h @ self.dense.W.T + self.c


wrong, right = Wrong, Right


def after_a_step(tied: Any) -> tuple[list[str], float]:
    """The parameters' names, and how far the decoder's matrix is from the encoder's after one step."""
    dense = Dense(3, 2, dtype=np.float64, rng=np.random.default_rng(0))
    decoder = tied(dense)
    own = params([dense, decoder])
    x = np.array([[0.2, 0.5, 0.9]])
    loss = ops.mean(functions.squared_error(decoder(dense(x)), x))
    SGD(own, lr=0.1).step(grad(loss, own))
    used = decoder(np.eye(2)) - decoder(np.zeros((2, 2)))       # the matrix, whatever it is called
    return list(own), float(np.abs(used.data - dense.W.data.T).max())


def outcome() -> str:
    (bad, apart), (good, together) = after_a_step(wrong), after_a_step(right)
    return (f"One step from equal weights: {len(bad)} parameters, and matrices that differ by {apart:.2f}, where "
            f"{len(good)} parameters and {together:.2f} are right.")


def install(put: pytest.MonkeyPatch) -> None:
    put.setattr(sys.modules[__name__], "right", wrong)


def test_encoder_and_decoder_stay_one_matrix() -> None:
    names, apart = after_a_step(right)
    assert names == ["0.W", "0.b", "1.c"]
    assert apart < 1e-12

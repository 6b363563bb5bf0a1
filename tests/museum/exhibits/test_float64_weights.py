"""Weights that NumPy 2 made float64

Under NumPy 1, float32 noise times np.sqrt(1 / n) was float32, because a scalar did not count. NumPy 2 respects the
dtype of np.float64 scalars (NEP 50). Since then, every layer of DeZero has float64 weights, and so has every
product of them: twice the memory, half the speed, and no message. A Python number, (1 / n) ** 0.5, would have done
no harm.
"""
from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tinyae import Tensor, params
from tinyae.layers import Dense

SOURCES = {
    "DeZero, dezero/layers.py, Linear._init_W":
        "https://github.com/oreilly-japan/deep-learning-from-scratch-3/blob/master/dezero/layers.py",
    "NEP 50: promotion rules for Python scalars": "https://numpy.org/neps/nep-0050-scalar-promotion.html",
}


def wrong(n: int, k: int, rng: np.random.Generator) -> Any:
    return rng.standard_normal((n, k)).astype(np.float32) * np.sqrt(1 / n)


def right(n: int, k: int, rng: np.random.Generator) -> Any:
    return (rng.standard_normal((n, k)) * np.sqrt(1 / n)).astype(np.float32)       # the cast comes last


def outcome() -> str:
    bad, good = (init(784, 300, np.random.default_rng(0)) for init in (wrong, right))
    return (f"Weights of a 784-300 layer: {bad.dtype}, {bad.nbytes / 1e6:.1f} MB, where {good.dtype}, "
            f"{good.nbytes / 1e6:.1f} MB was meant.")


def install(put: pytest.MonkeyPatch) -> None:
    init = Dense.__init__

    def with_wrong_weights(self: Dense, n_in: int, n_out: int, *, rng: Any, **settings: Any) -> None:
        init(self, n_in, n_out, rng=rng, **settings)
        self.W = Tensor(wrong(n_in, n_out, rng))

    put.setattr(Dense, "__init__", with_wrong_weights)


def test_parameters_have_the_dtype_that_was_asked_for() -> None:
    for dtype in (np.float32, np.float64):
        layer = Dense(4, 3, dtype=dtype, rng=np.random.default_rng(0))
        assert [p.dtype for p in params(layer).values()] == [dtype, dtype]

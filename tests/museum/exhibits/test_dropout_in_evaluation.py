"""Dropout while the model is evaluated

A net may be in training mode, but a function does not know that. nanoGPT passed its dropout rate to PyTorch 2's
fast attention function without asking whether the model was being trained. Wherever that function was available,
the validation loss was that of a net with holes in it. "calling functional directly considered dangerous", its
author wrote. A mode or a global generator as a default lets the caller forget. In tinyae noise is an argument: no
rng, no noise.
"""
from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tinyae import functions
from tinyae.backend import uniform
from tinyae.layers import Dense, Dropout, Sequential

from ..workshop import replace

SOURCES = {
    "nanoGPT, pull request 240": "https://github.com/karpathy/nanoGPT/pull/240",
}

EVERYWHERE = np.random.default_rng(0)


def wrong(x: Any, rate: float, rng: Any = None) -> Any:
    rng = rng or EVERYWHERE                 # no rng given, and still there is noise
    return x * ((uniform(rng, like=x) >= rate) * (1 / (1 - rate))).astype(x.dtype)


def right(x: Any, rate: float, rng: Any = None) -> Any:
    if rng is None:
        return x
    return x * ((uniform(rng, like=x) >= rate) * (1 / (1 - rate))).astype(x.dtype)


def results(dropout: Any) -> int:
    """The number of different results of ten evaluations of one batch."""
    return len({dropout(np.ones(50), 0.5).tobytes() for _ in range(10)})


def outcome() -> str:
    return f"One batch, evaluated ten times: {results(wrong)} different results, where {results(right)} is right."


def install(put: pytest.MonkeyPatch) -> None:
    replace(put, functions.dropout, wrong)


def test_without_an_rng_a_net_is_a_function() -> None:
    net = Sequential(Dropout(0.5), Dense(6, 6, rng=np.random.default_rng(0)), Dropout(0.9))
    x = np.ones((3, 6), np.float32)
    assert np.array_equal(net(x).data, net[1](x).data)

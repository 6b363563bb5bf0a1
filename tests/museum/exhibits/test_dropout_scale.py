"""Dropout that does not keep the mean

Dropping a tenth of the inputs makes their sum a tenth smaller, so the next layer sees smaller numbers in training
than afterwards. Dropout must therefore divide the inputs that it keeps by 1 - rate. Some code omits the factor.
theanets divided by the rate, ConvNetJS multiplied by it in evaluation, and RETAIN wrote 0.5 for all rates. At a
rate of one half, where everybody tries it, these three are right.
"""
from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tinyae import functions
from tinyae.backend import uniform

from ..workshop import replace

SOURCES = {
    "theanets, pull request 123": "https://github.com/lmjohns3/theanets/pull/123",
    "ConvNetJS, pull request 106": "https://github.com/karpathy/convnetjs/pull/106",
    "RETAIN, pull request 1": "https://github.com/mp2893/retain/pull/1",
}


def wrong(x: Any, rate: float, rng: Any = None) -> Any:
    if rng is None:
        return x
    return x * (uniform(rng, like=x) >= rate)


def theanets(x: Any, rate: float, rng: Any) -> Any:
    return x * (uniform(rng, like=x) >= rate) / rate


def right(x: Any, rate: float, rng: Any = None) -> Any:
    if rng is None:
        return x
    return x * (uniform(rng, like=x) >= rate) / (1 - rate)


def mean_of_ones(dropout: Any, rate: float) -> float:
    return float(dropout(np.ones(100_000), rate, np.random.default_rng(0)).mean())


def outcome() -> str:
    return (f"A tenth of many ones dropped, their mean: {mean_of_ones(wrong, 0.1):.2f} without a factor and "
            f"{mean_of_ones(theanets, 0.1):.1f} with theanets', where {mean_of_ones(right, 0.1):.2f} is right.")


def install(put: pytest.MonkeyPatch) -> None:
    replace(put, functions.dropout, wrong)


def test_dropout_keeps_the_mean_at_every_rate() -> None:
    for rate in (0.1, 0.3, 0.5, 0.8):
        assert mean_of_ones(functions.dropout, rate) == pytest.approx(1, abs=0.03), f"rate {rate}"


def test_the_published_number() -> None:
    # The report: the total activation would on average be 9 times the original.
    assert mean_of_ones(theanets, 0.1) == pytest.approx(9, rel=0.01)

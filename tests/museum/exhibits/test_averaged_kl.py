"""A KL divergence averaged over the latents

The divergences of independent latents add up. An average divides the term by their number. That is a beta of 1/20,
hidden in a call of `mean`, and it changes with the number of latents. The line stands in keras-io's first example
and in the Keras blog, beside a cross-entropy that is averaged as well, over 784 pixels. Several threads of
pytorch/examples ask what the weight of the KL should be. grammarVAE kept the average because the results were
better, which a smaller beta can explain.
"""
from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tinyae import functions, ops

from ..workshop import replace

SOURCES = {
    "Keras, issue 6015": "https://github.com/keras-team/keras/issues/6015",
    "keras-io, issue 270": "https://github.com/keras-team/keras-io/issues/270",
    "grammarVAE, issue 2": "https://github.com/mkusner/grammarVAE/issues/2",
}


def wrong(mu: Any, log_var: Any) -> Any:
    return 0.5 * ops.mean(ops.expm1(log_var) - log_var + ops.square(mu), axis=1)


def right(mu: Any, log_var: Any) -> Any:
    return 0.5 * ops.sum(ops.expm1(log_var) - log_var + ops.square(mu), axis=1)


def outcome() -> str:
    lines = (f"{n} latents with mu = 1: {wrong(np.ones((1, n)), np.zeros((1, n)))[0]:g} nats, "
             f"where {right(np.ones((1, n)), np.zeros((1, n)))[0]:g} is right" for n in (2, 20))
    return "; ".join(lines) + "."


def install(put: pytest.MonkeyPatch) -> None:
    replace(put, functions.gaussian_kl, wrong)


def test_the_divergences_of_independent_latents_add_up() -> None:
    mu, log_var = np.array([[1.0, -0.5, 2.0]]), np.array([[0.3, -1.0, 0.0]])
    each = [functions.gaussian_kl(mu[:, i:i + 1], log_var[:, i:i + 1]) for i in range(3)]
    assert functions.gaussian_kl(mu, log_var) == pytest.approx(sum(each))

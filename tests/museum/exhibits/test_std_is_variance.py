"""A standard deviation of exp(log_var)

The encoder gives log sigma^2 and the sampler needs sigma = exp(log_var / 2), but the half is missing. The KL term
still takes log_var for the logarithm of a variance, so the loss bounds the likelihood of no model. Every gradient
in it is correct, and no gradient check will ever complain. To a report of this, Keras replied that the "scale is
irrelevant". The first edition of its author's book has the line, and so does DeZero's VAE today.
"""
from __future__ import annotations

from math import log
from typing import Any

import pytest

from tinyae.backend import normal
from tinyae.models import VAE
from tinyae.ops import exp

from ..workshop import codes, image, losses_with, tiny_vae

SOURCES = {
    "DeZero, examples/vae.py":
        "https://github.com/oreilly-japan/deep-learning-from-scratch-3/blob/master/examples/vae.py",
    "Keras, pull request 9972": "https://github.com/keras-team/keras/pull/9972",
    "Deep Learning with Python, issue 212":
        "https://github.com/fchollet/deep-learning-with-python-notebooks/issues/212",
}


def wrong(mu: Any, log_var: Any, rng: Any) -> Any:
    return mu + exp(log_var) * normal(rng, like=mu)


def right(mu: Any, log_var: Any, rng: Any) -> Any:
    return mu + exp(0.5 * log_var) * normal(rng, like=mu)


def spread() -> float:
    """The standard deviation of the codes of one image, whose posterior is N(0, 2^2)."""
    return float(codes(tiny_vae(log_var=log(4)), image(), 10_000).std())


def outcome() -> str:
    good = spread()
    with pytest.MonkeyPatch.context() as put:
        install(put)
        bad = spread()
    return (f"10 000 codes of an image whose posterior is N(0, 2²): their standard deviation is {bad:.1f}; by the "
            f"right line it is {good:.1f}.")


def install(put: pytest.MonkeyPatch) -> None:
    put.setattr(VAE, "losses", losses_with(wrong))


def test_codes_have_the_spread_that_the_posterior_states() -> None:
    assert spread() == pytest.approx(2, rel=0.04)

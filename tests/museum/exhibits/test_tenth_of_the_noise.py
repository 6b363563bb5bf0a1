"""Noise scaled by a tenth

In the Keras blog the standard deviation of epsilon is 0.1. In the example that went with it, it was 0.01 or 1,
"changed back and forth multiple times". Less noise makes sharper pictures, but then the objective is no longer a
bound: the KL term pays for a wide posterior, and the reconstruction uses a narrow one. The pull request that ended
this noticed a loss of about 60 nats where 90 to 100 would be expected.
"""
from __future__ import annotations

from math import log
from typing import Any

import numpy as np
import pytest

from tinyae.backend import normal
from tinyae.functions import bce_with_logits
from tinyae.models import VAE
from tinyae.ops import exp

from ..workshop import image, losses_with, tiny_vae

SOURCES = {
    "The Keras blog, Building Autoencoders in Keras": "https://blog.keras.io/building-autoencoders-in-keras.html",
    "Keras, pull request 4211": "https://github.com/keras-team/keras/pull/4211",
}


def wrong(mu: Any, log_var: Any, rng: Any) -> Any:
    return mu + exp(0.5 * log_var) * (0.1 * normal(rng, like=mu))


def right(mu: Any, log_var: Any, rng: Any) -> Any:
    return mu + exp(0.5 * log_var) * normal(rng, like=mu)


def reconstruction(n: int = 20_000) -> float:
    """The reconstruction term of one image, as the model computes it, averaged over n codes."""
    vae = tiny_vae(log_var=log(4))
    return vae.losses(np.repeat(image(), n, axis=0), np.random.default_rng(0))["reconstruction"].item()


def expectation(n: int = 20_000) -> float:
    """E[-log p(x|z)] of that image over z from its posterior, N(0, 2^2), drawn here."""
    vae = tiny_vae(log_var=log(4))
    z = 2 * np.random.default_rng(1).standard_normal((n, vae.latent))
    return float(bce_with_logits(vae.decode(z).data, np.repeat(image(), n, axis=0)).mean())


def outcome() -> str:
    with pytest.MonkeyPatch.context() as put:
        install(put)
        bad = reconstruction()
    return (f"A small VAE, reconstruction of one image: {bad:.2f} nats, where {reconstruction():.2f} is right. "
            "The KL term is the same for both.")


def install(put: pytest.MonkeyPatch) -> None:
    put.setattr(VAE, "losses", losses_with(wrong))


def test_the_reconstruction_is_an_expectation_over_the_posterior() -> None:
    assert reconstruction() == pytest.approx(expectation(), rel=0.02)

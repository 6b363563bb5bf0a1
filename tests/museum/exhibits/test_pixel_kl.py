"""A KL divergence of pixels

"A VAE's loss is the cross-entropy plus the KL divergence", and Keras has a loss of that name, which takes the
target and the output. So a convolutional VAE for Pokémon images adds the divergence between the pixels of an image
and those of its reconstruction. It runs and it trains, but nothing pulls the codes towards the prior any more. The
net is an autoencoder with noise, and its decoder has never seen the standard normal codes that are meant to
generate images.
"""
from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tinyae import ops
from tinyae.backend import normal
from tinyae.functions import bce_with_logits, gaussian_kl
from tinyae.models import VAE

from ..workshop import image, tiny_vae

SOURCES = {
    "A public notebook (Keras): a VAE for Pokémon images of 128 x 128 pixels, with 1000 latents": "",
}


def wrong(vae: VAE, batch: Any, rng: Any) -> Any:
    mu, log_var = vae.posterior(batch)
    logits = vae.decode(mu + ops.exp(0.5 * log_var) * normal(rng, like=mu))
    pixels = batch * ops.log(batch / ops.sigmoid(logits))
    return {"reconstruction": ops.mean(bce_with_logits(logits, batch)),
            "kl": ops.mean(ops.sum(pixels, axis=1))}


def right(vae: VAE, batch: Any, rng: Any) -> Any:
    mu, log_var = vae.posterior(batch)
    logits = vae.decode(mu + ops.exp(0.5 * log_var) * normal(rng, like=mu))
    return {"reconstruction": ops.mean(bce_with_logits(logits, batch)),
            "kl": ops.mean(gaussian_kl(mu, log_var))}


def kl_terms(losses: Any) -> list[float]:
    """The KL term when the code of one image lies about 0 and about 10."""
    return [losses(tiny_vae(mu=mu), image(), np.random.default_rng(0))["kl"].item() for mu in (0.0, 10.0)]


def outcome() -> str:
    (near, far), (low, high) = kl_terms(wrong), kl_terms(right)
    return (f"A small VAE whose codes move from about 0 to about 10: its KL term goes from {near:.1f} to {far:.1f} "
            f"nats, where {low:g} and {high:g} are right.")


def install(put: pytest.MonkeyPatch) -> None:
    put.setattr(VAE, "losses", wrong)


def test_the_kl_term_measures_the_code() -> None:
    assert kl_terms(VAE.losses) == pytest.approx([0, 100])         # two latents at 10: mu^2 / 2 each

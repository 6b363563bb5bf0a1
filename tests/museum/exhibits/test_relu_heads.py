"""A posterior without negative numbers

The hidden layers have a ReLU, so the last ones get one too. Then no mean can be negative, and no log variance:
every latent has a standard deviation of at least 1, the prior's, whatever the image. A good code needs a much
smaller one, so its log variances are negative. In Vamb, a tool for genomics, a softplus on log sigma had the same
effect. The model had been tuned around it for so long that the proposed cure was to remove the layer.
"""
from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tinyae import ops
from tinyae.models import VAE

SOURCES = {
    "Vamb, pull request 182": "https://github.com/RasmussenLab/vamb/pull/182",
    "TensorflowProjects, pull request 1": "https://github.com/shekkizh/TensorflowProjects/pull/1",
    "video_prediction, issue 3": "https://github.com/alexlee-gk/video_prediction/issues/3",
}


def wrong(vae: VAE, x: Any) -> Any:
    h = vae.body(x)
    return ops.relu(vae.mu(h)), ops.relu(vae.log_var(h))


def right(vae: VAE, x: Any) -> Any:
    h = vae.body(x)
    return vae.mu(h), vae.log_var(h)


def reach(posterior: Any) -> tuple[float, float]:
    """The share of negative means of 500 images, and the smallest standard deviation, before any training."""
    vae = VAE(20, hidden=(30,), latent=4, rng=np.random.default_rng(0))
    mu, log_var = posterior(vae, np.random.default_rng(1).random((500, 20), np.float32))
    return float((mu.data < 0).mean()), float(np.exp(log_var.data / 2).min())


def outcome() -> str:
    (bad, wide), (good, narrow) = reach(wrong), reach(right)
    return (f"A fresh VAE, 500 images: {bad:.0%} of the means are negative, and no standard deviation is below "
            f"{wide:.1f}; with linear heads {good:.0%} are, and standard deviations go down to {narrow:.1f}.")


def install(put: pytest.MonkeyPatch) -> None:
    put.setattr(VAE, "posterior", wrong)


def test_means_and_log_variances_take_both_signs() -> None:
    share, narrowest = reach(VAE.posterior)
    assert 0.2 < share < 0.8
    assert narrowest < 0.9

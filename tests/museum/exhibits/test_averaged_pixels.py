"""A cross-entropy averaged over the pixels

The framework's loss is a mean over the pixels, while the KL term is a sum, as it should be. The KL therefore weighs
784 times too much. The cheapest answer is to give every image the code N(0, 1) and to decode the mean image. Users
of Keras's example reported that all codes gave the same picture, and users of a World Models implementation a KL of
3.8e-07 beside a good loss. The phenomenon is called posterior collapse, and often the model gets the blame.
"""
from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tinyae import functions, grad, ops, params
from tinyae.models import VAE
from tinyae.optim import Adam

from ..workshop import replace

SOURCES = {
    "Keras, issue 3373, and pull request 3383": "https://github.com/keras-team/keras/issues/3373",
    "World Models, issue 12": "https://github.com/AppliedDataSciencePartners/WorldModels/issues/12",
}


def wrong(logits: Any, x: Any) -> Any:
    return ops.mean(ops.softplus(logits) - logits * x, axis=1)


def right(logits: Any, x: Any) -> Any:
    return ops.sum(ops.softplus(logits) - logits * x, axis=1)


def trained_kl(steps: int = 400) -> float:
    """Nats in the codes of a small VAE after training on four patterns: log 4 = 1.4 would tell them apart."""
    patterns = np.repeat(np.eye(4), 4, axis=1)                      # (4, 16): one quarter white
    vae = VAE(16, hidden=(16,), latent=2, activation="tanh", dtype=np.float64, rng=np.random.default_rng(0))
    own, rng = params(vae), np.random.default_rng(1)
    optimizer = Adam(own, lr=1e-2)
    for _ in range(steps):
        terms = vae.losses(np.repeat(patterns, 4, axis=0), rng)
        optimizer.step(grad(terms["reconstruction"] + terms["kl"], own))
    return vae.losses(patterns, rng)["kl"].item()


def outcome() -> str:
    with pytest.MonkeyPatch.context() as put:
        install(put)
        bad = trained_kl()
    return (f"A small VAE after 400 steps on four patterns: its codes carry {bad:.1f} nats; by the right line "
            f"{trained_kl():.1f}, where log 4 = {np.log(4):.1f} is the least that tells four patterns apart.")


def install(put: pytest.MonkeyPatch) -> None:
    replace(put, functions.bce_with_logits, wrong)


def test_a_grey_image_costs_log_2_for_each_pixel() -> None:
    for n in (1, 10, 784):
        loss = functions.bce_with_logits(np.zeros((3, n)), np.full((3, n), 0.5))
        assert loss == pytest.approx(n * np.log(2)), f"{n} pixels"

"""A discriminator's step that trains the encoder

The discriminator of an adversarial autoencoder learns to tell codes from draws of the prior. Its loss is computed
from codes, so it has a gradient for the encoder, too: one that makes the codes easier to tell apart, against
everything that the encoder learns in its own step. The codes must enter as numbers without a past. In PyTorch that
takes a `detach()`, which is easily forgotten, and no error appears if an optimizer of all parameters then takes the
step.
"""
from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tinyae import grad, params
from tinyae.backend import normal
from tinyae.errors import Refusal
from tinyae.models import Adversarial
from tinyae.ops import mean, softplus

SOURCES = {
    "PyTorch-GAN, issue 152, which quotes the line that is needed":
        "https://github.com/eriklindernoren/PyTorch-GAN/issues/152",
}


def wrong(self: Any, batch: Any, rng: Any) -> dict[str, Any]:
    z = self.encode(batch)
    prior = normal(rng, like=z)
    return {"discrimination": mean(softplus(-self.discriminator(prior)) + softplus(self.discriminator(z)))}


def right(self: Any, batch: Any, rng: Any) -> dict[str, Any]:
    z = self.encode(batch).data             # numbers without a past
    prior = normal(rng, like=z)
    return {"discrimination": mean(softplus(-self.discriminator(prior)) + softplus(self.discriminator(z)))}


def gradient(loss: Any) -> str:
    """That of the encoder's weights, or the refusal to give one."""
    model = Adversarial(6, (5,), 2, dtype=np.float64, rng=np.random.default_rng(0))
    value = loss(model, np.linspace(0, 1, 24).reshape(4, 6), np.random.default_rng(0))["discrimination"]
    try:
        return f"numbers up to {max(np.abs(g).max() for g in grad(value, params(model.encoder)).values()):.2f}"
    except Refusal as refusal:
        return f'the refusal "{refusal.what}"'


def outcome() -> str:
    return f"Asked for the encoder's gradient: {gradient(wrong)}, where {gradient(right)} is right."


def install(put: pytest.MonkeyPatch) -> None:
    put.setattr(Adversarial, "discriminator_loss", wrong)


def test_the_encoder_is_not_on_trial() -> None:
    assert "refusal" in gradient(Adversarial.discriminator_loss)

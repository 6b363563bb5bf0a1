"""Target and prediction exchanged

Libraries disagree on which comes first, and so do two functions of one name in Keras. A cross-entropy with
exchanged arguments is another function, which training can lower as well. From logits it is worst: softplus(x) - x
l is linear in the logit l and has no minimum, so training pushes every logit towards infinity, faster where x is
larger. The driving simulator SLEDGE got this mistake while its code was tidied up.
"""
from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tinyae import ops
from tinyae.models import Autoencoder

SOURCES = {
    "SLEDGE, issue 4": "https://github.com/autonomousvision/sledge/issues/4",
    "Keras, issue 7228: two orders in one library": "https://github.com/keras-team/keras/issues/7228",
}


def bce(logits: Any, x: Any) -> Any:
    """Without the library's look at the target, which refuses a logit that is no probability."""
    return ops.sum(ops.softplus(logits) - logits * x, axis=1)


def wrong(model: Any, batch: Any, rng: Any = None) -> Any:
    return {"reconstruction": ops.mean(bce(batch, model.decode(model.encode(batch))))}


def right(model: Any, batch: Any, rng: Any = None) -> Any:
    return {"reconstruction": ops.mean(bce(model.decode(model.encode(batch)), batch))}


class Sure:
    """An autoencoder whose logits are right, and as large as you like."""

    def __init__(self, size: float):
        self.size = size

    def encode(self, x: Any) -> Any:
        return x

    def decode(self, z: Any) -> Any:
        return self.size * (2 * z - 1)


def outcome() -> str:
    batch = np.array([[0.0, 1.0, 1.0]])
    bad, good = ([f(Sure(size), batch)["reconstruction"] for size in (10, 1000)] for f in (wrong, right))
    return (f"Three pixels, all of them right, at logits ±10 and ±1000: {bad[0]:.1f} and {bad[1]:.1f} nats, where "
            f"{good[0]:.1f} and {good[1]:.1f} are right. -log p of a pixel is never negative.")


def install(put: pytest.MonkeyPatch) -> None:
    put.setattr(Autoencoder, "losses", wrong)


def test_a_perfect_reconstruction_costs_nothing() -> None:
    sure = Autoencoder(3, hidden=(), latent=3, rng=np.random.default_rng(0))
    sure.encode = lambda x: x
    sure.decode = Sure(50).decode
    loss = sure.losses(np.float32([[0, 1, 1]]))["reconstruction"]
    assert abs(loss.item()) < 1e-6

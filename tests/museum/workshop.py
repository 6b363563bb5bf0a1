"""What exhibits share: a way to put one thing in the place of another, and a VAE small enough to look into."""
from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest

from tinyae.functions import bce_with_logits, gaussian_kl
from tinyae.models import VAE
from tinyae.ops import mean


def replace(put: pytest.MonkeyPatch, old: Any, new: Any) -> None:
    """new for old, under every name that a module of the library has for it."""
    places = [(module, name) for key, module in list(sys.modules.items()) if key.split(".")[0] == "tinyae"
              for name, value in vars(module).items() if value is old]
    assert places, f"{old!r} is nowhere in the library"
    for module, name in places:
        put.setattr(module, name, new)


def tiny_vae(mu: float = 0.0, log_var: float = 0.0, n_in: int = 6, latent: int = 2) -> VAE:
    """A VAE of 6 pixels in float64, whose encoder says the same mu and log_var of every image and latent."""
    vae = VAE(n_in, hidden=(5,), latent=latent, activation="tanh", dtype=np.float64, rng=np.random.default_rng(0))
    for head, says in ((vae.mu, mu), (vae.log_var, log_var)):
        head.W.data, head.b.data = np.zeros(head.W.shape), np.full(latent, says)
    return vae


def image(n_in: int = 6) -> np.ndarray:
    """One image (1, n_in) with pixels in [0, 1]."""
    return np.linspace(0.1, 0.9, n_in).reshape(1, n_in)


def losses_with(sample: Any) -> Any:
    """VAE.losses with another way to draw the code: sample(mu, log_var, rng) -> z."""
    def losses(self: VAE, batch: Any, rng: Any) -> dict[str, Any]:
        mu, log_var = self.posterior(batch)
        z = sample(mu, log_var, rng)
        return {"reconstruction": mean(bce_with_logits(self.decode(z), batch)),
                "kl": self.beta * mean(gaussian_kl(mu, log_var))}
    return losses


def codes(vae: VAE, x: np.ndarray, n: int, seed: int = 0) -> np.ndarray:
    """The codes (n, latent) that vae.losses draws for n copies of the image x, and hands to vae.decode."""
    drawn: list[Any] = []
    decode = vae.decode

    def noting(z: Any) -> Any:
        drawn.append(z)
        return decode(z)

    vae.decode = noting
    vae.losses(np.repeat(x, n, axis=0), np.random.default_rng(seed))
    vae.decode = decode
    return drawn[0].numpy()

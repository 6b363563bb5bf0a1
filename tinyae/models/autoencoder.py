"""models · autoencoder: a code too narrow to copy the image.

Rumelhart, Hinton & Williams 1986; deep: Hinton & Salakhutdinov 2006.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..backend import Array, Rng, Value
from ..functions import bce_with_logits
from ..layers import dense_stack
from ..ops import mean, sigmoid
from ..tensor import Tensor, data_of


class Autoencoder:
    """x (n, n_in) in [0, 1] -> code (n, latent) -> logits (n, n_in); 784-256-128-20-128-256-784 by default.

    Keywords go to every Dense: rng (required), init, device, dtype.
    """

    def __init__(self, n_in: int = 784, hidden: Sequence[int] = (256, 128), latent: int = 20,
                 activation: str | Callable = "relu", **settings: Any):
        self.encoder = dense_stack([n_in, *hidden, latent], activation, **settings)
        self.decoder = dense_stack([latent, *reversed(hidden), n_in], activation, **settings)

    def encode(self, x: Array) -> Tensor:
        """x (n, n_in) -> (n, latent)."""
        return self.encoder(x)

    def decode(self, z: Value) -> Tensor:
        """z (n, latent) -> (n, n_in), logits."""
        return self.decoder(z)

    def losses(self, batch: Array, rng: Rng = None) -> dict[str, Tensor]:
        """batch (n, n_in) -> nats per image: the mean over the batch of the sum over pixels."""
        return {"reconstruction": mean(bce_with_logits(self.decode(self.encode(batch)), batch))}

    def reconstruct(self, x: Array) -> Array:
        """(n, n_in) in [0, 1]."""
        return data_of(sigmoid(self.decode(self.encode(x))))

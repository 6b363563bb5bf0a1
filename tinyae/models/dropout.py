"""models · dropout: hidden units that cannot rely on each other.

Srivastava, Hinton, Krizhevsky, Sutskever & Salakhutdinov 2014. Each batch trains a different part of the net, with
random hidden units missing, so that no small group of units can memorise the training images together.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..backend import Array, Rng, Value
from ..functions import bce_with_logits
from ..layers import Dropout, Sequential, dense_stack
from ..ops import mean, sigmoid
from ..tensor import Tensor, data_of


class DropoutAutoencoder:
    """x (n, n_in) in [0, 1] -> code (n, latent) -> logits (n, n_in); 784-512-256-64-256-512-784 by default.

    rate: the fraction of each hidden layer that is dropped, in encoder and decoder; pixels and codes never are.
    Keywords go to every Dense: rng (required), init, device, dtype.
    """

    def __init__(self, n_in: int = 784, hidden: Sequence[int] = (512, 256), latent: int = 64,
                 activation: str | Callable = "relu", rate: float = 0.2, **settings: Any):
        self.encoder = _with_dropout(dense_stack([n_in, *hidden, latent], activation, **settings), rate)
        self.decoder = _with_dropout(dense_stack([latent, *reversed(hidden), n_in], activation, **settings), rate)

    def encode(self, x: Array, rng: Rng = None) -> Tensor:
        """x (n, n_in) -> (n, latent)."""
        return self.encoder(x, rng)

    def decode(self, z: Value, rng: Rng = None) -> Tensor:
        """z (n, latent) -> (n, n_in), logits."""
        return self.decoder(z, rng)

    def losses(self, batch: Array, rng: Rng = None) -> dict[str, Tensor]:
        """batch (n, n_in) -> nats per image, with units dropped; without an rng, none is dropped."""
        return {"reconstruction": mean(bce_with_logits(self.decode(self.encode(batch, rng), rng), batch))}

    def reconstruct(self, x: Array) -> Array:
        """(n, n_in) in [0, 1], with no unit dropped."""
        return data_of(sigmoid(self.decode(self.encode(x))))


def _with_dropout(stack: Sequential, rate: float) -> Sequential:
    """stack with Dropout(rate) between its layers."""
    return Sequential(*[part for layer in stack for part in (layer, Dropout(rate))][:-1])

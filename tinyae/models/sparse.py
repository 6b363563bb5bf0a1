"""models · sparse: a wide code of which each image uses only a few units.

Ng 2011, Sparse autoencoder (CS294A lecture notes); the divergence is that of Lee, Ekanadham & Ng 2008.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..backend import Array, Rng, Value
from ..errors import BadValue
from ..functions import bce_with_logits, sparsity_kl
from ..layers import dense_stack
from ..ops import mean, sigmoid, sum
from ..tensor import Tensor, data_of

PER_PIXEL = {"kl": 0.2, "l1": 1e-3}     # the textbook's weights, for a loss averaged over pixels


class Sparse:
    """x (n, n_in) in [0, 1] -> code (n, latent) in (0, 1), mostly near 0 -> logits (n, n_in); 784-1000-784 by default.

    penalty: "kl" keeps each unit's mean activation over the batch near `target` and needs batches of a hundred images
    or more; "l1" is the sum of an image's activations. weight multiplies the penalty, while the reconstruction is
    summed over pixels; by default it is the textbook's 0.2 ("kl") or 0.001 ("l1") times n_in.
    Keywords go to every Dense: rng (required), init, device, dtype.
    """

    def __init__(self, n_in: int = 784, hidden: Sequence[int] = (), latent: int = 1000,
                 activation: str | Callable = "relu", penalty: str = "kl", target: float = 0.1,
                 weight: float | None = None, **settings: Any):
        if penalty not in PER_PIXEL:
            raise BadValue("unknown penalty", expected=" or ".join(map(repr, PER_PIXEL)), got=repr(penalty),
                           fix='penalty="kl"')
        weight = PER_PIXEL[penalty] * n_in if weight is None else weight
        if not 0 <= weight < float("inf"):
            raise BadValue("weight out of range", expected="weight >= 0, finite", got=weight, fix="weight=None")
        self.encoder = dense_stack([n_in, *hidden, latent], activation, **settings)
        self.decoder = dense_stack([latent, *reversed(hidden), n_in], activation, **settings)
        self.penalty, self.target, self.weight = penalty, target, weight

    def encode(self, x: Array) -> Tensor:
        """x (n, n_in) -> (n, latent)."""
        return sigmoid(self.encoder(x))

    def decode(self, z: Value) -> Tensor:
        """z (n, latent) -> (n, n_in), logits."""
        return self.decoder(z)

    def losses(self, batch: Array, rng: Rng = None) -> dict[str, Tensor]:
        """batch (n, n_in) -> nats per image, and the weighted penalty."""
        logits = self.encoder(batch)
        code = sigmoid(logits)
        penalty = sparsity_kl(logits, self.target) if self.penalty == "kl" else mean(sum(code, axis=1))   # |h| = h > 0
        return {"reconstruction": mean(bce_with_logits(self.decode(code), batch)), self.penalty: self.weight * penalty}

    def reconstruct(self, x: Array) -> Array:
        """(n, n_in) in [0, 1]."""
        return data_of(sigmoid(self.decode(self.encode(x))))

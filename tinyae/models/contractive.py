"""models · contractive: a code that changes little with the image, except along the directions in which images differ.

Rifai, Vincent, Muller, Glorot & Bengio 2011, Contractive auto-encoders.
"""
from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import add
from typing import Any

from ..backend import Array, Rng, Value, normal
from ..errors import BadValue
from ..functions import bce_with_logits
from ..layers import Dense, Sequential, TiedDense, dense_stack
from ..ops import mean, sigmoid, square, sum
from ..tensor import Tensor, data_of, grad


class Contractive:
    """x (n, n_in) in [0, 1] -> code (n, latent) -> logits (n, n_in), sigmoid units and tied weights; 784-1000-784.

    The loss per image adds weight * ||dh/dx||_F^2, h the code, to a reconstruction summed over pixels. Without hidden
    layers this penalty has a closed form; with them, training takes the gradient of a gradient. The decoder is tied,
    because with its own weights it could undo any shrinking of h, and the penalty would have no effect.
    Keywords go to every Dense: rng (required), init, device, dtype.
    """

    def __init__(self, n_in: int = 784, hidden: Sequence[int] = (), latent: int = 1000, weight: float = 0.1,
                 **settings: Any):
        if not 0 <= weight < float("inf"):
            raise BadValue("weight out of range", expected="weight >= 0, finite", got=weight, fix="weight=0.1")
        self.encoder = dense_stack([n_in, *hidden, latent], "sigmoid", last="sigmoid", **settings)
        reverse: list[Dense] = self.encoder[::-1]
        self.decoder = Sequential(*[TiedDense(layer, activation="sigmoid") for layer in reverse[:-1]],
                                  TiedDense(reverse[-1]))
        self.weight = weight

    def encode(self, x: Value) -> Tensor:
        """x (n, n_in) -> (n, latent)."""
        return self.encoder(x)

    def decode(self, z: Value) -> Tensor:
        """z (n, latent) -> (n, n_in), logits."""
        return self.decoder(z)

    def losses(self, batch: Array, rng: Rng = None) -> dict[str, Tensor]:
        """batch (n, n_in) -> nats per image, and the weighted penalty.

        The penalty is exact, or with hidden layers and an rng an unbiased estimate.
        """
        x = Tensor(data_of(batch))                      # a Tensor, because dh/dx is needed
        h = self.encode(x)
        norm = closed_form(h, self.encoder[0].W) if len(self.encoder) == 1 else jacobian_norm(h, x, rng)
        return {"reconstruction": mean(bce_with_logits(self.decode(h), batch)), "contraction": self.weight * mean(norm)}

    def reconstruct(self, x: Array) -> Array:
        """(n, n_in) in [0, 1]."""
        return data_of(sigmoid(self.decode(self.encode(x))))


def closed_form(h: Tensor, W: Tensor) -> Tensor:
    """||dh/dx||_F^2 per image (n,), for h (n, k) = sigmoid(x @ W + b), W (d, k).

    dh_j/dx_i = h_j (1 - h_j) W_ij, so the sum of squares is sum_j [h_j (1 - h_j)]^2 sum_i W_ij^2.
    """
    return sum(square(h * (1 - h)) * sum(square(W), axis=0), axis=1)


def jacobian_norm(h: Tensor, x: Tensor, rng: Rng = None) -> Tensor:
    """||dh/dx||_F^2 per image (n,), for any h (n, k) computed from x (n, d) image by image; differentiable again.

    Without an rng it is exact and takes k backward passes, one for each row of the Jacobian J. With an rng it takes one
    pass and is an unbiased estimate: ||v @ J||^2, v ~ N(0, 1), has the expectation ||J||_F^2 (Hutchinson 1990).
    """
    if rng is not None:
        return sum(square(grad(sum(h * normal(rng, like=h)), [x], create_graph=True)[0]), axis=1)
    rows = (grad(sum(h[:, j]), [x], create_graph=True)[0] for j in range(h.shape[1]))           # (n, d) each
    return reduce(add, (sum(square(row), axis=1) for row in rows))

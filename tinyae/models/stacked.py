"""models · stacked: one-layer autoencoders, each trained to reconstruct the codes of the one below.

Greedy layer-wise training: Bengio, Lamblin, Popovici & Larochelle 2007. With W in the encoder and W.T in the decoder, a
layer has half the weights, and cannot shrink its code while the decoder scales it up again.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..backend import Array, Rng, Value
from ..errors import BadValue
from ..functions import squared_error
from ..fused import squared_norm
from ..layers import Dense, TiedDense
from ..ops import mean
from ..tensor import Tensor, data_of


class Pair:
    """h (n, d) -> code (n, k) -> (n, d): a one-layer autoencoder whose encoder and decoder share the weights W."""

    def __init__(self, encode: Callable, decode: Callable, W: Tensor, l2: float):
        self.encode, self.decode, self.W, self.l2 = encode, decode, W, l2

    def losses(self, h: Value, rng: Rng = None) -> dict[str, Tensor]:
        """The squared error of this layer alone, and its decay; h may be images or the codes of the layer below."""
        return {"reconstruction": mean(squared_error(self.decode(self.encode(h)), h)), "l2": self.decay()}

    def decay(self) -> Tensor:
        """l2/2 |W|^2, weight decay as a loss."""
        return 0.5 * self.l2 * squared_norm(self.W)


def dense_pair(n_in: int, n_out: int, activation: str | Callable, output: str | Callable, l2: float,
               **settings: Any) -> Pair:
    """code = f(h @ W + b), h' = g(code @ W.T + c)."""
    dense = Dense(n_in, n_out, activation=activation, **settings)
    return Pair(dense, TiedDense(dense, activation=output), dense.W, l2)


class Stacked:
    """x (n, n_in) -> code (n, latent) -> pixels (n, n_in), by tied pairs of layers; 784-300-150-300-784 by default.

    l2 weighs |W|^2/2 against the squared error summed over pixels: 0.784 is the textbooks' 1e-3 for the mean over 784.
    Train all `pairs` together with losses, or from the lowest up, each with pairs[i].losses on the codes below(i, x).
    Keywords go to every Dense: rng (required), device, dtype.
    """

    def __init__(self, n_in: int = 784, hidden: Sequence[int] = (300,), latent: int = 150,
                 activation: str | Callable = "elu", l2: float = 0.784, init: str | Callable = "he_normal",
                 **settings: Any):
        widths, l2 = [n_in, *hidden, latent], checked_l2(l2)
        outputs = ["linear"] + [activation] * len(hidden)       # the lowest pair reconstructs pixels, the others codes
        self.pairs = [dense_pair(n, k, activation, output, l2, init=init, **settings)
                      for n, k, output in zip(widths, widths[1:], outputs, strict=False)]

    def below(self, i: int, x: Value) -> Value:
        """The input of pair i: the codes (n, d) of pair i - 1, or the images x for i = 0."""
        for pair in self.pairs[:i]:
            x = pair.encode(x)
        return x

    def encode(self, x: Array) -> Tensor:
        """x (n, n_in) -> (n, latent)."""
        return self.below(len(self.pairs), x)

    def decode(self, z: Value) -> Tensor:
        """z (n, latent) -> (n, n_in), unbounded pixels."""
        for pair in reversed(self.pairs):
            z = pair.decode(z)
        return z

    def losses(self, batch: Array, rng: Rng = None) -> dict[str, Tensor]:
        """batch (n, n_in) -> squared error per image, summed over pixels, and the weight decay of all pairs."""
        decay = self.pairs[0].decay()
        for pair in self.pairs[1:]:
            decay = decay + pair.decay()
        return {"reconstruction": mean(squared_error(self.decode(self.encode(batch)), batch)), "l2": decay}

    def reconstruct(self, x: Array) -> Array:
        """(n, n_in), clipped to [0, 1]."""
        return np.clip(data_of(self.decode(self.encode(x))), 0, 1)


def checked_l2(l2: float) -> float:
    if not 0 <= l2 < float("inf"):
        raise BadValue("l2 out of range", expected="l2 >= 0, finite", got=l2, fix="l2=0.784")
    return l2

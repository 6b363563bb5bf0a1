"""models · gsn: a generative stochastic network learns one step of a random walk through the images.

Bengio, Yao, Alain & Vincent 2013, Generalized denoising auto-encoders as generative models (with walkback); Bengio,
Thibodeau-Laufer, Alain & Yosinski 2014, Deep generative stochastic networks trainable by backprop.
"""
from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np

from ..backend import Array, Rng, Value, normal, uniform
from ..errors import BadType, BadValue
from ..functions import bce_with_logits
from ..layers import dense_stack
from ..ops import mean, sigmoid, stack
from ..tensor import Tensor, data_of

BURN_IN = 200       # steps of the walk before its image is a sample


class GSN:
    """x -> corrupted x -> p(x' | corrupted x) -> x' ~ p -> ...: a random walk that stays near the data.

    One step is a denoising autoencoder, 784-500-784 by default. It corrupts the image (each pixel, with probability
    `corruption`, becomes 0 or 1 with equal chance), computes the probability of each pixel of the clean image, and
    draws every pixel from it. walkback: the number of steps for which training follows the walk away from an image;
    each step learns the way back. Keywords go to every Dense: rng (required), init, device, dtype.
    """

    def __init__(self, n_in: int = 784, hidden: Sequence[int] = (), latent: int = 500,
                 activation: str | Callable = "relu", corruption: float = 0.4, walkback: int = 2, **settings: Any):
        if not 0 < corruption < 1 or walkback < 1:
            raise BadValue("corruption or walkback out of range", expected="0 < corruption < 1 and walkback >= 1",
                           got=f"corruption={corruption}, walkback={walkback}", fix="corruption=0.4, walkback=2")
        self.encoder = dense_stack([n_in, *hidden, latent], activation, last=activation, **settings)
        self.decoder = dense_stack([latent, *reversed(hidden), n_in], activation, **settings)
        self.n_in, self.corruption, self.walkback = n_in, corruption, walkback

    def encode(self, x: Array) -> Tensor:
        """x (n, n_in) -> (n, latent)."""
        return self.encoder(x)

    def decode(self, z: Value) -> Tensor:
        """z (n, latent) -> (n, n_in), logits."""
        return self.decoder(z)

    def corrupt(self, x: Array, rng: Rng) -> Array:
        """x (n, n_in) with salt-and-pepper noise on a random fraction `corruption` of its pixels."""
        coin = uniform(rng, like=x) / self.corruption                       # in [0, 1) where the pixel is replaced
        return np.where(coin < 1, (coin < 0.5).astype(x.dtype), x)

    def losses(self, batch: Array, rng: Rng) -> dict[str, Tensor]:
        """batch (n, n_in) -> nats per image, of the clean image given each step of the walk: the mean over steps."""
        if rng is None:
            raise BadType("rng is required: the walk is random", expected="rng, a random generator", got=None,
                          fix="model.losses(batch, np.random.default_rng(0))")
        x, losses = batch, []
        for _ in range(self.walkback):
            logits = self.decode(self.encode(self.corrupt(x, rng)))
            losses.append(mean(bce_with_logits(logits, batch)))
            x = bernoulli(logits.data, rng)         # .data: no gradient through the sampled step
        return {"reconstruction": mean(stack(*losses))}

    def reconstruct(self, x: Array) -> Array:
        """(n, n_in) in [0, 1]. x is not corrupted first."""
        return data_of(sigmoid(self.decode(self.encode(x))))

    def walk(self, x: Array, rng: Rng) -> Iterator[Array]:
        """The endless walk from x (n, n_in). Yields, at each step, the pixel probabilities (n, n_in) of the next x."""
        while True:
            logits = self.decode(self.encode(self.corrupt(x, rng))).data
            yield sigmoid(logits)
            x = bernoulli(logits, rng)

    def sample(self, rng: Rng, n: int) -> Array:
        """n images (n, n_in), pixel probabilities in [0, 1]: the 200th step of n walks that start from noise."""
        weight = self.decoder[0].W.data
        x = bernoulli(normal(rng, like=np.zeros((n, self.n_in), weight.dtype, like=weight)), rng)
        return next(islice(self.walk(x, rng), BURN_IN - 1, None))


def bernoulli(logits: Array, rng: Rng) -> Array:
    """Pixels drawn from Bernoulli(sigmoid(logits)): 0 or 1, of the shape and dtype of logits."""
    return (uniform(rng, like=logits) < sigmoid(logits)).astype(logits.dtype)

"""9 of 9 · models · gsn: a generative stochastic network, one step of a walk from image to image.

Bengio, Yao, Alain & Vincent 2013, Generalized denoising auto-encoders as generative models (walkback: section 3.3);
Bengio, Thibodeau-Laufer, Alain & Yosinski 2014, Deep generative stochastic networks trainable by backprop.
"""
from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np

from ..backend import Array, normal, uniform
from ..errors import BadType, BadValue
from ..functions import bce_with_logits
from ..layers import dense_stack
from ..ops import mean, sigmoid, stack
from ..tensor import Tensor, data_of

BURN_IN = 200       # steps of the walk before an image counts as a sample


class GSN:
    """x -> corrupted x -> p(x' | corrupted x) -> x' ~ p -> ...: a walk that goes where the data is.

    One step is a denoising autoencoder, here 784-500-784: it corrupts the image (each pixel, with probability
    `corruption`, becomes 0 or 1 by the toss of a coin), tells the probability of each pixel of the clean image, and
    draws from that, pixel by pixel. walkback: steps that training follows the walk away from an image and asks for the
    way home, so that the walk has nowhere to get lost. Keywords go to every Dense.
    """

    def __init__(self, n_in: int = 784, hidden: Sequence[int] = (), latent: int = 500,
                 activation: str | Callable = "relu", corruption: float = 0.4, walkback: int = 2, **settings: Any):
        if not 0 < corruption < 1 or walkback < 1:
            raise BadValue("no such walk", expected="0 < corruption < 1 and walkback, a whole number >= 1",
                           got=f"corruption={corruption}, walkback={walkback}", fix="corruption=0.4, walkback=2")
        self.encoder = dense_stack([n_in, *hidden, latent], activation, last=activation, **settings)
        self.decoder = dense_stack([latent, *reversed(hidden), n_in], activation, **settings)
        self.n_in, self.corruption, self.walkback = n_in, corruption, walkback

    def encode(self, x: Array) -> Tensor:
        return self.encoder(x)                                              # (n, latent)

    def decode(self, z: Any) -> Tensor:
        return self.decoder(z)                                              # (n, n_in), logits

    def corrupt(self, x: Array, rng: Any) -> Array:
        """x with salt and pepper on a fraction `corruption` of its pixels."""
        coin = uniform(rng, like=x) / self.corruption                       # of [0, 1) where the pixel is lost
        return np.where(coin < 1, (coin < 0.5).astype(x.dtype), x)

    def losses(self, batch: Array, rng: Any) -> dict[str, Tensor]:
        """Nats per image of the clean image, from each place of the walk: the mean over its steps."""
        if rng is None:
            raise BadType("a walk is random", expected="rng, a random generator", got=None,
                          fix="model.losses(batch, np.random.default_rng(0))")
        x, losses = batch, []
        for _ in range(self.walkback):
            logits = self.decode(self.encode(self.corrupt(x, rng)))
            losses.append(mean(bce_with_logits(logits, batch)))
            x = bernoulli(logits.data, rng)         # .data: no gradient through the sampled step
        return {"reconstruction": mean(stack(*losses))}

    def reconstruct(self, x: Array) -> Array:
        """(n, n_in) in [0, 1], of x as it is."""
        return data_of(sigmoid(self.decode(self.encode(x))))

    def walk(self, x: Array, rng: Any) -> Iterator[Array]:
        """The walk from x (n, n_in), without end: at each step the pixels' probabilities (n, n_in), drawn from next."""
        while True:
            logits = self.decode(self.encode(self.corrupt(x, rng))).data
            yield sigmoid(logits)
            x = bernoulli(logits, rng)

    def sample(self, rng: Any, n: int) -> Array:
        """n images (n, n_in), pixel probabilities in [0, 1]: where n walks from noise are after 200 steps."""
        weight = self.decoder[0].W.data
        x = bernoulli(normal(rng, like=np.zeros((n, self.n_in), weight.dtype, like=weight)), rng)
        return next(islice(self.walk(x, rng), BURN_IN - 1, None))


def bernoulli(logits: Array, rng: Any) -> Array:
    """Black and white pixels, white with probability sigmoid(logits)."""
    return (uniform(rng, like=logits) < sigmoid(logits)).astype(logits.dtype)

"""models · denoising: reconstruct the clean image from a noisy one.

Vincent, Larochelle, Bengio & Manzagol 2008; Gaussian noise as well as masking: Vincent et al. 2010. A copy of the input
keeps the noise, so the code may be wide: the model has to learn what images look like to tell them from noise.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..backend import Array, Rng, Value
from ..errors import BadValue
from ..functions import dropout, gaussian_noise, squared_error
from ..layers import dense_stack
from ..ops import mean
from ..tensor import Tensor, data_of

NOISES: dict[str, Callable] = {"gaussian": gaussian_noise, "masking": dropout}      # f(x, level, rng)


class Denoising:
    """x (n, n_in) with noise -> code (n, latent) -> pixels (n, n_in) without noise; 784-500-250-500-784 by default.

    noise: "gaussian", where level is the standard deviation in units of x; or "masking", where level is the fraction of
    pixels set to 0 (the others are divided by 1 - level, as in dropout).
    Keywords go to every Dense: rng (required), init, device, dtype.
    """

    def __init__(self, n_in: int = 784, hidden: Sequence[int] = (500,), latent: int = 250,
                 activation: str | Callable = "elu", noise: str = "gaussian", level: float = 0.5, **settings: Any):
        self.set_noise(noise, level)
        self.encoder = dense_stack([n_in, *hidden, latent], activation, last=activation, **settings)
        self.decoder = dense_stack([latent, *reversed(hidden), n_in], activation, **settings)

    def set_noise(self, noise: str, level: float) -> None:
        """The noise of the batches to come: a name in NOISES and its level. BadValue: there is no such noise."""
        if noise not in NOISES:
            raise BadValue("unknown noise", expected=" or ".join(NOISES), got=repr(noise), fix='noise="gaussian"')
        NOISES[noise](np.zeros(1, np.float32), level)               # refuse a bad level now, not in training
        self.noise, self.level = noise, level

    def corrupt(self, x: Array, rng: Rng) -> Array:
        """x (n, n_in) with fresh noise; without an rng, x itself."""
        return NOISES[self.noise](x, self.level, rng)

    def encode(self, x: Array) -> Tensor:
        """x (n, n_in) -> (n, latent)."""
        return self.encoder(x)

    def decode(self, z: Value) -> Tensor:
        """z (n, latent) -> (n, n_in), unbounded pixels."""
        return self.decoder(z)

    def losses(self, batch: Array, rng: Rng = None) -> dict[str, Tensor]:
        """batch (n, n_in) -> squared error per image, summed over pixels, against the clean image.

        The error of a copy is the noise itself: n_in * level^2 for "gaussian".
        """
        y = self.decode(self.encode(self.corrupt(batch, rng)))
        return {"reconstruction": mean(squared_error(y, batch))}

    def reconstruct(self, x: Array) -> Array:
        """(n, n_in), clipped to [0, 1]. No noise is added to x; corrupt(x, rng) does that."""
        return np.clip(data_of(self.decode(self.encode(x))), 0, 1)

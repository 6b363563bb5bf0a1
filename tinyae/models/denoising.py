"""9 of 9 · models · denoising: shown a damaged image, give back the undamaged one.

Vincent, Larochelle, Bengio & Manzagol 2008; Gaussian noise as well as masking: Vincent et al. 2010. Copying does not
pay any more, so a code may be wide: the model has to know how images look to tell them from noise.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..backend import Array
from ..errors import BadValue
from ..functions import dropout, gaussian_noise, squared_error
from ..layers import dense_stack
from ..ops import mean
from ..tensor import Tensor, data_of

NOISES: dict[str, Callable] = {"gaussian": gaussian_noise, "masking": dropout}      # f(x, level, rng)


class Denoising:
    """x (n, n_in) with noise -> code (n, latent) -> pixels (n, n_in) without; 784-500-250-500-784 by default.

    noise: "gaussian", level its standard deviation in units of x; or "masking", level the fraction of pixels set to 0
    (the others grow by 1 / (1 - level), as in dropout).
    Keywords go to every Dense: rng (required), init, device, dtype.
    """

    def __init__(self, n_in: int = 784, hidden: Sequence[int] = (500,), latent: int = 250,
                 activation: str | Callable = "elu", noise: str = "gaussian", level: float = 0.5, **settings: Any):
        self.set_noise(noise, level)
        self.encoder = dense_stack([n_in, *hidden, latent], activation, last=activation, **settings)
        self.decoder = dense_stack([latent, *reversed(hidden), n_in], activation, **settings)

    def set_noise(self, noise: str, level: float) -> None:
        if noise not in NOISES:
            raise BadValue("unknown noise", expected=" or ".join(NOISES), got=repr(noise), fix='noise="gaussian"')
        NOISES[noise](np.zeros(1, np.float32), level)               # refuses a level out of range now, not in training
        self.noise, self.level = noise, level

    def corrupt(self, x: Array, rng: Any) -> Array:
        """x with fresh noise; x itself without an rng."""
        return NOISES[self.noise](x, self.level, rng)

    def encode(self, x: Array) -> Tensor:
        return self.encoder(x)                                              # (n, latent)

    def decode(self, z: Any) -> Tensor:
        return self.decoder(z)                                              # (n, n_in), pixels without bounds

    def losses(self, batch: Array, rng: Any = None) -> dict[str, Tensor]:
        """Squared error per image, summed over pixels, against the image as it was before the noise.

        A model that copies its input scores the noise: n_in * level^2 for "gaussian".
        """
        y = self.decode(self.encode(self.corrupt(batch, rng)))
        return {"reconstruction": mean(squared_error(y, batch))}

    def reconstruct(self, x: Array) -> Array:
        """(n, n_in), clipped to [0, 1]. x is taken as it comes: corrupt(x, rng) adds noise."""
        return np.clip(data_of(self.decode(self.encode(x))), 0, 1)

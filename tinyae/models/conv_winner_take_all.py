"""models · conv_winner_take_all: each map of the code keeps one number per image, the largest.

Makhzani & Frey 2015, Winner-take-all autoencoders, section 3.
"""
from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from ..backend import Array, Rng, Value
from ..functions import squared_error
from ..layers import Conv2D, ConvTranspose2D, Flatten, Reshape, Sequential
from ..ops import mean
from ..tensor import Tensor, data_of
from .conv_autoencoder import STRIDE, image_shape, remainder
from .winner_take_all import checked_share, winners

STROKE, DEEPER = 11, 5      # kernel sizes: first convolution and decoder; further convolutions


class ConvWinnerTakeAll:
    """x (n, h * w * c) -> code (n, u, v, latent), one number in each map, the rest 0 -> pixels (n, h * w * c).

    An 11x11 convolution with stride 2 gives rectified maps (`channels` puts 5x5 convolutions behind it). The decoder
    adds one picture of 11x11 pixels for each map, at the place of the map's largest number. In training, in addition,
    each map keeps only the fraction `share` of a batch's images that activate it most, so an image uses latent * share
    maps on average. By default 28x28x1, 14x14x64 and back.
    shape: (h, w), (h, w, c), or h * w * c for a square image with 1 or 3 channels. Keywords go to every layer: rng
    (required), init, device, dtype.
    """

    def __init__(self, shape: int | Sequence[int] = 784, channels: Sequence[int] = (), latent: int = 64,
                 share: float = 0.1, **settings: Any):
        h, w, c = image_shape(shape)
        maps = [*channels, latent]
        first = Conv2D(c, maps[0], STROKE, stride=STRIDE, activation="relu", **settings)
        deeper = [Conv2D(n, k, DEEPER, activation="relu", **settings) for n, k in pairwise(maps)]
        self.encoder = Sequential(Reshape((h, w, c)), first, *deeper)
        self.decoder = Sequential(ConvTranspose2D(latent, c, STROKE, stride=STRIDE, **settings,
                                                  output_padding=remainder(first.size(h, w), (h, w))), Flatten())
        self.share = checked_share(share)

    def maps(self, x: Array) -> Tensor:
        """The activation of every map at every place: (n, u, v, latent)."""
        return self.encoder(x)

    def encode(self, x: Array) -> Tensor:
        """The maps with all but the largest number of each set to 0 (spatial sparsity): (n, u, v, latent)."""
        maps = self.maps(x)
        return maps * strongest(maps.data).astype(maps.dtype)

    def sparse_code(self, x: Array) -> Tensor:
        """The code with each map set to 0 but for its winners in the batch (lifetime sparsity): (n, u, v, latent)."""
        code = self.encode(x)
        won = winners(code.data.max(axis=(1, 2)), self.share)               # (n, latent)
        return code * won[:, None, None].astype(code.dtype)

    def decode(self, z: Value) -> Tensor:
        """z (n, u, v, latent) -> (n, h * w * c), unbounded pixels."""
        return self.decoder(z)

    def losses(self, batch: Array, rng: Rng = None) -> dict[str, Tensor]:
        """batch (n, n_in) -> squared error per image, summed over pixels, reconstructed from the winners alone."""
        return {"reconstruction": mean(squared_error(self.decode(self.sparse_code(batch)), batch))}

    def reconstruct(self, x: Array) -> Array:
        """(n, h * w * c), clipped to [0, 1], from every map's largest number."""
        return np.clip(data_of(self.decode(self.encode(x))), 0, 1)


def strongest(maps: Array) -> Array:
    """maps (n, u, v, k) -> bool (n, u, v, k), True at the largest number of each map, the first of equals."""
    n, u, v, k = maps.shape
    place = maps.reshape(n, u * v, k).argmax(axis=1)                        # (n, k)
    return (np.arange(u * v, like=maps)[:, None] == place[:, None]).reshape(n, u, v, k)

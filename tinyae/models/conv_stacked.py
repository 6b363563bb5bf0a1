"""models · conv_stacked: convolutions trained one after the other, each to reconstruct the maps of the one below.

Masci, Meier, Ciresan & Schmidhuber 2011, Stacked convolutional auto-encoders; here strides replace their max-pooling.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from math import prod
from typing import Any

import numpy as np

from ..layers import Conv2D, Flatten, Reshape, Sequential, TiedConv2D
from .conv_autoencoder import KERNEL, STRIDE, image_shape, shapes_of
from .stacked import Pair, Stacked, checked_l2, dense_pair


def conv_pair(above: tuple[int, ...], below: tuple[int, ...], activation: str | Callable, output: str | Callable,
              l2: float, **settings: Any) -> Pair:
    """maps = f(conv2d(h, W) + b), h' = g(conv_transpose2d(maps, W) + c), with h (n, d) and maps (n, k) as rows.

    above, below: (height, width, channels) of a row of h, and of a row of maps.
    """
    conv = Conv2D(above[2], below[2], KERNEL, stride=STRIDE, activation=activation, init=brightness_preserving,
                  **settings)
    reverse = TiedConv2D(conv, above[:2], activation=output)
    return Pair(Sequential(Reshape(above), conv, Flatten()), Sequential(Reshape(below), reverse, Flatten()), conv.W, l2)


def brightness_preserving(n: int, k: int, rng: np.random.Generator) -> np.ndarray:
    """W (n, k) with which conv2d followed by its transpose preserves an image's brightness on average.

    Each pixel meets kernel^2 / stride^2 weights of each of the k maps, in both directions. (With He's variance 2 / n, a
    first layer of 9 pixels and 16 maps makes images 8 times as bright, and training has to undo that first.)
    """
    return rng.standard_normal((n, k)) * STRIDE / (KERNEL * k ** 0.5)


class ConvStacked(Stacked):
    """x (n, h * w * c) -> code (n, latent) -> pixels (n, h * w * c), by pairs with tied weights.

    There is a pair with a 3x3 convolution of stride 2 for each entry of `channels`, and a Dense pair for the code. By
    default 28x28x1, 14x14x16, 7x7x32, 32 and back.
    shape: (h, w), (h, w, c), or h * w * c for a square image with 1 or 3 channels. l2: as for Stacked.
    Keywords go to every layer: rng (required), device, dtype.
    """

    def __init__(self, shape: int | Sequence[int] = 784, channels: Sequence[int] = (16, 32), latent: int = 32,
                 activation: str | Callable = "leaky_relu", l2: float = 0.0, **settings: Any):
        shapes, l2 = shapes_of(image_shape(shape), channels), checked_l2(l2)
        outputs = ["linear"] + [activation] * len(channels)     # the lowest pair reconstructs pixels, the others codes
        self.pairs = [conv_pair(above, below, activation, output, l2, **settings)
                      for (above, below), output in zip(pairwise(shapes), outputs, strict=False)]
        self.pairs.append(dense_pair(prod(shapes[-1]), latent, activation, outputs[-1], l2, **settings))

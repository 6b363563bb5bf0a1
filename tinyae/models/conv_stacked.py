"""9 of 9 · models · conv_stacked: convolutions, each trained to describe what the one below says.

Masci, Meier, Ciresan & Schmidhuber 2011, Stacked convolutional auto-encoders; strides stand for their max-pooling.
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
    """maps = f(conv2d(h, W) + b), h' = g(conv_transpose2d(maps, W) + c), of rows h (n, d) and with rows of maps (n, k).

    above, below: (height, width, channels) of what a row of either holds.
    """
    conv = Conv2D(above[2], below[2], KERNEL, stride=STRIDE, activation=activation, init=there_and_back, **settings)
    back = TiedConv2D(conv, above[:2], activation=output)
    return Pair(Sequential(Reshape(above), conv, Flatten()), Sequential(Reshape(below), back, Flatten()), conv.W, l2)


def there_and_back(n: int, k: int, rng: np.random.Generator) -> np.ndarray:
    """W (n, k) for which conv2d and its transpose give an image back as bright as it was, on average.

    A pixel is met by kernel^2 / stride^2 taps of each of k maps, forth and back. (With He's variance of 2 / n, a first
    layer of 9 pixels and 16 maps gives it back 8 times as bright, and its training is spent on that.)
    """
    return rng.standard_normal((n, k)) * STRIDE / (KERNEL * k ** 0.5)


class ConvStacked(Stacked):
    """x (n, h * w * c) -> code (n, latent) -> pixels (n, h * w * c), by pairs with tied weights.

    A pair for each convolution, 3x3 with stride 2, to each of `channels`, and a Dense pair for the code. By default
    28x28x1, 14x14x16, 7x7x32, 32 and back.
    shape: (h, w), (h, w, c), or the h * w * c of a square image, grey or of three colours. l2: as for Stacked.
    Keywords go to every layer: rng (required), device, dtype.
    """

    def __init__(self, shape: int | Sequence[int] = 784, channels: Sequence[int] = (16, 32), latent: int = 32,
                 activation: str | Callable = "leaky_relu", l2: float = 0.0, **settings: Any):
        shapes, l2 = shapes_of(image_shape(shape), channels), checked_l2(l2)
        outputs = ["linear"] + [activation] * len(channels)     # the lowest gives pixels, the others codes
        self.pairs = [conv_pair(above, below, activation, output, l2, **settings)
                      for (above, below), output in zip(pairwise(shapes), outputs, strict=False)]
        self.pairs.append(dense_pair(prod(shapes[-1]), latent, activation, outputs[-1], l2, **settings))

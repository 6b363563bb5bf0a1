"""models · conv_autoencoder: the same weights at every place of the image.

Masci, Meier, Ciresan & Schmidhuber 2011; strides in place of pooling: Springenberg et al. 2015.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from math import isqrt, prod
from typing import Any

import numpy as np

from ..errors import BadValue
from ..layers import Conv2D, ConvTranspose2D, Dense, Flatten, Reshape, Sequential
from .autoencoder import Autoencoder

KERNEL, STRIDE = 3, 2


class ConvAutoencoder(Autoencoder):
    """x (n, h * w * c) in [0, 1] -> code (n, latent) -> logits (n, h * w * c).

    The encoder has one 3x3 convolution with stride 2 for each entry of `channels`, then a Dense layer to the code. The
    decoder mirrors it with transposed convolutions. By default 28x28x1, 14x14x16, 7x7x32, 32 and back.
    shape: (h, w), (h, w, c), or h * w * c for a square image with 1 or 3 channels. output_padding: of every transposed
    convolution; None chooses, for each, the value that restores the size its convolution saw.
    Keywords go to every layer: rng (required), init, device, dtype.
    """

    def __init__(self, shape: int | Sequence[int] = 784, channels: Sequence[int] = (16, 32), latent: int = 32,
                 activation: str | Callable = "leaky_relu", output_padding: int | None = None, **settings: Any):
        shapes = shapes_of(image_shape(shape), channels)
        features = prod(shapes[-1])
        self.encoder = Sequential(Reshape(shapes[0]), *convolutions(shapes, activation, **settings),    # rows to images
                                  Flatten(), Dense(features, latent, **settings))
        self.decoder = Sequential(Dense(latent, features, activation=activation, **settings), Reshape(shapes[-1]),
                                  *transposed(shapes, activation, output_padding, **settings), Flatten())


def image_shape(shape: int | Sequence[int]) -> tuple[int, ...]:
    """(h, w, c) from (h, w), (h, w, c), or h * w * c with h = w and c = 1 or 3."""
    fix = "shape=images.shape[1:] of the data set"
    if isinstance(shape, int | np.integer):
        for c in (1, 3):
            if shape > 1 and (side := isqrt(shape // c)) ** 2 * c == shape:
                return side, side, c
    elif isinstance(shape, Sequence) and len(shape) in (2, 3) and all(
            isinstance(n, int | np.integer) and n > 0 for n in shape):
        h, w, c = (*map(int, shape), 1)[:3]
        if h not in (1, 3) or c in (1, 3):
            return h, w, c
        fix = f"channels last: np.moveaxis(images, 1, -1), and shape=({w}, {c}, {h})"
    raise BadValue("shape must be that of an image", expected="(h, w), (h, w, c), or the number of values of a square "
                   "image with 1 or 3 channels", got=shape, fix=fix)


def shapes_of(image: tuple[int, ...], channels: Sequence[int]) -> list[tuple[int, ...]]:
    """(h, w, c) of the image and of the output of each convolution."""
    if isinstance(channels, int) or not channels:
        raise BadValue("channels must list at least one convolution", expected="a tuple of integers >= 1", got=channels,
                       fix="channels=(16, 32)")
    shapes = [tuple(image)]
    for c in channels:
        h, w, _ = shapes[-1]
        shapes.append((-(-h // STRIDE), -(-w // STRIDE), c))        # half, rounded up
    return shapes


def convolutions(shapes: Sequence[tuple[int, ...]], activation: str | Callable, **settings: Any) -> list[Conv2D]:
    """One convolution from each shape to the next."""
    return [Conv2D(above[2], below[2], KERNEL, stride=STRIDE, activation=activation, **settings)
            for above, below in pairwise(shapes)]


def transposed(shapes: Sequence[tuple[int, ...]], activation: str | Callable, output_padding: int | None = None,
               **settings: Any) -> list[ConvTranspose2D]:
    """The mirror image of `convolutions`, with a linear last layer. BadValue: output_padding gives other sizes."""
    layers = []
    for below, above in pairwise(reversed(shapes)):
        last = above is shapes[0]
        rest = remainder(below, above)
        layer = ConvTranspose2D(below[2], above[2], KERNEL, stride=STRIDE, activation="linear" if last else activation,
                                output_padding=rest if output_padding is None else output_padding, **settings)
        if (size := layer.size(*below[:2])) != above[:2]:
            raise BadValue("the decoder must restore the encoder's sizes", got=f"{size} from {below[:2]}",
                           expected=f"{above[:2]}, from which the encoder makes {below[:2]}",
                           fix=f"output_padding={rest} here; output_padding=None finds it for every layer")
        layers.append(layer)
    return layers


def remainder(below: tuple[int, ...], above: tuple[int, ...]) -> tuple[int, int]:
    """The output_padding that lets a transposed convolution (odd kernel) restore the size of `above` from `below`."""
    h, w = (m - ((n - 1) * STRIDE + 1) for m, n in zip(above[:2], below[:2], strict=True))
    return h, w

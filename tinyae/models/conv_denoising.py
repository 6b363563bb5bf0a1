"""models · conv_denoising: a pixel's neighbours show whether it is noise or part of a stroke.

Denoising by convolutions: Jain & Seung 2008. There is no Dense layer: the code is a stack of small maps, each of its
numbers sees one part of the image, and the same few weights clean every part.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..layers import Flatten, Reshape, Sequential
from .conv_autoencoder import convolutions, image_shape, shapes_of, transposed
from .denoising import Denoising


class ConvDenoising(Denoising):
    """x (n, h * w * c) with noise -> code (n, u, v, latent) -> pixels (n, h * w * c) without noise.

    The encoder has one 3x3 convolution with stride 2 for each entry of `channels` and one to `latent` maps; the decoder
    mirrors it. By default 28x28x1, 14x14x32, 7x7x32 and back.
    shape: (h, w), (h, w, c), or h * w * c for a square image with 1 or 3 channels. noise, level: as for Denoising.
    Keywords go to every layer: rng (required), init, device, dtype.
    """

    def __init__(self, shape: int | Sequence[int] = 784, channels: Sequence[int] = (32,), latent: int = 32,
                 activation: str | Callable = "leaky_relu", noise: str = "gaussian", level: float = 0.5,
                 **settings: Any):
        self.set_noise(noise, level)
        shapes = shapes_of(image_shape(shape), [*channels, latent])
        self.encoder = Sequential(Reshape(shapes[0]), *convolutions(shapes, activation, **settings))
        self.decoder = Sequential(*transposed(shapes, activation, **settings), Flatten())

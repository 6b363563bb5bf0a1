"""models · conv_vae: a VAE whose encoder is made of convolutions and whose decoder of transposed convolutions.

Everything else is inherited from VAE: the posterior, the sampling, the loss in nats per image.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

from ..layers import Flatten, Reshape, Sequential, dense_stack
from .conv_autoencoder import convolutions, image_shape, shapes_of, transposed
from .vae import VAE


class ConvVAE(VAE):
    """q(z|x) = N(mu(x), e^log_var(x)), p(z) = N(0, 1), p(x|z) = Bernoulli(sigmoid(decode(z))).

    The encoder has one 3x3 convolution with stride 2 for each entry of `channels`, Dense layers of `hidden` units, and
    two linear heads, mu and log_var; the decoder mirrors it. By default 28x28x1, 14x14x32, 7x7x64 and 2 latents; for
    sprites ((128, 128, 3), (32, 64, 64, 64, 64, 64), 1000).
    shape: (h, w), (h, w, c), or h * w * c for a square image with 1 or 3 channels. likelihood, scale: as for VAE.
    Keywords go to every layer: rng (required), init, device, dtype.
    """

    def __init__(self, shape: int | Sequence[int] = 784, channels: Sequence[int] = (32, 64), latent: int = 2,
                 activation: str | Callable = "leaky_relu", beta: float = 1.0, likelihood: str = "bernoulli",
                 scale: str = "log_var", hidden: Sequence[int] = (), **settings: Any):
        shapes = shapes_of(image_shape(shape), channels)
        widths = [prod(shapes[-1]), *hidden]
        self.body = Sequential(Reshape(shapes[0]), *convolutions(shapes, activation, **settings), Flatten(),
                               *dense_stack(widths, activation, last=activation, **settings))
        self._make_heads(widths[-1], latent, beta, likelihood, scale, **settings)
        self.decoder = Sequential(*dense_stack([latent, *reversed(widths)], activation, last=activation, **settings),
                                  Reshape(shapes[-1]), *transposed(shapes, activation, **settings), Flatten())

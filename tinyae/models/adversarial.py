"""models · adversarial: a discriminator makes the codes look like draws from the prior, so that draws decode well.

Makhzani, Shlens, Jaitly, Goodfellow & Frey 2015, Adversarial autoencoders; the discriminator: Goodfellow et al. 2014.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..backend import Array, Rng, Value, normal
from ..errors import BadType
from ..functions import bce_with_logits
from ..layers import dense_stack, params
from ..ops import mean, sigmoid, softplus
from ..tensor import Tensor, data_of


class Adversarial:
    """x (n, n_in) in [0, 1] -> code (n, latent) -> logits (n, n_in); discriminator: code -> logit of "from N(0, 1)".

    Three players, each with its own loss and parameters, take turns on every batch (see `players`): encoder and decoder
    learn to reconstruct, the discriminator to tell codes from draws of the prior, and the encoder to deceive it. The
    discriminator sees codes, never images; its hidden layers are as wide as the encoder's. Keywords go to every Dense:
    rng (required), init, device, dtype.
    """

    def __init__(self, n_in: int = 784, hidden: Sequence[int] = (400,), latent: int = 8,
                 activation: str | Callable = "relu", **settings: Any):
        self.encoder = dense_stack([n_in, *hidden, latent], activation, **settings)
        self.decoder = dense_stack([latent, *reversed(hidden), n_in], activation, **settings)
        self.discriminator = dense_stack([latent, *hidden, 1], activation, **settings)
        self.latent = latent

    def encode(self, x: Array) -> Tensor:
        """x (n, n_in) -> (n, latent), unbounded like the prior."""
        return self.encoder(x)

    def decode(self, z: Value) -> Tensor:
        """z (n, latent) -> (n, n_in), logits."""
        return self.decoder(z)

    def reconstruction_loss(self, batch: Array, rng: Rng = None) -> dict[str, Tensor]:
        """batch (n, n_in) -> nats per image."""
        return {"reconstruction": mean(bce_with_logits(self.decode(self.encode(batch)), batch))}

    def discriminator_loss(self, batch: Array, rng: Rng) -> dict[str, Tensor]:
        """-log D(prior) - log(1 - D(code)), D = sigmoid(discriminator), of a batch (n, n_in): one number, in nats.

        It is 2 log 2 if D cannot tell the two apart.
        """
        if rng is None:
            raise BadType("rng is required: the prior is sampled", expected="rng, a random generator", got=None,
                          fix="np.random.default_rng(0)")
        z = self.encode(batch).data                                     # .data: this loss must not train the encoder
        prior = normal(rng, like=z)
        return {"discrimination": mean(softplus(-self.discriminator(prior)) + softplus(self.discriminator(z)))}

    def deception_loss(self, batch: Array, rng: Rng = None) -> dict[str, Tensor]:
        """-log D(code) of a batch (n, n_in): one number, in nats.

        This is the non-saturating form: its gradient is largest where the discriminator is certain.
        """
        return {"deception": mean(softplus(-self.discriminator(self.encode(batch))))}

    def players(self) -> dict[str, tuple[Callable, dict[str, Tensor]]]:
        """(losses, params) of each player, in the order of their turns."""
        encoder, decoder, discriminator = (params({name: getattr(self, name)})
                                           for name in ("encoder", "decoder", "discriminator"))
        return {"autoencoder": (self.reconstruction_loss, encoder | decoder),
                "discriminator": (self.discriminator_loss, discriminator),
                "encoder": (self.deception_loss, encoder)}

    def losses(self, batch: Array, rng: Rng) -> dict[str, Tensor]:
        """The losses of all three players on a batch (n, n_in), one number each, to show together.

        Train with `players`: no player minimises this sum.
        """
        return (self.reconstruction_loss(batch) | self.discriminator_loss(batch, rng) | self.deception_loss(batch))

    def reconstruct(self, x: Array) -> Array:
        """(n, n_in) in [0, 1]."""
        return data_of(sigmoid(self.decode(self.encode(x))))

    def sample(self, rng: Rng, n: int) -> Array:
        """n new images (n, n_in), pixel probabilities in [0, 1], decoded from draws of the prior."""
        weight = self.decoder[0].W.data
        return data_of(sigmoid(self.decode(normal(rng, like=np.zeros((n, self.latent), weight.dtype, like=weight)))))

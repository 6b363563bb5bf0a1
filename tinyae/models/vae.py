"""9 of 9 · models · vae: a code that is a distribution, so that new images can be drawn from it.

Kingma & Welling 2014, Auto-Encoding Variational Bayes; Rezende, Mohamed & Wierstra 2014.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..backend import Array, normal
from ..errors import BadType, BadValue
from ..functions import bce_with_logits, gaussian_kl
from ..layers import Dense, dense_stack
from ..ops import exp, mean, sigmoid
from ..tensor import Tensor, raw


class VAE:
    """q(z|x) = N(mu(x), e^log_var(x)), p(z) = N(0, 1), p(x|z) = Bernoulli(sigmoid(decode(z))); 784-400-20 by default.

    Keywords go to every Dense: rng (required), init, device, dtype.
    """

    def __init__(self, n_in: int = 784, hidden: Sequence[int] = (400,), latent: int = 20,
                 activation: str | Callable = "relu", beta: float = 1.0, **settings: Any):
        if not hidden:
            raise BadValue("no hidden layer", expected="hidden, at least one width", got=hidden, fix="hidden=(400,)")
        if not 0 <= beta < float("inf"):
            raise BadValue("beta out of range", expected="beta >= 0; 1 gives the ELBO", got=beta, fix="beta=1.0")
        self.body = dense_stack([n_in, *hidden], activation, last=activation, **settings)
        self.mu = Dense(hidden[-1], latent, **settings)
        self.log_var = Dense(hidden[-1], latent, **settings)
        self.decoder = dense_stack([latent, *reversed(hidden), n_in], activation, **settings)
        self.latent, self.beta = latent, beta

    def posterior(self, x: Array) -> tuple[Tensor, Tensor]:
        """mu and log sigma^2 of q(z|x), each (n, latent). A log has no sign to forbid: both are linear in h."""
        h = self.body(x)
        return self.mu(h), self.log_var(h)

    def encode(self, x: Array) -> Tensor:
        return self.posterior(x)[0]

    def decode(self, z: Any) -> Tensor:
        return self.decoder(z)                                              # (n, n_in), logits

    def losses(self, batch: Array, rng: Any) -> dict[str, Tensor]:
        """The two terms of -ELBO in nats per image: sums over pixels and latents, means over the batch.

        Both are sums, so the weight of the KL depends neither on the number of pixels nor on that of latents; beta
        (Higgins et al. 2017) is the only weight, and it is in the "kl" term.
        """
        mu, log_var = self.posterior(batch)
        if rng is None:
            raise BadType("a VAE samples its code", expected="rng, a random generator", got=None,
                          fix="model.losses(batch, np.random.default_rng(0))")
        z = mu + exp(0.5 * log_var) * normal(rng, like=mu)                  # sigma = e^(log_var / 2)
        return {"reconstruction": mean(bce_with_logits(self.decode(z), batch)),
                "kl": self.beta * mean(gaussian_kl(mu, log_var))}

    def reconstruct(self, x: Array) -> Array:
        """(n, n_in) in [0, 1], from the posterior's mean."""
        return raw(sigmoid(self.decode(self.encode(x))))

    def sample(self, rng: Any, n: int) -> Array:
        """n new images (n, n_in), pixel probabilities in [0, 1], from z drawn out of the prior."""
        weight = self.decoder[0].W.data
        z = normal(rng, like=np.zeros((n, self.latent), weight.dtype, like=weight))
        return raw(sigmoid(self.decode(z)))

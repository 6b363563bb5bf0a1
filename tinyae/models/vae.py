"""models · vae: a code that is a distribution, so that new images can be drawn from it.

Kingma & Welling 2014, Auto-Encoding Variational Bayes; Rezende, Mohamed & Wierstra 2014.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from math import log as number_log
from typing import Any

import numpy as np

from ..backend import Array, Rng, Value, normal
from ..errors import BadType, BadValue
from ..functions import bce_with_logits, gaussian_kl, gaussian_nll
from ..layers import ACTIVATIONS, Dense, dense_stack
from ..ops import exp, log, mean, sigmoid, softplus
from ..tensor import Tensor, data_of


def log_var_of_sigma(s: Value) -> Value:
    """log sigma^2, sigma = softplus(s) + 1e-6: finite even where float32 rounds softplus(s) to 0."""
    return 2 * log(softplus(s) + 1e-6)


# log_var from the output s of the encoder's second head. "log_var": s may have either sign, so it needs no activation.
SCALES: dict[str, Callable] = {"log_var": ACTIVATIONS["linear"], "sigma": log_var_of_sigma}
LIKELIHOODS = ("bernoulli", "gaussian")


class VAE:
    """q(z|x) = N(mu(x), e^log_var(x)), p(z) = N(0, 1), p(x|z) = Bernoulli(sigmoid(decode(z))); 784-400-20 by default.

    likelihood="gaussian": p(x|z) = N(sigmoid(decode(z)), e^pixel_log_var), with one learned variance for all pixels.
    (A fixed variance would act like a beta; a learned one converges to the mean squared error: Rybkin et al. 2021.)
    scale: the output of the encoder's second head, "log_var" or "sigma". beta: the weight of the KL term; 1 is the
    ELBO. Keywords go to every Dense: rng (required), init, device, dtype.
    """

    pixel_log_var: Tensor | None = None     # Bernoulli pixels have none

    def __init__(self, n_in: int = 784, hidden: Sequence[int] = (400,), latent: int = 20,
                 activation: str | Callable = "relu", beta: float = 1.0, likelihood: str = "bernoulli",
                 scale: str = "log_var", **settings: Any):
        if not hidden:
            raise BadValue("hidden must list at least one layer", expected="a tuple of widths", got=hidden,
                           fix="hidden=(400,)")
        self.body = dense_stack([n_in, *hidden], activation, last=activation, **settings)
        self._make_heads(hidden[-1], latent, beta, likelihood, scale, **settings)
        self.decoder = dense_stack([latent, *reversed(hidden), n_in], activation, **settings)

    def _make_heads(self, features: int, latent: int, beta: float, likelihood: str, scale: str,
                    **settings: Any) -> None:
        """The two heads and the settings of the loss, shared by dense and convolutional VAEs."""
        if likelihood not in LIKELIHOODS or scale not in SCALES:
            raise BadValue("unknown likelihood or scale", expected=f"{LIKELIHOODS} and {tuple(SCALES)}",
                           got=f"{likelihood!r} and {scale!r}", fix='likelihood="bernoulli", scale="log_var"')
        self.mu = Dense(features, latent, **settings)
        self.log_var = Dense(features, latent, activation=SCALES[scale], **settings)
        if likelihood == "gaussian":
            self.pixel_log_var = Tensor(np.full_like(self.mu.b.data[:1], number_log(0.2 ** 2)))        # (1,)
        self.latent, self.beta = latent, checked_beta(beta)

    def posterior(self, x: Array) -> tuple[Tensor, Tensor]:
        """mu and log sigma^2 of q(z|x), each (n, latent)."""
        h = self.body(x)
        return self.mu(h), self.log_var(h)

    def encode(self, x: Array) -> Tensor:
        """x (n, n_in) -> mu (n, latent), the mean of q(z|x)."""
        return self.posterior(x)[0]

    def decode(self, z: Value) -> Tensor:
        """z (n, latent) -> (n, n_in), logits."""
        return self.decoder(z)

    def reconstruction_loss(self, z: Value, x: Array) -> Tensor:
        """-log p(x|z) in nats: (n, latent), (n, n_in) -> (n,)."""
        logits = self.decode(z)
        if self.pixel_log_var is None:
            return bce_with_logits(logits, x)
        return gaussian_nll(sigmoid(logits), x, self.pixel_log_var)

    def losses(self, batch: Array, rng: Rng, beta: float | None = None) -> dict[str, Tensor]:
        """batch (n, n_in) -> the two terms of -ELBO in nats per image, means over the batch.

        Both are sums, over pixels and over latents, so the weight of the KL depends on neither number. The only weight
        is beta (Higgins et al. 2017), included in the "kl" term. A beta given here replaces the model's, as in a KL
        warm-up: phases in a row with partial(model.losses, beta=0.1) and so on (Bowman et al. 2016).
        """
        mu, log_var = self.posterior(batch)
        if rng is None:
            raise BadType("rng is required: a VAE samples its code", expected="rng, a random generator", got=None,
                          fix="model.losses(batch, np.random.default_rng(0))")
        z = mu + exp(0.5 * log_var) * normal(rng, like=mu)                  # sigma = e^(log_var / 2)
        weight = self.beta if beta is None else checked_beta(beta)
        return {"reconstruction": mean(self.reconstruction_loss(z, batch)),
                "kl": weight * mean(gaussian_kl(mu, log_var))}

    def reconstruct(self, x: Array) -> Array:
        """(n, n_in) in [0, 1], decoded from the posterior's mean."""
        return data_of(sigmoid(self.decode(self.encode(x))))

    def sample(self, rng: Rng, n: int) -> Array:
        """n new images (n, n_in), pixel probabilities in [0, 1], decoded from draws of the prior."""
        z = normal(rng, like=np.zeros_like(self.decoder[0].W.data, shape=(n, self.latent)))
        return data_of(sigmoid(self.decode(z)))


def checked_beta(beta: float) -> float:
    if not 0 <= beta < float("inf"):
        raise BadValue("beta out of range", expected="beta >= 0; 1 gives the ELBO", got=beta, fix="beta=1.0")
    return beta

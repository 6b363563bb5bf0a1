"""models · vae_evaluation: how well a trained VAE describes images, and what its latents carry.

Each function takes a VAE, dense or convolutional; x holds images as that VAE takes them.
"""
from __future__ import annotations

from math import log as number_log

import numpy as np

from ..backend import Array, Rng, normal
from ..functions import gaussian_kl, logsumexp
from ..tensor import data_of
from .vae import VAE

ACTIVE = 0.01       # an active latent's mean varies by more over images; the prior's variance is 1 (Burda et al. 2016)


def nll(vae: VAE, x: Array, rng: Rng, k: int = 5000) -> Array:
    """-log p(x) in nats per image, estimated with k samples: (n, n_in) -> (n,).

    -log 1/k sum_i p(x, z_i) / q(z_i|x), z_i ~ q(z|x) (Burda et al. 2016, eq. 8). Its expectation is -ELBO for k = 1
    and decreases towards -log p(x) as k grows: an upper bound that becomes tighter with k.
    """
    return number_log(k) - logsumexp(log_weights(vae, x, rng, k), axis=0)


def log_weights(vae: VAE, x: Array, rng: Rng, k: int) -> Array:
    """log p(x, z_i) / q(z_i|x) of k samples z_i ~ q(z|x) for each image: (k, n)."""
    mu, log_var = map(data_of, vae.posterior(x))
    weights = []
    for _ in range(k):
        e = normal(rng, like=mu)
        z = mu + np.exp(0.5 * log_var) * e
        log_ratio = 0.5 * (e * e + log_var - z * z).sum(axis=1)         # log p(z) - log q(z|x); log 2 pi cancels
        weights.append(log_ratio - data_of(vae.reconstruction_loss(z, x)))
    return np.stack(weights)


def kl_per_latent(vae: VAE, x: Array) -> Array:
    """The KL of each latent in nats, averaged over the images x: (latent,)."""
    mu, log_var = map(data_of, vae.posterior(x))
    return gaussian_kl(mu.T, log_var.T) / len(mu)                       # the sum runs over images, not latents


def active_units(vae: VAE, x: Array) -> int:
    """The number of latents that distinguish the images x: the variance of their mean over x exceeds 0.01."""
    return int((data_of(vae.encode(x)).var(axis=0) > ACTIVE).sum())


def sample_like(mu: np.ndarray, log_var: np.ndarray, rng: np.random.Generator, n: int) -> np.ndarray:
    """n codes (n, k) from the Gaussian with the mean and the covariance of q(z) = 1/N sum_i N(mu_i, e^log_var_i).

    mu, log_var (N, k): the posteriors of N images. The decoder has learned from codes of q(z), but `sample` draws from
    the prior, and the two differ. Averaged over images, the KL of the loss is the mutual information of code and image
    plus KL(q(z) || prior) (Hoffman & Johnson 2016, ELBO surgery), and training leaves some of the second: latents may
    be correlated, for example. Fitting a density to the codes afterwards follows Ghosh et al. 2020, From Variational to
    Deterministic Autoencoders. A Gaussian corrects mean, scale and correlation, nothing else.
    """
    apart = (mu - mu.mean(axis=0)) / len(mu) ** 0.5         # apart^T apart is the covariance of the means
    sigma = np.exp(log_var).mean(axis=0) ** 0.5
    return mu.mean(axis=0) + rng.standard_normal((n, len(mu))) @ apart + rng.standard_normal((n, mu.shape[1])) * sigma

"""Answers to the exercises of chapter 10: the right ones, and wrong ones with the sentence that each must get."""
from __future__ import annotations

from typing import Any

import numpy as np
from museum.exhibits import test_general_kl

from tinyae import ops


def kl(mu: Any, log_var: Any, mu2: Any, log_var2: Any) -> Any:
    d = log_var - log_var2
    return 0.5 * ops.sum(ops.exp(d) - 1 - d + ops.square(mu - mu2) * ops.exp(-log_var2), axis=1)


def code(mu: Any, s: Any, noise: Any) -> Any:
    sigma = ops.softplus(s)
    return mu + sigma * noise, 0.5 * ops.sum(ops.square(sigma) - 1 - 2 * ops.log(sigma) + ops.square(mu), axis=1)


def with_kl_of(variance: Any) -> Any:
    def wrong(mu: Any, s: Any, noise: Any) -> Any:
        v = variance(ops.softplus(s))
        return code(mu, s, noise)[0], 0.5 * ops.sum(v - 1 - ops.log(v) + ops.square(mu), axis=1)
    return wrong


def with_noise_of(scale: Any) -> Any:
    return lambda mu, s, noise: (mu + scale(ops.softplus(s)) * noise, code(mu, s, noise)[1])


RIGHT = {"10.1": kl, "10.2": code, "10.3": lambda d, k: k / d}
WRONG = {
    "10.1": [(lambda *args: kl(*args) / 5, "add up: sum over axis 1"),                      # averaged_kl
             (test_general_kl.wrong, "a formula for standard deviations"),
             (lambda m, lv, m2, lv2: kl(m2, lv2, m, lv), "q and p are swapped"),
             (lambda *args: 2 * kl(*args), "the half is missing")],
    "10.2": [(with_noise_of(lambda sigma: sigma ** 2), "multiply it by sigma, not by sigma^2"),     # std_is_variance
             (with_noise_of(lambda sigma: 0.1 * sigma), "scaled by a tenth"),               # tenth_of_the_noise
             (with_noise_of(np.sqrt), "no square root"),
             (with_kl_of(lambda sigma: sigma), "was taken for the variance"),
             (lambda mu, s, noise: (code(mu, s, noise)[0], code(mu, s, noise)[1] / 2),               # averaged_kl
              "do not average")],
    "10.3": [(lambda d, k: 1, "two means are not two sums"),
             (lambda d, k: 1 / d, "the KL is a mean over k"),                               # averaged_kl
             (lambda d, k: k, "the reconstruction is a mean over d"),                       # averaged_pixels
             (lambda d, k: d / k, "the other way round")],
}

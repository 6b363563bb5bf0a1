"""tour · ch10: exercises of the chapter on the variational autoencoder."""
from __future__ import annotations

from typing import Any

import numpy as np

from ..check.gradcheck import gradcheck
from ..errors import BadValue
from ..tensor import data_of
from .exercise import Exercise, compare


def check_kl(answer: Any) -> float:
    """answer(mu, log_var, mu2, log_var2), each (n, k) -> (n,): KL(N(mu, e^log_var) || N(mu2, e^log_var2))."""
    rng = np.random.default_rng(0)
    m, lv, m2, lv2 = rng.standard_normal((4, 3, 5))
    terms = np.exp(lv - lv2) - 1 - (lv - lv2) + (m - m2) ** 2 / np.exp(lv2)     # twice the divergence of each number
    back = np.exp(lv2 - lv) - 1 - (lv2 - lv) + (m - m2) ** 2 / np.exp(lv)
    published = 0.5 * (-1 - (lv2 - lv) + (np.exp(lv / 2) + (m - m2) ** 2) / (2 * np.exp(lv2)))
    right = 0.5 * terms.sum(axis=1)
    worst = compare("kl(mu, log_var, mu2, log_var2)", answer(m, lv, m2, lv2), right,
                    "where mu2 = log_var2 = 0, the chapter's formula must come out: which terms change elsewhere?", {
                        "the divergences of independent numbers add up: sum over axis 1, do not average":
                            right / 5,
                        "the half is missing": 2 * right,
                        "q and p are swapped: the mean of log q - log p is taken over q, the first one":
                            0.5 * back.sum(axis=1),
                        "a formula for standard deviations, used with variances: e^(log_var / 2) is no variance":
                            published.sum(axis=1),
                        "this is the divergence from N(0, 1): mu2 and log_var2 are not used":
                            0.5 * (np.exp(lv) - 1 - lv + m ** 2).sum(axis=1),
                        "mu is measured in units of the second sigma: divide (mu - mu2)^2 by e^log_var2":
                            right + 0.5 * ((m - m2) ** 2 * (1 - np.exp(-lv2))).sum(axis=1)})
    return max(worst, gradcheck(answer, m, lv, m2, lv2))


def check_code(answer: Any) -> float:
    """answer(mu, s, noise), each (n, k) -> z (n, k) and KL (n,), with sigma = softplus(s)."""
    rng = np.random.default_rng(0)
    mu, s, noise = rng.standard_normal((3, 4, 2))
    sigma = np.log1p(np.exp(s))
    z, kl = answer(mu, s, noise)
    worst = compare("z", z, mu + sigma * noise, "z = mu + sigma * noise, with sigma = ops.softplus(s)", {
        "s is not log sigma^2: here sigma is softplus(s)": mu + np.exp(s / 2) * noise,
        "softplus(s) is sigma, not sigma^2: no square root": mu + np.sqrt(sigma) * noise,
        "noise has the variance sigma^2: multiply it by sigma, not by sigma^2": mu + sigma ** 2 * noise,
        "noise scaled by a tenth: then z is not drawn from q, and the bound is that of no model":
            mu + 0.1 * sigma * noise})
    right = 0.5 * (sigma ** 2 - 1 - 2 * np.log(sigma) + mu ** 2).sum(axis=1)
    worst = max(worst, compare("the KL divergence", kl, right, "1/2 sum (sigma^2 - 1 - log sigma^2 + mu^2), axis 1", {
        "log sigma^2 = 2 log sigma: the standard deviation was taken for the variance":
            0.5 * (sigma - 1 - np.log(sigma) + mu ** 2).sum(axis=1),
        "log sigma^2 = 2 log sigma: the 2 is missing": 0.5 * (sigma ** 2 - 1 - np.log(sigma) + mu ** 2).sum(axis=1),
        "s is not log sigma^2 here": 0.5 * (np.exp(s) - 1 - s + mu ** 2).sum(axis=1),
        "sum over the numbers of the code, do not average": right / 2}))
    return max(worst, gradcheck(answer, mu, s, noise))


def check_weight(answer: Any) -> float:
    """answer(d, k) -> the weight of a KL averaged over k latents beside a reconstruction averaged over d pixels."""
    worst = 0.0
    for d, k in ((784, 20), (196, 2), (30, 30)):
        try:
            got = float(data_of(answer(d, k)))
        except (TypeError, ValueError) as error:
            raise BadValue("weight(d, k) must be a number", expected="a Python number", got=error,
                           fix="return a formula of d and k") from error
        worst = max(worst, compare(
            f"weight({d}, {k})", got, k / d, "divide d mean + k mean by d: what stands before the second mean?", {
                "with equal weights, two means are not two sums: each is divided by another number": 1.0,
                "the other way round: this makes the KL (d / k)^2 times too heavy": d / k,
                "the KL is a mean over k numbers as well": 1 / d,
                "the reconstruction is a mean over d pixels as well": float(k)}))
    return worst


EXERCISES = (
    Exercise(
        "10.1", "kl", """\
Let the code's prior be any normal distribution, not only $N(0, 1)$. Derive
$\\mathrm{KL}(N(\\mu, e^{\\ell}) \\| N(\\mu_2, e^{\\ell_2}))$ as above, and write `kl(mu, log_var, mu2, log_var2)`, each
(n, k) -> (n,), in nats. What must come out if both are the same? And for $\\mu_2 = \\ell_2 = 0$?""", """\
from tinyae import ops

def kl(mu, log_var, mu2, log_var2):
    return 0.5 * ops.sum(ops.exp(log_var) - 1 - log_var + ops.square(mu), axis=1)
""", ("Measure in units of the second distribution: then it is N(0, 1), and the formula of the chapter holds.",
      "In those units the mean is (mu - mu2) / sigma2, and the variance is e^(log_var - log_var2).",
      "The divergences of independent numbers add up."), check_kl),
    Exercise(
        "10.2", "code", """\
An encoder may return a number $s$ and use $\\sigma = \\mathrm{softplus}(s) = \\log(1 + e^s)$, the standard deviation
itself. Write `code(mu, s, noise)`, which returns the code $z$ (n, k) for a given noise, and its KL divergence from
$N(0, 1)$, (n,). The noise comes from $N(0, 1)$.""", """\
from tinyae import ops

def code(mu, s, noise):
    z = mu + ops.exp(0.5 * s) * noise
    kl = 0.5 * ops.sum(ops.exp(s) - 1 - s + ops.square(mu), axis=1)
    return z, kl
""", ("Which of the two is sigma here, and which is sigma squared?",
      "log sigma^2 = 2 log sigma."), check_code),
    Exercise(
        "10.3", "weight", """\
Your framework gives you a cross-entropy that is a mean over $d$ pixels and a KL that is a mean over the $k$ numbers of
the code. You add them as `reconstruction + w * kl`. Write `weight(d, k)`: the $w$ with which the minimum is that of the
sums, that is, of the bound on $-\\log p(x)$.""", """\
def weight(d, k):
    return 1
""", ("Write both sums as a number times a mean.",
      "A positive factor in front of the whole loss does not move its minimum."), check_weight),
)

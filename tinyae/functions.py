"""5 of 9 · functions: what is composed of rows.

Losses give one number per image, shape (n,), summed over pixels or latents; a model takes the mean over its batch.
Their two arguments must have one shape: a loss that broadcasts is a loss of something else.
"""
from __future__ import annotations

from math import log as number_log
from math import pi
from typing import Any

import numpy as np

from .backend import Array, device_of, is_array, normal, uniform
from .errors import BadValue
from .fused import bce, kl, log_mean_sigmoids, same_shape, sse
from .kernels import fuse
from .ops import exp, index, log, mean, square, sum
from .refusals import describe
from .tensor import data_of

Value = Any     # a Tensor or a plain array; a result is a Tensor if an argument was one


def softmax(x: Value, axis: int = -1) -> Value:
    """exp(x_i) / sum_j exp(x_j) along axis."""
    e = exp(x - _peak(x, axis))
    return e / sum(e, axis=axis, keepdims=True)


def log_softmax(x: Value, axis: int = -1) -> Value:
    """x_i - log sum_j exp(x_j) along axis; exact where softmax underflows to 0."""
    return x - logsumexp(x, axis=axis, keepdims=True)


def logsumexp(x: Value, axis: Any = -1, keepdims: bool = False) -> Value:
    """log sum_j exp(x_j) along axis, without overflow."""
    peak = _peak(x, axis)
    z = log(sum(exp(x - peak), axis=axis, keepdims=True)) + peak
    return z if keepdims else sum(z, axis=axis)            # of one entry: the axis goes, the value stays


def _peak(x: Value, axis: Any) -> Array:
    # exp(x - c) * exp(c) is the same for every c, so c is a constant of the derivative as well.
    peak = data_of(x).max(axis=axis, keepdims=True)
    return np.where(np.isfinite(peak), peak, np.zeros_like(peak))      # a row of -inf has no finite peak


def var(x: Value, axis: Any = None, keepdims: bool = False) -> Value:
    """The mean squared distance from the mean (division by n, as NumPy's ddof=0)."""
    return mean(square(x - mean(x, axis=axis, keepdims=True)), axis=axis, keepdims=keepdims)


def layer_norm(x: Value, eps: float = 1e-4) -> Value:
    """(x - m) / sqrt(v + eps), m and v the mean and the variance along the last axis (Ba, Kiros & Hinton 2016).

    Of images (n, h, w, c) each place by itself. No gain, no bias, and nothing of other images: no mode to forget.
    """
    x = x - mean(x, axis=-1, keepdims=True)
    return x * (mean(square(x), axis=-1, keepdims=True) + eps) ** -0.5


def squared_error(y: Value, x: Value) -> Value:
    """sum_i (y_i - x_i)^2 per image: (n, ...), (n, ...) -> (n,). Divided by the pixels it is the textbooks' MSE."""
    same_shape("squared_error", y, x)
    return sse(y, x)


def bce_with_logits(logits: Value, x: Value) -> Value:
    """-sum_i [x_i log p_i + (1 - x_i) log(1 - p_i)], p = sigmoid(logits): (n, ...), (n, ...) -> (n,), in nats.

    x may be grey, anywhere in [0, 1]. Computed as sum_i softplus(l_i) - l_i x_i, which has no log of a probability to
    overflow or to clip: finite, with finite gradients, at logits of +-1e4 in float32. Values of x outside [0, 1] are
    refused on the CPU; on a GPU the look would cost a synchronisation per step, so there it is left to the data loader.
    """
    same_shape("bce_with_logits", logits, x)
    target = data_of(x)
    if device_of(target) == "cpu" and target.size and not (target.min() >= 0 and target.max() <= 1):
        raise BadValue("bce_with_logits needs probabilities as targets", expected="x in [0, 1], without NaN",
                       got=f"values from {target.min():.4g} to {target.max():.4g}", fix="x / 255 for uint8 pixels; "
                       "squared_error for data without bounds")
    return bce(logits, x)


def cross_entropy(logits: Value, labels: Array) -> Value:
    """-log softmax(logits)[label] per row: (n, k), integers (n,) in 0 .. k-1 -> (n,), in nats."""
    labels = np.asarray(labels) if isinstance(labels, list) else labels
    if logits.ndim != 2 or not is_array(labels) or labels.dtype.kind not in "iu" or labels.shape != logits.shape[:1]:
        raise BadValue("cross_entropy cannot compare these", expected="logits (n, k) and n integer labels",
                       got=f"{describe(logits)} and {describe(labels)}", fix="labels.astype(int).reshape(-1)")
    n, k = logits.shape
    if device_of(labels) == "cpu" and n and not (labels.min() >= 0 and labels.max() < k):
        raise BadValue("a label outside the classes", expected=f"labels in 0 .. {k - 1}",
                       got=f"labels from {labels.min()} to {labels.max()}", fix="a logit for each class, labels from 0")
    return logsumexp(logits) - index(logits, key=(np.arange(n, like=labels), labels))


def gaussian_kl(mu: Value, log_var: Value, mu2: Value = None, log_var2: Value = None) -> Value:
    """KL(N(mu, e^log_var) || N(0, 1)), or || N(mu2, e^log_var2), summed over latents: (n, k), ... -> (n,), in nats.

    1/2 sum [e^(lv - lv2) - 1 - (lv - lv2) + (mu - mu2)^2 / e^lv2]; for N(0, 1) see Kingma & Welling 2014, appendix B.
    """
    same_shape("gaussian_kl", mu, log_var)
    if mu2 is None and log_var2 is None:
        return kl(mu, log_var)
    same_shape("gaussian_kl", mu, mu2)
    same_shape("gaussian_kl", mu, log_var2)
    return kl((mu - mu2) * exp(-0.5 * log_var2), log_var - log_var2)       # both in units of the second's deviation


def gaussian_nll(mu: Value, x: Value, log_var: Value) -> Value:
    """-log N(x; mu, e^log_var), summed over pixels: (n, ...), (n, ...), log_var of their shape or one number -> (n,).

    1/2 sum [log 2 pi + log_var + (x - mu)^2 / e^log_var], in nats. A density: for a small variance it is below 0.
    """
    same_shape("gaussian_nll", mu, x)
    z = number_log(2 * pi) + log_var + square(x - mu) * exp(-log_var)
    return 0.5 * sum(z, axis=tuple(range(1, z.ndim)))


def sparsity_kl(logits: Value, target: float) -> Value:
    """sum_j KL(Bernoulli(target) || Bernoulli(p_j)), p_j = mean_i sigmoid(logits_ij): (n, k) -> (), in nats.

    p_j is how often unit j is on in this batch. target log(target / p_j) + (1 - target) log((1 - target) / (1 - p_j))
    is 0 at p_j = target and above 0 elsewhere; its first term alone is not. Computed from log p_j and log(1 - p_j),
    which are finite, with finite gradients, where p_j itself is 0 or 1. Lee, Ekanadham & Ng 2008; Ng 2011.
    """
    if not 0 < target < 1:
        raise BadValue("target out of range", expected="0 < target < 1, the share of images that turn a unit on",
                       got=target, fix="target=0.1")
    if logits.ndim != 2 or not len(logits):
        raise BadValue("sparsity_kl needs a batch of units", expected="logits (n, k), n >= 1", got=describe(logits),
                       fix="logits.reshape(n, -1)")
    logs = log_mean_sigmoids(logits)                                # (2, k): log p_j, log(1 - p_j)
    entropy = target * number_log(target) + (1 - target) * number_log(1 - target)
    return sum(entropy - target * index(logs, key=0) - (1 - target) * index(logs, key=1))


def dropout(x: Value, rate: float, rng: Any = None) -> Value:
    """x with a fraction `rate` of its entries set to 0 and the rest divided by 1 - rate, so that the mean stays.

    Without an rng there is no corruption: no train/eval mode to forget. Srivastava et al. 2014, in the inverted form.
    """
    if not 0 <= rate < 1:
        raise BadValue("dropout rate out of range", expected="0 <= rate < 1", got=rate, fix="rate=0.5 drops half")
    if rng is None or rate == 0:
        return x
    return x * _kept(uniform(rng, like=x), rate=rate)


@fuse
def _kept(u: Array, rate: float) -> Array:
    return (u >= rate).astype(u.dtype) * (1 / (1 - rate))


def gaussian_noise(x: Value, sigma: float, rng: Any = None) -> Value:
    """x + sigma * N(0, 1), fresh for each entry; x itself without an rng."""
    if not sigma >= 0:
        raise BadValue("noise scale out of range", expected="sigma >= 0, in units of x", got=sigma, fix="sigma=0.3")
    return x if rng is None else x + sigma * normal(rng, like=x)

"""functions: losses, KL terms, softmax and noise, composed of rows.

A loss returns one number per image, shape (n,), summed over pixels or latents; a model takes the mean over its batch.
Its two arguments must have the same shape, because a loss that broadcasts would compare each image with all others.
Every function takes Tensors or arrays, and returns a Tensor if an argument is one. The loss of zero images is an empty
array. docs/numbers.md has a table of nan, inf and kinks.
"""
from __future__ import annotations

from math import log as number_log
from math import pi
from typing import TYPE_CHECKING

import numpy as np

from . import refusals
from .backend import Array, Axis, Rng, Value, describe, is_array, normal, uniform
from .errors import BadValue
from .fused import bce, kl, log_mean_sigmoids, same_shape, sse
from .kernels import fuse, kept_shape
from .ops import exp, index, log, mean, named, square, sum
from .tensor import data_of, op


def softmax(x: Value, axis: int = -1) -> Value:
    """exp(x_i) / sum_j exp(x_j) along axis: (n, k) -> (n, k).

    0 at an x_i of -inf, with gradient 0; nan in a row of -inf alone, as in PyTorch and JAX. An empty x gives an empty
    array.
    """
    e = exp(x - _peak(x, axis)[1])
    return e / sum(e, axis=axis, keepdims=True)


def log_softmax(x: Value, axis: int = -1) -> Value:
    """x_i - log sum_j exp(x_j) along axis: (n, k) -> (n, k).

    It is exact where softmax underflows to 0, and nan in a row of -inf alone.
    """
    return x - logsumexp(x, axis=axis, keepdims=True)


def logsumexp(x: Value, axis: Axis = -1, keepdims: bool = False) -> Value:
    """log sum_j exp(x_j) along axis: (n, k) -> (n,), without overflow; (n, 1) with keepdims.

    A row of -inf, or an empty row, gives log 0 = -inf, and its gradient is 0. (PyTorch and JAX give such a row the
    gradient nan, which makes every parameter behind it nan.) A row with inf gives inf, and nan for the gradient of inf.
    """
    highest, peak = _peak(x, axis)
    total = sum(exp(x - peak), axis=axis, keepdims=True)                # >= 1, but 0 in a row of -inf,
    z = log(total + (highest == -np.inf)) + highest                     # where this is log 1 - inf
    return z if keepdims else sum(z, axis=axis)            # axis has length 1: sum only removes it


def _peak(x: Value, axis: Axis) -> tuple[Array, Array]:
    """(the largest x of each row, the same or 0 where that is not finite)."""
    # Plain arrays: exp(x - c) * exp(c) is the same for every c, so c has no gradient.
    data = data_of(x)
    try:
        highest = data.max(axis=axis, keepdims=True) if data.size else np.full_like(
            data, -np.inf, shape=kept_shape(data, axis))
    except ValueError as error:
        raise BadValue("axis must be an axis of x", expected=f"axes of {describe(data)}", got=f"axis={axis!r}: {error}",
                       fix="axis=-1, the last one") from error
    return highest, np.where(np.isfinite(highest), highest, np.zeros_like(highest))


def var(x: Value, axis: Axis = None, keepdims: bool = False) -> Value:
    """mean((x - mean(x))^2) along axis: (n, k), axis=0 -> (k,). Division by n, as in NumPy with ddof=0.

    BadValue: the axis is empty. (PyTorch and JAX give nan.)
    """
    return mean(square(x - mean(x, axis=axis, keepdims=True)), axis=axis, keepdims=keepdims)


def layer_norm(x: Value, eps: float = 1e-4) -> Value:
    """(x - m) / sqrt(v + eps), m and v the mean and the variance along the last axis: (n, k) -> (n, k).

    Ba, Kiros & Hinton 2016. Images (n, h, w, c) are normalised at each place separately. There is no gain
    and no bias, and no statistic of other images, so training and use need no separate modes. BadValue: the last
    axis is empty. (PyTorch returns an empty array.)
    """
    x = x - mean(x, axis=-1, keepdims=True)
    return x * (mean(square(x), axis=-1, keepdims=True) + eps) ** -0.5


def squared_error(y: Value, x: Value) -> Value:
    """sum_i (y_i - x_i)^2 per image: (n, ...), (n, ...) -> (n,). Divided by the number of pixels, it is the MSE."""
    same_shape("squared_error", y, x)
    return sse(y, x)


def bce_with_logits(logits: Value, x: Value) -> Value:
    """-sum_i [x_i log p_i + (1 - x_i) log(1 - p_i)], p = sigmoid(logits): (n, ...), (n, ...) -> (n,), in nats.

    x may take any value in [0, 1]. Computed as sum_i softplus(l_i) - l_i x_i, without the log of a probability, which
    could overflow: loss and gradient are finite at logits of +-1e4 in float32. BadValue: x has values outside [0, 1].
    This is checked on the CPU only. On a GPU the check would force a sync every step, so the data loader does it.
    """
    same_shape("bce_with_logits", logits, x)
    return bce(logits, _probabilities(x))


def cross_entropy(logits: Value, labels: Array) -> Value:
    """-log softmax(logits)[label] per row: (n, k), integers (n,) in 0 .. k-1 -> (n,), in nats."""
    labels = np.asarray(labels) if isinstance(labels, list) else labels
    if logits.ndim != 2 or not is_array(labels) or labels.dtype.kind not in "iu" or labels.shape != logits.shape[:1]:
        one_hot = logits.ndim == 2 and np.shape(labels) == logits.shape
        raise BadValue("logits and labels must match", expected="logits (n, k) and n integer labels",
                       got=f"{describe(logits)} and {describe(labels)}",
                       fix="labels.argmax(1)" if one_hot else "labels.astype(int).reshape(-1)")
    n, k = logits.shape
    return logsumexp(logits) - index(logits, key=(np.arange(n, like=labels), _classes(labels, k=k)))


def gaussian_kl(mu: Value, log_var: Value, mu2: Value = None, log_var2: Value = None) -> Value:
    """KL(N(mu, e^log_var) || N(0, 1)), or || N(mu2, e^log_var2), summed over latents: (n, k), ... -> (n,), in nats.

    1/2 sum [e^(lv - lv2) - 1 - (lv - lv2) + (mu - mu2)^2 / e^lv2]; for N(0, 1) see Kingma & Welling 2014, appendix B.
    """
    same_shape("gaussian_kl", mu, log_var)
    if mu2 is None and log_var2 is None:
        return kl(mu, log_var)
    same_shape("gaussian_kl", mu, mu2)
    same_shape("gaussian_kl", mu, log_var2)
    return kl((mu - mu2) * exp(-0.5 * log_var2), log_var - log_var2)       # in the second's standard deviations


def gaussian_nll(mu: Value, x: Value, log_var: Value) -> Value:
    """-log N(x; mu, e^log_var), summed over pixels: (n, ...), (n, ...), log_var of their shape or one number -> (n,).

    1/2 sum [log 2 pi + log_var + (x - mu)^2 / e^log_var], in nats. N is a density, so the result can be negative.
    """
    same_shape("gaussian_nll", mu, x)
    z = number_log(2 * pi) + log_var + square(x - mu) * exp(-log_var)
    return 0.5 * sum(z, axis=tuple(range(1, z.ndim)))


def sparsity_kl(logits: Value, target: float) -> Value:
    """sum_j KL(Bernoulli(target) || Bernoulli(p_j)), p_j = mean_i sigmoid(logits_ij): (n, k) -> (), in nats.

    p_j is the mean activation of unit j over the batch. Each term is target log(target / p_j) + (1 - target)
    log((1 - target) / (1 - p_j)): 0 at p_j = target, positive elsewhere. (The first half alone can be negative.) It is
    computed from log p_j and log(1 - p_j), which stay finite, with finite gradients, where p_j rounds to 0 or 1.
    Lee, Ekanadham & Ng 2008; Ng 2011.
    """
    if not 0 < target < 1:
        raise BadValue("target out of range", expected="0 < target < 1, the mean activation of a unit",
                       got=target, fix="target=0.1")
    if logits.ndim != 2 or not len(logits):
        raise BadValue("sparsity_kl needs a batch of units", expected="logits (n, k), n >= 1", got=describe(logits),
                       fix="logits.reshape(n, -1)")
    logs = log_mean_sigmoids(logits)                                # (2, k): log p_j, log(1 - p_j)
    entropy = target * number_log(target) + (1 - target) * number_log(1 - target)
    return sum(entropy - target * index(logs, key=0) - (1 - target) * index(logs, key=1))


def dropout(x: Value, rate: float, rng: Rng = None) -> Value:
    """x (...) with a random fraction `rate` of its entries set to 0 and the rest divided by 1 - rate.

    This keeps the mean. Without an rng, x itself; there is no train/eval mode. Srivastava et al. 2014, in the inverted
    form.
    """
    if not 0 <= rate < 1:
        raise BadValue("dropout rate out of range", expected="0 <= rate < 1", got=rate, fix="rate=0.5 drops half")
    if rng is None or rate == 0:
        return x
    return x * _scaled_mask(uniform(rng, like=x), rate=rate)


@fuse
def _scaled_mask(u: Array, rate: float) -> Array:
    """u uniform in [0, 1) -> 1 / (1 - rate) where an entry is kept, 0 where it is dropped."""
    return (u >= rate).astype(u.dtype) * (1 / (1 - rate))


def gaussian_noise(x: Value, sigma: float, rng: Rng = None) -> Value:
    """x + sigma e, e ~ N(0, 1) for each entry; without an rng, x itself."""
    if not sigma >= 0:
        raise BadValue("noise scale out of range", expected="sigma >= 0, in units of x", got=sigma, fix="sigma=0.3")
    return x if rng is None else x + sigma * normal(rng, like=x)


# ---- checks of values. Each is a row that returns its argument, so that an unrolled program makes them as well.

def _if_probabilities(x: Array) -> Array:
    if type(x) is np.ndarray and x.size and not (x.min() >= 0 and x.max() <= 1):
        raise BadValue("bce_with_logits needs probabilities as targets", expected="x in [0, 1], without NaN",
                       got=f"values from {x.min():.4g} to {x.max():.4g}", fix="x / 255 for uint8 pixels; "
                       "squared_error for unbounded data")
    return x


def _if_classes(labels: Array, k: int) -> Array:
    if type(labels) is np.ndarray and labels.size and not (labels.min() >= 0 and labels.max() < k):
        raise BadValue("every label must be a class", expected=f"labels in 0 .. {k - 1}",
                       got=f"labels from {labels.min()} to {labels.max()}",
                       fix="number the classes from 0, and give the net one logit for each")
    return labels


_probabilities, _classes = op(_if_probabilities, lambda g, z, x: g), op(_if_classes, None)
named({"__name__": __name__, "_probabilities": _probabilities, "_classes": _classes})


if not TYPE_CHECKING:               # mypy would take every name for one that is there
    def __getattr__(name: str) -> None:
        raise refusals.elsewhere(__name__, name)

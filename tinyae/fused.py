"""fused: rows that each replace several rows of ops.py, with fewer passes over memory. Skip at first reading.

Each row stands beside its plain twin in PLAIN, which a test compares with it. A loss here is one number per image: it
is summed over all axes but the first.
"""
# mypy: disable-error-code="has-type"
from __future__ import annotations

from typing import Any

import numpy as np

from .backend import Array, Value, describe, is_array
from .errors import BadType, BadValue
from .kernels import exp_below_top, fuse, matmul, softplus
from .ops import clip, exp, expm1, index, log, maximum, mean, minimum, named, reshape, sigmoid, square, stack, sum
from .ops import softplus as softplus_row
from .tensor import Tensor, data_of, op, sum_to

# ---- forwards

def _affine(x: Array, W: Array, b: Array) -> Array:
    z = matmul(x, W)
    z += b                                         # one pass and one array less than x @ W + b
    return z


def _squared_norm(x: Array) -> Array:
    return np.vdot(x, x)                           # rounds as a product, not as a sum


def _sse(y: Array, x: Array) -> Array:
    same_shape("sse", y, x)
    return _per_image(_squared_difference(y, x))


def _bce(logits: Array, x: Array) -> Array:
    same_shape("bce", logits, x)
    return _per_image(_bce_of_pixels(logits, x))


def _kl(mu: Array, log_var: Array) -> Array:
    same_shape("kl", mu, log_var)
    return _per_image(_kl_of_latents(mu, log_var)) * 0.5


@fuse
def _squared_difference(y: Array, x: Array) -> Array:
    z = np.subtract(y, x)
    z *= z
    return z


@fuse
def _bce_of_pixels(logits: Array, x: Array) -> Array:
    z = softplus(logits)
    z -= logits * x
    return z


def bce_and_sigmoid(logits: Array, x: Array) -> tuple[Array, Array]:
    """The rows bce and sigmoid of the same logits, from one exponential: what a loss and its gradient need."""
    z, p = _bce_and_sigmoid_of_pixels(logits, x)
    return _per_image(z), p


@fuse
def _bce_and_sigmoid_of_pixels(logits: Array, x: Array) -> tuple[Array, Array]:
    z = exp_below_top(logits)
    p = 1 + z
    np.divide(z, p, out=p)
    np.log1p(z, out=z)
    np.maximum(z, logits, out=z)
    z -= logits * x
    return z, p


@fuse
def _kl_of_latents(mu: Array, log_var: Array) -> Array:
    z = np.expm1(log_var)                          # e^lv - 1, exact also where lv is small
    z -= log_var
    z += mu * mu
    return z


def _per_image(z: Array) -> Array:
    return z.sum(tuple(range(1, z.ndim)))


def same_shape(name: str, x: Any, y: Any) -> None:
    """Refuse unequal shapes: broadcasting would compare each entry with all entries of another axis."""
    for a in (x, y):
        if not (isinstance(a, Tensor) or is_array(a)):
            raise BadType(f"{name} takes arrays", expected="Tensors or arrays", got=describe(a),
                          fix="np.asarray(x, np.float32)")
    if x.shape != y.shape or x.ndim == 0:
        raise BadValue(f"{name} compares equal shapes only", expected="two arguments of one shape (n, ...)",
                       got=f"{describe(x)} and {describe(y)}", fix="output_padding of a ConvTranspose2D, for images "
                       "that its stride made too small" if x.ndim == y.ndim == 4 else "reshape one to the other's "
                       "shape: broadcasting would compare each entry with all entries of another axis")


# ---- log_mean_sigmoids: log mean sigmoid(x) and log mean sigmoid(-x) of each column, (n, k) -> (2, k)

def _log_mean_sigmoids(x: Array) -> Array:
    peak, top = x.max(0), _top(x.dtype)
    c, low, high = _shift(peak, x.min(0), top=top)
    on, off = _near_zero(x) if _is_near(x, c, peak) else _shifted(x, c, low, high, top=top)
    return np.stack(_logs(sum_to(on, shape=c.shape), sum_to(off, shape=c.shape), c, len(x)))


def _log_mean_sigmoids_vjp(g: Value, z: Value, x: Value) -> Value:
    # Where a column is far from 0, z tells its largest and its least entry up to log n. That is near enough.
    logs, top = data_of(z), _top(x.dtype)
    c, low, high = _shift(logs[0], -logs[1], top=top)
    of_column = _of_column(index(z, 0), index(z, 1), index(g, 0), index(g, 1), c, low, high, len(x))
    if not _is_near(x, c, x):
        return _slope(x, c, low, high, of_column, top=top)
    on, off = _near_zero(x)
    on *= off
    on *= of_column
    return on


# sigmoid(x) = low on and sigmoid(-x) = high off, and neither on nor off underflows to 0 in a whole column. For that, a
# column far below 0 is raised by -c, and one far above 0 is lowered by c; low and high are e^c and 1, or 1 and e^-c.
# Results made of all five do not depend on c, so c is a constant of the derivative as well.

def _top(dtype: np.dtype) -> float:
    """e^top is finite."""
    return float(np.log(np.finfo(dtype).max)) * 0.9


@fuse
def _shift(peak: Array, least: Array, top: float) -> tuple[Array, Array, Array]:
    """(c, low, high) for columns whose largest entry is about `peak` and whose least about `least`."""
    c = np.minimum(peak + top / 2, 0) + np.maximum(least - top / 2, 0)
    return c, np.exp(np.minimum(c, 0)), np.exp(-np.maximum(c, 0))


@fuse
def _shifted(x: Value, c: Array, low: Array, high: Array, top: float) -> tuple[Any, Any]:
    """(on, off)"""
    on = exp(clip(x - c, -float("inf"), top))
    off = 1 / (on * low + high)
    return on * off, off


def _is_near(x: Value, c: Array, peaks: Value) -> bool:
    """Whether _near_zero serves x, the largest of whose entries is among the peaks."""
    # On a GPU the question would force a sync, and a Tensor's vjp, which may be unrolled, must not branch on a value:
    # there the general form serves all columns. Its bits are the same.
    return type(x) is np.ndarray and not c.any() and peaks.max(initial=0) < _top(x.dtype)


def _near_zero(x: Array) -> tuple[Array, Array]:
    """_shifted for c = 0."""
    on = np.exp(x)
    off = 1 / (1 + on)
    on *= off
    return on, off


@fuse
def _logs(sum_on: Array, sum_off: Array, c: Array, n: int) -> tuple[Array, Array]:
    return np.log(sum_on / n) + np.minimum(c, 0), np.log(sum_off / n) - np.maximum(c, 0)


@fuse
def _of_column(log_on: Value, log_off: Value, g_on: Value, g_off: Value, c: Array, low: Array, high: Array,
               n: int) -> Value:
    """The factor of on off: the means of on and off are e^(log_on - min(c, 0)) and e^(log_off + max(c, 0))."""
    return (g_on * high * exp(minimum(c, 0) - log_on) - g_off * low * exp(-maximum(c, 0) - log_off)) / n


@fuse
def _slope(x: Value, c: Array, low: Array, high: Array, of_column: Value, top: float) -> Value:
    on, off = _shifted(x, c, low, high, top=top)
    return on * off * of_column


# ---- vjps

def _product_in_layout_of(W: Value, x: Value, g: Value) -> Value:
    """x.mT @ g, with the memory layout of W, so that the two gradients of a tied weight add up twice as fast."""
    rows, columns = data_of(W).strides[-2:]
    return x.mT @ g if rows >= columns else (g.mT @ x).mT


def _to_pixels(g: Value, x: Value) -> Value:
    """g (n,), reshaped to multiply x (n, ...)."""
    return reshape(g, g.shape + (1,) * (x.ndim - 1))


@fuse
def _bce_vjp(g: Value, x: Value, y: Value) -> Value:
    slope = sigmoid(x)
    # In place only where slope - y would lie in memory in the same order: later sums depend on it.
    slope = np.subtract(slope, y, out=slope) if _lies_in_rows(slope) else slope - y
    slope *= g                                     # in place on arrays; when traced, it makes a new Tensor
    return slope


def _lies_in_rows(x: Value) -> bool:
    return type(x) is np.ndarray and x.flags.c_contiguous


# fmt: off
# ---- z = f(x, y)         dL/dx                                   dL/dy
affine   = op(_affine,     lambda g, z, x, W, b: g @ W.mT,         lambda g, z, x, W, b: _product_in_layout_of(W, x, g),
                           lambda g, z, x, W, b: g)
sse      = op(_sse,        lambda g, z, y, x: _to_pixels(2 * g, y) * (y - x),
                           lambda g, z, y, x: _to_pixels(2 * g, y) * (x - y))
bce      = op(_bce,        lambda g, z, logits, x: _bce_vjp(_to_pixels(g, x), logits, x),
                           lambda g, z, logits, x: _to_pixels(g, x) * -logits)
kl       = op(_kl,         lambda g, z, mu, lv: _to_pixels(g, mu) * mu,
                           lambda g, z, mu, lv: _to_pixels(0.5 * g, lv) * expm1(lv))
squared_norm = op(_squared_norm, lambda g, z, x: 2 * g * x)
log_mean_sigmoids = op(_log_mean_sigmoids, _log_mean_sigmoids_vjp)
# fmt: on


def _sum_per_image(z: Value) -> Value:
    return sum(z, axis=tuple(range(1, z.ndim)))


# The same in rows of ops.py. kl is KL(N(mu, e^lv) || N(0, 1)), bce is -log p(x | logits).
PLAIN = {
    "affine": lambda x, W, b: x @ W + b,
    "sse": lambda y, x: _sum_per_image(square(y - x)),
    "bce": lambda logits, x: _sum_per_image(softplus_row(logits) - logits * x),
    "kl": lambda mu, lv: 0.5 * _sum_per_image(exp(lv) + mu * mu - 1 - lv),
    "squared_norm": lambda x: sum(x * x),
    "log_mean_sigmoids": lambda x: stack(*(log(mean(sigmoid(sign * x), axis=0)) for sign in (1, -1))),
}
SHAPES = {
    "affine": "x (n, d), W (d, k), b (k,) -> x @ W + b (n, k).",
    "sse": "y (n, ...), x (n, ...) -> squared error per image (n,).",
    "bce": "logits (n, ...), x (n, ...) in [0, 1] -> cross-entropy per image (n,), in nats.",
    "kl": "mu (n, k), log_var (n, k) -> KL(N(mu, e^log_var) || N(0, 1)) per image (n,), in nats.",
    "squared_norm": "x (...) -> the sum of its squares ().",
    "log_mean_sigmoids": "x (n, k) -> (2, k): log mean sigmoid(x) and log mean sigmoid(-x) of each column.",
}

ROWS = named(globals(), *PLAIN)

"""3 of 9 · ops: the page of calculus.

Each row is z = forward(x, y) and, per argument, its vector-Jacobian product: dL/dx, given g = dL/dz. Forwards are
written with `np.`; vjps with operators and other rows, which run on bare arrays and are traced on Tensors, so every row
can be differentiated as often as you like. Arrays go by position, settings by name. abs, sum, max, min are rows here.
"""
# Rows refer to each other, lambdas are read before they are typed:
# mypy: disable-error-code="has-type"
from __future__ import annotations

from math import log as number_log
from typing import Any

import numpy as np

from .backend import Array, add_at, device_of, is_array
from .errors import BadType, BadValue
from .kernels import fuse
from .refusals import describe
from .tensor import Tensor, add, broadcast_to, data_of, op, sum_to  # noqa: F401  (all rows stand in this module)

# ---- forwards that are not one NumPy function

def _power(x: Array, y: Array) -> Array: return x ** y                    # np.power(x, 2) is 5 times slower
def _relu(x: Array) -> Array: return np.maximum(x, 0)
def _clip(x: Array, low: float, high: float) -> Array: return np.clip(x, low, high)
def _sum(x: Array, axis: Any = None, keepdims: bool = False) -> Array: return np.sum(x, axis, keepdims=keepdims)
def _mean(x: Array, axis: Any = None, keepdims: bool = False) -> Array: return np.mean(x, axis, keepdims=keepdims)
def _max(x: Array, axis: Any = None, keepdims: bool = False) -> Array: return np.max(x, axis, keepdims=keepdims)
def _min(x: Array, axis: Any = None, keepdims: bool = False) -> Array: return np.min(x, axis, keepdims=keepdims)
def _squared_norm(x: Array) -> Array: return np.vdot(x, x)                # |x|^2; rounds as a product, not as a sum
def _reshape(x: Array, shape: tuple[int, ...]) -> Array: return np.reshape(x, shape)
def _transpose(x: Array, axes: tuple[int, ...] | None = None) -> Array: return np.transpose(x, axes)
def _swapaxes(x: Array, axis1: int, axis2: int) -> Array: return np.swapaxes(x, axis1, axis2)
def _pad(x: Array, width: tuple[tuple[int, int], ...]) -> Array: return np.pad(x, width)


def _matmul(x: Array, y: Array) -> Array:
    if x.ndim < 2 or y.ndim < 2 or x.shape[-1] != y.shape[-2]:
        raise BadValue("matmul cannot multiply these", expected="(..., n, k) @ (..., k, m)",
                       got=f"{describe(x)} @ {describe(y)}", fix="x.T, x.mT, or a vector as a row x.reshape(1, -1)")
    return np.matmul(x, y)


def _affine(x: Array, W: Array, b: Array) -> Array:
    z = _matmul(x, W)
    z += b                                         # one pass and one array less than x @ W + b
    return z


def _where(mask: Array, x: Array, y: Array) -> Array:
    if not is_array(mask) or mask.dtype != bool:
        raise BadType("where needs a mask", expected="an array of bool", got=describe(mask), fix="where(t > 0, x, y)")
    return np.where(mask, x, y)


# In place, and with out=: fresh arrays would cost as much as the arithmetic, and NumPy makes scalars of 0-d results.

@fuse
def _leaky_relu(x: Array, slope: float = 0.01) -> Array:
    z = np.multiply(x, slope, out=np.empty_like(x))
    return (np.maximum if slope <= 1 else np.minimum)(x, z, out=z)


def _exp_below_top(x: Array) -> Array:
    """e^min(x, 40): up there e^x / (1 + e^x) is 1, log(1 + e^x) is x, to the last bit. float16 ends at e^11."""
    z = np.clip(x, -np.inf, 40 if x.dtype != np.float16 else 11, out=np.empty_like(x))  # np.minimum takes twice as long
    return np.exp(z, out=z)


@fuse
def _sigmoid(x: Array) -> Array:
    z = _exp_below_top(x)
    z /= 1 + z                                     # both tails, e^x and 1, keep their relative precision
    return z


@fuse
def _softplus(x: Array) -> Array:
    z = _exp_below_top(x)
    np.log1p(z, out=z)
    return np.maximum(z, x, out=z)


@fuse
def _elu(x: Array, alpha: float = 1.0) -> Array:
    if alpha < 0:
        raise BadValue("elu needs a slope that is not negative", expected="alpha >= 0", got=alpha, fix="alpha=1.0")
    z = np.clip(x, -np.inf, 0, out=np.empty_like(x))
    np.expm1(z, out=z)
    if alpha != 1:
        z *= alpha
    return np.maximum(z, x, out=z) if alpha <= 1 else np.add(z, np.maximum(x, 0), out=z)


@fuse
def _bce_of_pixels(logits: Array, x: Array) -> Array:
    z = _softplus(logits)
    z -= logits * x
    return z


@fuse
def _squared_difference(y: Array, x: Array) -> Array:
    z = np.subtract(y, x)
    z *= z
    return z


def same_shape(name: str, x: Any, y: Any) -> None:
    """Refuses what would be compared by broadcasting: each entry with all entries of another axis."""
    for a in (x, y):
        if not (isinstance(a, Tensor) or is_array(a)):
            raise BadType(f"{name} takes arrays", expected="Tensors or arrays", got=describe(a),
                          fix="np.asarray(x, np.float32)")
    if x.shape != y.shape or x.ndim == 0:
        raise BadValue(f"{name} compares equal shapes only", expected="two arguments of one shape (n, ...)",
                       got=f"{describe(x)} and {describe(y)}", fix="output_padding of a ConvTranspose2D, for images "
                       "that its stride made too small" if x.ndim == y.ndim == 4 else "reshape one to the other's "
                       "shape: broadcasting would compare each entry with all entries of another axis")


def _sse(y: Array, x: Array) -> Array:
    """|y - x|^2, summed over all axes but the first; plain twin: sum(square(y - x))."""
    same_shape("sse", y, x)
    z = _squared_difference(y, x)
    return z.sum(tuple(range(1, z.ndim)))


def _bce(logits: Array, x: Array) -> Array:
    """-log p(x | logits), summed over all axes but the first; plain twin: sum(softplus(logits) - logits * x)."""
    same_shape("bce", logits, x)
    z = _bce_of_pixels(logits, x)
    return z.sum(tuple(range(1, z.ndim)))


@fuse
def _kl_of_latents(mu: Array, log_var: Array) -> Array:
    z = np.expm1(log_var)                          # e^lv - 1, exact also where lv is small
    z -= log_var
    z += mu * mu
    return z


def _kl(mu: Array, log_var: Array) -> Array:
    """KL(N(mu, e^log_var) || N(0, 1)), summed over all axes but the first; plain twin: 0.5 * sum(...)."""
    same_shape("kl", mu, log_var)
    z = _kl_of_latents(mu, log_var)
    return z.sum(tuple(range(1, z.ndim))) * 0.5


def _log_mean_sigmoids(x: Array) -> Array:
    """log mean sigmoid(x) and log mean sigmoid(-x) of each column, (n, k) -> (2, k); plain twin: logsumexps."""
    on, off, c, *_ = _sigmoids(x)
    return np.stack([np.log(on.mean(0)) + np.minimum(c, 0), np.log(off.mean(0)) - np.maximum(c, 0)])


def _index(x: Array, key: Any) -> Array:
    for k in key if isinstance(key, tuple) else (key,):
        if is_array(k) and device_of(k) != device_of(x):
            raise BadType("index on another device", expected=f"{device_of(x)}, as {describe(x)}", got=describe(k),
                          fix=f'backend.to_device(index, "{device_of(x)}")')
    return x[key]


def _put(g: Array, key: Any, shape: tuple[int, ...]) -> Array:
    z = np.zeros(shape, g.dtype, like=g if is_array(g) else None)      # NumPy turns 0-d results into scalars
    keys = key if isinstance(key, tuple) else (key,)
    if any(isinstance(k, list) or (is_array(k) and k.dtype != bool) for k in keys):
        add_at(z, key, g)                          # integers may name a place twice: both count
    else:
        z[key] = g
    return z


def _stack(*xs: Array, axis: int = 0) -> Array:
    like = next((x for x in xs if is_array(x)), None)          # beside an array, a number takes its dtype
    return np.stack([x if is_array(x) or like is None else np.asarray(x, like.dtype, like=like) for x in xs], axis)


def _concatenate(*xs: Array, axis: int = 0) -> Array:
    if isinstance(xs[0], list | tuple):
        raise BadType("arrays go by position", expected="concatenate(x, y, axis=0)", got="a list",
                      fix="concatenate(*xs)")
    return np.concatenate(xs, axis)


def _crop(x: Array, width: tuple[tuple[int, int], ...]) -> Array:
    return x[tuple(slice(before, n - after) for (before, after), n in zip(width, x.shape, strict=True))]


def _cast(x: Array, dtype: Any) -> Array:
    if np.dtype(dtype).kind != "f":
        raise BadValue("cast goes from float to float", expected="np.float32, np.float64 or np.float16",
                       got=repr(dtype), fix="t.data.astype(dtype), which has no gradient")
    return x.astype(dtype)


# ---- what vjps are made of. Where a function is flat almost everywhere, its answer is a constant, a plain array.


def _sign(x: Any) -> Array:
    return np.sign(data_of(x))


def _step(x: Any, y: Any, z: Any) -> Array:
    """1 where x > y, 1/2 where they are equal, 0 elsewhere, in z's dtype."""
    return ((x > y).astype(z.dtype) + (x >= y).astype(z.dtype)) / 2


def _slope(x: Any, below: float) -> Array:
    """1 where x > 0, `below` elsewhere, in x's dtype."""
    return (x > 0) * x.dtype.type(1 - below) + x.dtype.type(below)


def _elu_slope(x: Any, z: Any, alpha: float) -> Any:
    """1 where x > 0, z + alpha elsewhere."""
    return minimum(z, 0) + (1 if alpha == 1 else _slope(x, alpha))


def _dpower(x: Any, y: Any) -> Any:
    """y x^(y-1); and 0 for y = 0, where x^(y-1) would be 0 * inf at x = 0."""
    return y * x ** (y - (y != 0))


def _log_base(x: Any) -> Any:
    """log x, and 0 at x = 0, where x ** y no longer depends on y > 0."""
    return number_log(x or 1) if isinstance(x, int | float) else log(x + (x == 0))


def _kept(x: Any, axis: Any) -> tuple[int, ...]:
    """The shape of a reduction of x with keepdims=True."""
    axes = range(x.ndim) if axis is None else [a % x.ndim for a in (axis if isinstance(axis, tuple) else (axis,))]
    return tuple(1 if i in axes else n for i, n in enumerate(x.shape))


def _spread(g: Any, x: Any, axis: Any) -> Any:
    """g, one number per group of x along axis, handed to every member of its group."""
    kept = _kept(x, axis)
    g = g if g.shape == kept else reshape(g, shape=kept)
    return g if kept == x.shape else broadcast_to(g, shape=x.shape)


def _to_winners(g: Any, z: Any, x: Any, axis: Any) -> Any:
    """g shared equally by the k entries of each group that equal its maximum (minimum) z."""
    won = (data_of(x) == data_of(z).reshape(_kept(x, axis))).astype(x.dtype)
    return _spread(g, x, axis) * (won / won.sum(axis, keepdims=True))


def _turned(W: Any, x: Any, g: Any) -> Any:
    """x.mT @ g, in memory as W lies: the gradients of a tied W, seen as W and as W.T, add up twice as fast."""
    rows, columns = data_of(W).strides[-2:]
    return x.mT @ g if rows >= columns else (g.mT @ x).mT


def _per_image(g: Any, x: Any) -> Any:
    """g (n,), shaped to multiply x (n, ...)."""
    return reshape(g, shape=g.shape + (1,) * (x.ndim - 1))


@fuse
def _bce_slope(g: Any, x: Any, y: Any) -> Any:
    slope = sigmoid(x)
    slope -= y                                     # an array that is ours is written in place, a Tensor made anew
    slope *= g
    return slope


def _sigmoids(x: Any) -> tuple[Any, ...]:
    """on, off, c, low, high: sigmoid(x) = low on, sigmoid(-x) = high off, where on and off are 0 in no whole column.

    A column that is far below 0 is raised by -c, one far above lowered by c; low and high are e^c and 1, or 1 and e^-c.
    What is made of all of them is the same for every c, so c is a constant of the derivative as well.
    """
    data = data_of(x)
    top = float(np.log(np.finfo(data.dtype).max)) * 0.9                     # e^top is finite
    peak, least = data.max(0), data.min(0)
    c, low, high = _shift(peak, least, top=top)
    near = device_of(data) == "cpu" and not c.any() and (peak < top).all()  # a look at a GPU's numbers would wait
    return *(_near(x) if near else _far(x, c, low, high, top=top)), c, low, high


@fuse
def _shift(peak: Array, least: Array, top: float) -> tuple[Array, Array, Array]:
    c = np.minimum(peak + top / 2, 0) + np.maximum(least - top / 2, 0)
    return c, np.exp(np.minimum(c, 0)), np.exp(-np.maximum(c, 0))


def _near(x: Any) -> tuple[Any, Any]:
    """_far without what changes nothing where c is 0."""
    on = exp(x)
    off = 1 / (1 + on)
    on *= off
    return on, off


@fuse
def _far(x: Any, c: Array, low: Array, high: Array, top: float) -> tuple[Any, Any]:
    on = exp(clip(x - c, low=-float("inf"), high=top))
    off = 1 / (on * low + high)
    return on * off, off


def _log_mean_sigmoids_slope(g: Any, x: Any) -> Any:
    on, off, _, low, high = _sigmoids(x)
    of_column = index(g, key=0) * (high / sum(on, axis=0)) - index(g, key=1) * (low / sum(off, axis=0))
    on *= off
    on *= of_column
    return on


def _part(i: int, g: Any, xs: tuple, axis: int) -> Any:
    """The piece of g that belongs to the i-th of the concatenated xs."""
    start = 0
    for x in xs[:i]:
        start += x.shape[axis]
    return index(g, key=(slice(None),) * (axis % g.ndim) + (slice(start, start + xs[i].shape[axis]),))


def _layer(i: int, g: Any, axis: int) -> Any:
    return index(g, key=(slice(None),) * (axis % g.ndim) + (i,))


def _inverse(axes: tuple[int, ...] | None) -> tuple[int, ...] | None:
    return None if axes is None else tuple(int(i) for i in np.argsort([a % len(axes) for a in axes]))


# fmt: off
# ---- z = f(x, y)         dL/dx                                   dL/dy
sub      = op(np.subtract, lambda g, z, x, y: g,                   lambda g, z, x, y: -g)
mul      = op(np.multiply, lambda g, z, x, y: g * y,               lambda g, z, x, y: g * x)
div      = op(np.divide,   lambda g, z, x, y: g / y,               lambda g, z, x, y: -g * z / y)
power    = op(_power,      lambda g, z, x, y: g * _dpower(x, y),   lambda g, z, x, y: g * (z * _log_base(x)))
maximum  = op(np.maximum,  lambda g, z, x, y: g * _step(x, y, z),  lambda g, z, x, y: g * _step(y, x, z))
minimum  = op(np.minimum,  lambda g, z, x, y: g * _step(y, x, z),  lambda g, z, x, y: g * _step(x, y, z))
matmul   = op(_matmul,     lambda g, z, x, y: g @ y.mT,            lambda g, z, x, y: x.mT @ g)
where    = op(_where, None, lambda g, z, mask, x, y: g * mask,      lambda g, z, mask, x, y: g * ~mask)
affine   = op(_affine,     lambda g, z, x, W, b: g @ W.mT,         lambda g, z, x, W, b: _turned(W, x, g),
                           lambda g, z, x, W, b: g)
sse      = op(_sse,        lambda g, z, x, y: _per_image(2 * g, x) * (x - y),
                           lambda g, z, x, y: _per_image(2 * g, x) * (y - x))
bce      = op(_bce,        lambda g, z, x, y: _bce_slope(_per_image(g, x), x, y),
                           lambda g, z, x, y: _per_image(g, x) * -x)
kl       = op(_kl,         lambda g, z, mu, lv: _per_image(g, mu) * mu,
                           lambda g, z, mu, lv: _per_image(0.5 * g, lv) * expm1(lv))

# ---- z = f(x)            dL/dx
neg      = op(np.negative, lambda g, z, x: -g)
abs      = op(np.abs,      lambda g, z, x: g * _sign(x))
sqrt     = op(np.sqrt,     lambda g, z, x: g / (2 * z))
square   = op(np.square,   lambda g, z, x: g * (2 * x))
exp      = op(np.exp,      lambda g, z, x: g * z)
expm1    = op(np.expm1,    lambda g, z, x: g * exp(x))
log      = op(np.log,      lambda g, z, x: g / x)
log1p    = op(np.log1p,    lambda g, z, x: g / (1 + x))
sin      = op(np.sin,      lambda g, z, x: g * cos(x))
cos      = op(np.cos,      lambda g, z, x: -g * sin(x))
tanh     = op(np.tanh,     lambda g, z, x: g * (1 - z * z))
sigmoid  = op(_sigmoid,    lambda g, z, x: g * (z * (1 - z)))
softplus = op(_softplus,   lambda g, z, x: g * sigmoid(x))
relu     = op(_relu,       lambda g, z, x: g * (x > 0))

# ---- with settings       dL/dx
leaky_relu = op(_leaky_relu, lambda g, z, x, slope=0.01: g * _slope(x, slope))
elu      = op(_elu,        lambda g, z, x, alpha=1.0: g * _elu_slope(x, z, alpha))
clip     = op(_clip,       lambda g, z, x, low, high: g * ((x >= low) & (x <= high)))

# ---- reductions          dL/dx
sum      = op(_sum,        lambda g, z, x, axis=None, keepdims=False: _spread(g, x, axis))
squared_norm = op(_squared_norm, lambda g, z, x: 2 * g * x)
log_mean_sigmoids = op(_log_mean_sigmoids, lambda g, z, x: _log_mean_sigmoids_slope(g, x))
mean     = op(_mean,       lambda g, z, x, axis=None, keepdims=False: _spread(g * (z.size / x.size), x, axis))
max      = op(_max,        lambda g, z, x, axis=None, keepdims=False: _to_winners(g, z, x, axis))
min      = op(_min,        lambda g, z, x, axis=None, keepdims=False: _to_winners(g, z, x, axis))

# ---- linear rows that move numbers: index and put, pad and crop are each other's vjp, the rest their own
index    = op(_index,      lambda g, z, x, key: put(g, key=key, shape=x.shape))
put      = op(_put,        lambda g, z, x, key, shape: index(g, key=key))
pad      = op(_pad,        lambda g, z, x, width: crop(g, width=width))
crop     = op(_crop,       lambda g, z, x, width: pad(g, width=width))
reshape  = op(_reshape,    lambda g, z, x, shape: reshape(g, shape=x.shape))
transpose = op(_transpose, lambda g, z, x, axes=None: transpose(g, axes=_inverse(axes)))
swapaxes = op(_swapaxes,   lambda g, z, x, axis1, axis2: swapaxes(g, axis1=axis1, axis2=axis2))
cast     = op(_cast,       lambda g, z, x, dtype: cast(g, dtype=x.dtype))
concatenate = op(_concatenate, each=lambda i, g, z, *xs, axis=0: _part(i, g, xs, axis))
stack    = op(_stack,       each=lambda i, g, z, *xs, axis=0: _layer(i, g, axis))
# fmt: on

Tensor.__add__, Tensor.__radd__ = add, lambda x, y: add(y, x)
Tensor.__sub__, Tensor.__rsub__ = sub, lambda x, y: sub(y, x)
Tensor.__mul__, Tensor.__rmul__ = mul, lambda x, y: mul(y, x)
Tensor.__truediv__, Tensor.__rtruediv__ = div, lambda x, y: div(y, x)
Tensor.__pow__, Tensor.__rpow__ = power, lambda x, y: power(y, x)
Tensor.__matmul__, Tensor.__rmatmul__ = matmul, lambda x, y: matmul(y, x)
Tensor.__neg__, Tensor.__abs__ = neg, abs
Tensor.__getitem__ = lambda x, key: index(x, key=key)
Tensor.T = property(lambda x: transpose(x))
Tensor.mT = property(lambda x: swapaxes(x, axis1=-1, axis2=-2))

ROWS = {name: row for name, row in globals().items() if hasattr(row, "vjps")}      # every row, by name
for _name, _row in ROWS.items():
    _row.__name__ = _row.__qualname__ = _name

# The vjps of an elementwise row are elementwise. (Where they are one operation, they are one kernel already.)
for _row in (div, power, maximum, minimum, where, abs, sqrt, square, expm1, log1p, sin, cos, tanh, sigmoid, softplus,
             relu, leaky_relu, elu, clip):
    _row.kernels = [vjp and fuse(vjp, f"{_row.__name__}_vjp") for vjp in _row.vjps]

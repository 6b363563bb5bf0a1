"""ops: the page of calculus.

Each row is z = forward(x, y) and, for each argument, its vector-Jacobian product (vjp): dL/dx, given g = dL/dz. The
chain rule alone derives it: dL/dx_i = sum_j g_j dz_j/dx_i, over all entries j of z.

    exp       z_j = e^x_j depends on x_j alone, and dz_j/dx_j = z_j. So the vjp is g * z.
    matmul    z_ab = sum_c x_ac y_cb, so dz_ab/dx_ac = y_cb, and dL/dx_ac = sum_b g_ab y_cb. That is g @ y.mT.
              In the same way dz_ab/dy_cb = x_ac, and dL/dy_cb = sum_a x_ac g_ab. That is x.mT @ g.

The Jacobian itself is never built.

Forwards are NumPy's functions, or functions of kernels.py with the row's name. Vjps are written with operators and
other rows: here abs, sum, max and min are rows. On bare arrays they run at NumPy's speed; on Tensors they are traced,
so that every row can be differentiated as often as you like. Arrays come first, then settings, by position or by name.
docs/numbers.md shows what rows do at nan, inf and kinks, beside PyTorch and JAX.
"""
# Rows refer to each other, and mypy reads a lambda before it knows the rows below it:
# mypy: disable-error-code="has-type"
from __future__ import annotations

from math import log as log_of_number
from typing import TYPE_CHECKING, Any

import numpy as np

from . import guards, kernels, refusals
from .backend import Axis, Value
from .kernels import fuse
from .tensor import Tensor, add, broadcast_to, data_of, op, sum_to  # noqa: F401  (all rows stand in this module)

# fmt: off
# ---- z = f(x, y)         dL/dx                                   dL/dy
sub      = op(np.subtract, lambda g, z, x, y: g,                   lambda g, z, x, y: -g)
mul      = op(np.multiply, lambda g, z, x, y: g * y,               lambda g, z, x, y: g * x)
div      = op(np.divide,   lambda g, z, x, y: g / y,               lambda g, z, x, y: -g * z / y)
power    = op(kernels.power, lambda g, z, x, y: g * _dpower(x, y), lambda g, z, x, y: g * (z * _log_base(x)))
matmul   = op(kernels.matmul, lambda g, z, x, y: g @ y.mT,         lambda g, z, x, y: x.mT @ g)
maximum  = op(np.maximum,  lambda g, z, x, y: _share(g, x > y, x >= y),  # where x = y, each gets one half:
                           lambda g, z, x, y: _share(g, y > x, y >= x))  # neither argument is preferred
minimum  = op(np.minimum,  lambda g, z, x, y: _share(g, x < y, x <= y),
                           lambda g, z, x, y: _share(g, y < x, y <= x))
where    = op(kernels.where, None,                                       # the mask has no gradient
                           lambda g, z, mask, x, y: keep(g, mask), lambda g, z, mask, x, y: keep(g, ~mask))
keep     = op(kernels.keep, lambda g, z, x, mask: keep(g, mask),   None) # x where mask, else 0

# ---- z = f(x)            dL/dx
neg      = op(np.negative, lambda g, z, x: -g)
abs      = op(np.abs,      lambda g, z, x: g * np.sign(data_of(x)))      # 0 at 0, the mean of both slopes
sqrt     = op(np.sqrt,     lambda g, z, x: g / (2 * z))
square   = op(np.square,   lambda g, z, x: g * (2 * x))
exp      = op(np.exp,      lambda g, z, x: g * z)
expm1    = op(np.expm1,    lambda g, z, x: g * exp(x))
log      = op(np.log,      lambda g, z, x: g / x)
log1p    = op(np.log1p,    lambda g, z, x: g / (1 + x))
sin      = op(np.sin,      lambda g, z, x: g * cos(x))
cos      = op(np.cos,      lambda g, z, x: -g * sin(x))
tanh     = op(np.tanh,     lambda g, z, x: g * (1 - z * z))
sigmoid  = op(kernels.sigmoid, lambda g, z, x: g * (z * (1 - z)))
softplus = op(kernels.softplus, lambda g, z, x: g * sigmoid(x))
relu     = op(kernels.relu, lambda g, z, x: keep(g, x > 0))            # 0 at 0: a unit that is off stays off

# ---- with settings       dL/dx
leaky_relu = op(kernels.leaky_relu, lambda g, z, x, slope=0.01: g * _slope(x, slope))  # slope at 0, like relu
elu      = op(kernels.elu, lambda g, z, x, alpha=1.0: g * _elu_slope(x, alpha))
clip     = op(kernels.clip, lambda g, z, x, low=None, high=None: keep(g, _inside(x, low, high)))
                                            # 1 at the bounds, so that a value that has reached one can return

# ---- reductions          dL/dx
sum      = op(kernels.sum, lambda g, z, x, axis=None, keepdims=False: _broadcast_back(g, x, axis))
mean     = op(kernels.mean, lambda g, z, x, axis=None, keepdims=False:
                                _broadcast_back(g * (1 / kernels.count(x, axis)), x, axis))
max      = op(kernels.max, lambda g, z, x, axis=None, keepdims=False: _share_among_maxima(g, z, x, axis))
min      = op(kernels.min, lambda g, z, x, axis=None, keepdims=False: _share_among_maxima(g, z, x, axis))

# ---- linear rows that move numbers: index and put, pad and crop are each other's vjp, the rest their own
index    = op(kernels.index, lambda g, z, x, key: put(g, key, x.shape))
put      = op(kernels.put, lambda g, z, x, key, shape: index(g, key))
pad      = op(kernels.pad, lambda g, z, x, width: crop(g, width))
crop     = op(kernels.crop, lambda g, z, x, width: pad(g, width))
reshape  = op(kernels.reshape, lambda g, z, x, shape: reshape(g, x.shape))
transpose = op(kernels.transpose, lambda g, z, x, axes=None: transpose(g, _inverse(axes)))
swapaxes = op(kernels.swapaxes, lambda g, z, x, axis1, axis2: swapaxes(g, axis1, axis2))
cast     = op(kernels.cast, lambda g, z, x, dtype: cast(g, x.dtype))
# each(i, g, z, *xs) is the vjp of argument i: for rows that take any number of arrays
concatenate = op(kernels.concatenate, each=lambda i, g, z, *xs, axis=0: _part(i, g, xs, axis))
stack    = op(kernels.stack, each=lambda i, g, z, *xs, axis=0: _layer(i, g, axis))
# fmt: on


# ---- what vjps are made of. A comparison is flat almost everywhere, so that of Tensors, too, is a plain array.

def _share(g: Value, wins: Any, ties: Any) -> Value:
    """g where x wins, g / 2 where both are equal, 0 elsewhere. wins: x > y; ties: x >= y."""
    half = g.dtype.type(0.5)
    return keep(g * (wins * half + half), ties)         # a winner's g is never halved: half could be subnormal, or 0


def _slope(x: Value, below: float) -> Any:
    """1 where x > 0, `below` elsewhere, in x's dtype."""
    return (x > 0) * x.dtype.type(1 - below) + x.dtype.type(below)


def _elu_slope(x: Value, alpha: float) -> Value:
    """1 where x > 0, alpha e^x elsewhere. (z + alpha is the same, but loses its digits far to the left.)"""
    slope = exp(minimum(x, 0))
    return slope if alpha == 1 else slope * _slope(x, alpha)


def _inside(x: Value, low: float | None, high: float | None) -> Any:
    if low is None or high is None:
        return x <= high if low is None else x >= low
    return (x >= low) & (x <= high)


def _dpower(x: Any, y: Any) -> Any:
    """y x^(y-1); at y = 0 it is 0, also at x = 0, where x^(y-1) is infinite."""
    if isinstance(y, int | float):
        return y * x ** (y - (y != 0))
    return y * x ** (y - ((y != 0) | (x != 0)))


def _log_base(x: Any) -> Any:
    """log x; 0 at x = 0, where x^y = 0 does not depend on y > 0; nan below, where x^y is real for whole y alone."""
    if isinstance(x, int | float):
        return float("nan") if x < 0 else log_of_number(x or 1)
    return log(x + (x == 0))


def _broadcast_back(g: Value, x: Value, axis: Axis) -> Value:
    """g, one number for each group of x along axis, handed to every member of its group."""
    kept = kernels.kept_shape(x, axis)
    g = g if g.shape == kept else reshape(g, kept)
    return g if kept == x.shape else broadcast_to(g, shape=x.shape)


def _share_among_maxima(g: Value, z: Value, x: Value, axis: Axis) -> Value:
    """g of a group, shared equally by those of its members that equal its maximum (or minimum) z."""
    kept = kernels.kept_shape(x, axis)
    won = data_of(x) == data_of(z).reshape(kept)
    share = reshape(g, kept) / won.sum(axis, keepdims=True).astype(x.dtype).reshape(kept)
    return keep(broadcast_to(share, x.shape), won)


def _part(i: int, g: Value, xs: tuple, axis: int) -> Value:
    """The part of g that belongs to the i-th of the concatenated xs."""
    start = 0
    for x in xs[:i]:
        start += x.shape[axis]
    return index(g, key=(slice(None),) * (axis % g.ndim) + (slice(start, start + xs[i].shape[axis]),))


def _layer(i: int, g: Value, axis: int) -> Value:
    return index(g, key=(slice(None),) * (axis % g.ndim) + (i,))


def _inverse(axes: Any) -> tuple[int, ...] | None:
    if axes is None or isinstance(axes, int):           # a number, for the one axis of a vector
        return None
    return tuple(int(i) for i in np.argsort([a % len(axes) for a in axes]))


# ---- the rows get their names, and a Tensor its operators and methods

# Shapes, for help(ops.sum) and the reference. A row that has none here works entry by entry.
SHAPES = {
    "matmul": "x (..., n, k), y (..., k, m) -> x @ y (..., n, m). BadValue: fewer than two axes, or k differs.",
    "where": "mask (...) of bool, x, y -> x where mask, y elsewhere. Shapes broadcast. BadType: a mask of numbers.",
    "keep": "x (...), mask (...) of bool -> x where mask, 0 elsewhere, also where x is inf or nan. Shapes broadcast.",
    "sum": "x (n, d) -> () without an axis; (d,) for axis=0; (1, d) with keepdims. An axis is an int or a tuple.",
    "mean": "x (n, d) -> () without an axis; (d,) for axis=0; (1, d) with keepdims. BadValue: no entries.",
    "max": "x (n, d) -> () without an axis; (d,) for axis=0; (1, d) with keepdims. Equal maxima share the gradient.",
    "min": "x (n, d) -> () without an axis; (d,) for axis=0; (1, d) with keepdims. Equal minima share the gradient.",
    "index": "x (...), key -> x[key], in the shape that NumPy gives it. BadIndex: out of range.",
    "put": "g, key, shape -> zeros of this shape with g added at key: the adjoint of index.",
    "pad": "x (h, w), width -> zeros around x: (h + 2, w + 2) for width=1. Widths as in np.pad.",
    "crop": "x (h, w), width -> x without its rim: (h - 2, w - 2) for width=1. BadValue: there is less than that.",
    "reshape": "x (...), shape -> the same entries in this shape; one -1 in it is computed.",
    "transpose": "x (a, b, c) -> (c, b, a), or in the order of axes: (b, a, c) for axes=(1, 0, 2).",
    "swapaxes": "x (..., n, k) -> (..., k, n) for axis1=-1, axis2=-2.",
    "broadcast_to": "x (...), shape -> x repeated along new axes and along axes of length 1.",
    "sum_to": "x (n, d), shape -> x summed to this shape: (d,) or (1, d), from which x was broadcast.",
    "cast": "x (...) -> the same in another float dtype; the gradient comes back in x's. BadValue: not a float dtype.",
    "concatenate": "x (n, d), y (m, d), ... -> (n + m, d), along axis=0. BadType: a list; write concatenate(*xs).",
    "stack": "x (n, d), y (n, d), ... -> (2, n, d), along a new axis=0.",
}
ENTRYWISE = {1: "x (...) -> z (...), entry by entry.",
             2: "x (...), y (...) -> z (...), entry by entry; their shapes broadcast."}


def named(module: dict[str, Any], *names: str) -> dict[str, Any]:
    """The rows of a module, all or those of these names, by name. A row gets its name, by which pickle finds it."""
    rows = {name: row for name, row in module.items() if hasattr(row, "vjps") and name in (names or module)}
    for name, row in rows.items():
        row.__name__ = row.__qualname__ = name
        row.__module__ = module["__name__"]
        row.__doc__ = module.get("SHAPES", {}).get(name) or ENTRYWISE[len(row.vjps)]
    return rows


ROWS = named(globals())


if not TYPE_CHECKING:               # mypy would take every name for one that is there
    def __getattr__(name: str) -> None:
        raise refusals.elsewhere(__name__, name)

# Rows that NumPy's arrays or PyTorch's tensors have as a method: x.sum(0), x.exp(), x.max().
METHODS = ("abs", "add", "broadcast_to", "clip", "cos", "div", "exp", "expm1", "log", "log1p", "matmul", "max",
           "maximum", "mean", "min", "minimum", "mul", "neg", "relu", "sigmoid", "sin", "sqrt", "square", "sub", "sum",
           "swapaxes", "tanh")
OPERATORS = {
    "__add__": add,         "__radd__": lambda x, y: add(y, x),
    "__sub__": sub,         "__rsub__": lambda x, y: sub(y, x),
    "__mul__": mul,         "__rmul__": lambda x, y: mul(y, x),
    "__truediv__": div,     "__rtruediv__": lambda x, y: div(y, x),
    "__pow__": power,       "__rpow__": lambda x, y: power(y, x),
    "__matmul__": matmul,   "__rmatmul__": lambda x, y: matmul(y, x),
    "__neg__": neg,         "__abs__": abs,
    "__getitem__": lambda x, key: index(x, key=key),
    "T": property(lambda x: transpose(x), doc="(a, b, c) -> (c, b, a): the axes in reverse."),
    "mT": property(lambda x: swapaxes(x, -1, -2), doc="(..., n, k) -> (..., k, n): the matrices transposed."),
    "reshape": lambda x, *shape: reshape(x, shape[0] if len(shape) == 1 else shape),
    "transpose": lambda x, *axes: transpose(x, (axes[0] if len(axes) == 1 else axes) or None),
    "astype": lambda x, dtype: cast(x, dtype),
}
for _name, _row in (("reshape", reshape), ("transpose", transpose), ("astype", cast)):
    OPERATORS[_name].__doc__ = _row.__doc__
for _name, _row in (OPERATORS | {name: ROWS[name] for name in METHODS}).items():
    setattr(Tensor, _name, _row)

# NumPy's functions, called with a Tensor, are the rows of the same meaning.
guards.NUMPY |= {row.forward: row for row in ROWS.values() if isinstance(row.forward, np.ufunc)}
guards.NUMPY |= {getattr(np, name): ROWS[name] for name in (
    "broadcast_to", "clip", "matmul", "max", "mean", "min", "pad", "power", "reshape", "sum", "swapaxes", "transpose",
    "where")} | {np.amax: max, np.amin: min}
guards.NUMPY |= {np.concatenate: lambda xs, axis=0: concatenate(*xs, axis=axis),
                 np.stack: lambda xs, axis=0: stack(*xs, axis=axis)}

# On a GPU, the vjps of an elementwise row are one kernel each. (A vjp of a single operation is one already.)
for _row in (div, power, maximum, minimum, where, abs, sqrt, square, expm1, log1p, sin, cos, tanh, sigmoid, softplus,
             relu, leaky_relu, elu, clip):
    _row.vjps = tuple(vjp and fuse(vjp, f"{_row.__name__}_vjp") for vjp in _row.vjps)

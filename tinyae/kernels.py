"""kernels: the NumPy code of those rows that are more than one NumPy function.

The first part, `fuse`, turns an elementwise function into one GPU kernel. On a GPU, running each NumPy operation
separately costs a kernel launch and a full trip through memory per operation; cupy.fuse traces the function once and
compiles all of its operations into one kernel. (Compiling takes a moment at the first call: CuPy caches kernels in
~/.cupy.) The function's body stays plain NumPy, and that is what runs on the CPU.

The second part holds the kernels, named as their rows in ops.py. An elementwise kernel writes into its own arrays
(out=, +=), because new arrays would cost as much as the arithmetic.
"""
from __future__ import annotations

from collections.abc import Callable
from functools import partial, wraps
from math import isinf, isnan, prod
from typing import Any

import numpy as np

from .backend import Array, Axis, add_at, describe, device_of, gpu, is_array, ones, to_device
from .errors import BadIndex, BadType, BadValue

MANY = {2: 1 << 8, 4: 1 << 16, 8: 1 << 62}          # itemsize -> terms that a sum may add up one by one
WIDER = {2: np.float32, 4: np.float64}              # itemsize -> the dtype in which it adds up more
BITS = {2: np.int16, 4: np.int32, 8: np.int64}      # itemsize -> integers of that size


def fuse(f: Callable, name: str = "") -> Callable:
    """f(*arrays, **settings), elementwise, as one GPU kernel named tinyae_`name`: one launch, one pass over memory.

    f may use operators and NumPy's ufuncs (in place too), where, clip and astype. It may not ask for a shape: each
    entry of the result depends on one entry of each array, after broadcasting. A Python number among the arrays takes
    their dtype; settings are compiled in. For NumPy arrays and Tensors, f itself is called.
    """
    compiled: dict[Any, Callable] = {}

    @wraps(f)
    def fused(*args: Any, **settings: Any) -> Any:
        if type(args[0]) is np.ndarray or any(map(is_array, settings.values())):
            return f(*args, **settings)
        if hasattr(type(args[0]), "record"):                    # an array of unroll
            return args[0].record(fused, args, settings)
        key = (*map(type, args), *settings.items())
        if key not in compiled:
            compiled[key] = _compiled(partial(f, **settings), name or f.__name__, list(map(type, args)))
        return compiled[key](*args)

    fused.is_elementwise = True                                 # type: ignore[attr-defined]
    return fused


def _compiled(f: Callable, name: str, kinds: list[type]) -> Callable:
    """The function for arguments of these types: a kernel for GPU arrays with numbers beside them, else f."""
    on_gpu = [hasattr(kind, "__cuda_array_interface__") for kind in kinds]
    numbers = [issubclass(kind, int | float) for kind in kinds]
    if not any(on_gpu) or sum(on_gpu) + sum(numbers) < len(kinds):
        return f
    kernel = gpu().fuse(kernel_name=f"tinyae_{name.strip('<_>')}")(
        lambda *variables: _variable(f(*map(_Entry, variables))))

    def with_numbers(*args: Any) -> Any:
        # Pass np.float32(2), not 2: from two Python numbers, cupy.fuse computes 1 - 0.5 in float16.
        dtype = next(x.dtype for x, number in zip(args, numbers, strict=True) if not number and x.dtype.kind == "f")
        return kernel(*[dtype.type(x) if number else x for x, number in zip(args, numbers, strict=True)])

    return with_numbers if any(numbers) else kernel


class _Entry(np.lib.mixins.NDArrayOperatorsMixin):
    """One entry of an array: the argument with which cupy.fuse traces f.

    cupy.fuse's own variables accept cupy.exp, but neither np.exp nor abs(x). This class turns all of them into CuPy's
    ufuncs.
    """

    def __init__(self, variable: Any):
        self.variable = variable

    dtype = property(lambda self: self.variable.dtype)
    itemsize = property(lambda self: self.variable.dtype.itemsize)

    def __bool__(self) -> bool:
        return bool(self.variable)                      # CuPy refuses: entries differ

    def astype(self, dtype: Any) -> _Entry:
        return _Entry(self.variable.astype(dtype))

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *args: Any, out: tuple = (None,)) -> Any:
        return self._call(ufunc, *args, out=out[0]) if method == "__call__" else NotImplemented

    def __array_function__(self, function: Callable, types: Any, args: tuple, kwargs: dict) -> Any:
        if function is np.empty_like:
            return None         # for out=: a kernel's intermediate results stay in registers
        return self._call(function, *args, **kwargs) if function in (np.where, np.clip) else NotImplemented

    def _call(self, function: Callable, *args: Any, **kwargs: Any) -> _Entry:
        kwargs = {name: _variable(value) for name, value in kwargs.items()}
        return _Entry(getattr(gpu(), function.__name__)(*map(_variable, args), **kwargs))


def _variable(x: Any) -> Any:
    """The CuPy variable of an _Entry, or of each _Entry in a tuple; anything else as it is."""
    return tuple(map(_variable, x)) if isinstance(x, tuple) else getattr(x, "variable", x)


# ---- elementwise

def relu(x: Array) -> Array:
    return np.maximum(x, 0)


@fuse
def leaky_relu(x: Array, slope: float = 0.01) -> Array:
    _check_number("leaky_relu", slope=slope)
    z = np.multiply(x, slope, out=np.empty_like(x))
    return (np.maximum if slope <= 1 else np.minimum)(x, z, out=z)


@fuse
def elu(x: Array, alpha: float = 1.0) -> Array:
    _check_number("elu", alpha=alpha)
    if alpha < 0:
        raise BadValue("elu needs alpha >= 0", expected="alpha >= 0", got=alpha, fix="alpha=1.0")
    z = np.clip(x, -np.inf, 0, out=np.empty_like(x))
    np.expm1(z, out=z)
    if alpha != 1:
        z *= alpha
    return np.maximum(z, x, out=z) if alpha <= 1 else np.add(z, np.maximum(x, 0), out=z)


def exp_below_top(x: Array) -> Array:
    """e^min(x, 40): above 40, e^x / (1 + e^x) is 1 and log(1 + e^x) is x, to the last bit. float16 ends at e^11."""
    z = np.clip(x, -np.inf, 40 if x.dtype != np.float16 else 11, out=np.empty_like(x))  # np.minimum takes twice as long
    return np.exp(z, out=z)


@fuse
def sigmoid(x: Array) -> Array:
    z = exp_below_top(x)
    z /= 1 + z                                      # e^x / (1 + e^x): both tails keep their relative precision
    return z


@fuse
def softplus(x: Array) -> Array:
    z = exp_below_top(x)
    np.log1p(z, out=z)
    return np.maximum(z, x, out=z)


def power(x: Array, y: Array) -> Array:
    return x ** y                                   # np.power(x, 2) is 5 times slower


def clip(x: Array, low: float | None = None, high: float | None = None) -> Array:
    bounds = {name: bound for name, bound in (("low", low), ("high", high)) if bound is not None}
    _check_number("clip", **bounds)
    if not bounds:
        raise BadValue("clip needs a bound", expected="low, high, or both", got="neither", fix="clip(x, 0, 1)")
    return np.clip(x, low, high)


def keep(x: Array, mask: Array) -> Array:
    """x where mask, 0 elsewhere, also where x is inf or nan. Plain twin: np.where(mask, x, 0)."""
    if type(x) is np.ndarray or isinstance(x, np.generic):
        # The bits of x times 1 or 0. np.where takes 15 times as long: the processor cannot predict the mask.
        return (x.view(BITS[x.itemsize]) * mask).view(x.dtype)
    return np.where(mask, x, 0)


def where(mask: Array, x: Array, y: Array) -> Array:
    if not is_array(mask) or mask.dtype != bool:
        raise BadType("where needs a mask", expected="an array of bool", got=describe(mask), fix="where(t > 0, x, y)")
    return np.where(mask, x, y)


def cast(x: Array, dtype: Any) -> Array:
    if np.dtype(dtype).kind != "f":
        raise BadValue("cast goes from float to float", expected="np.float32, np.float64 or np.float16",
                       got=repr(dtype), fix="t.data.astype(dtype), which has no gradient")
    return x.astype(dtype)


# ---- sums and products

def sum(x: Array, axis: Axis = None, keepdims: bool = False) -> Array:
    return np.sum(x, axis, keepdims=keepdims) if _few(x, axis) else _wide(np.sum, x, axis, keepdims)


def mean(x: Array, axis: Axis = None, keepdims: bool = False) -> Array:
    _check_some("mean", x, axis)
    return np.mean(x, axis, keepdims=keepdims) if _few(x, axis) else _wide(np.mean, x, axis, keepdims)


def max(x: Array, axis: Axis = None, keepdims: bool = False) -> Array:
    _check_some("max", x, axis)
    return np.max(x, axis, keepdims=keepdims)


def min(x: Array, axis: Axis = None, keepdims: bool = False) -> Array:
    _check_some("min", x, axis)
    return np.min(x, axis, keepdims=keepdims)


def kept_shape(x: Any, axis: Axis) -> tuple[int, ...]:
    """The shape of a reduction of x with keepdims=True."""
    if axis is None or x.ndim == 0:                 # NumPy takes axis 0 and -1 of a single number as well
        return (1,) * x.ndim
    axes = [a % x.ndim for a in (axis if isinstance(axis, tuple) else (axis,))]
    return tuple(1 if i in axes else n for i, n in enumerate(x.shape))


def count(x: Any, axis: Axis) -> int:
    """How many entries of x go into each entry of a reduction."""
    if axis is None:
        return x.size
    kept = kept_shape(x, axis)
    return prod(n for n, m in zip(x.shape, kept, strict=True) if m == 1)


def sum_to(x: Array, shape: tuple[int, ...]) -> Array:
    """x summed over the axes along which `shape` was broadcast."""
    if x.shape == shape:
        return x
    new = x.ndim - len(shape)
    if new > 0 and shape and shape == x.shape[new:]:            # the gradient of a bias
        return _sum_of_rows(x.reshape(prod(x.shape[:new]), prod(shape))).reshape(shape)
    if new < 0 or any(n not in (1, m) for n, m in zip(shape, x.shape[new:], strict=True)):
        raise BadValue("sum_to undoes a broadcast", expected=f"{x.shape}, or a shape that broadcasts to it", got=shape,
                       fix="a shape whose axes, counted from the last, are 1 or those of x")
    axes = tuple(range(new)) + tuple(new + i for i, n in enumerate(shape) if n == 1)
    return sum(x, axes, keepdims=True).reshape(shape)


def _sum_of_rows(rows: Array) -> Array:
    """(n, k) -> (k,): a product with ones, which is 1.5 to 12 times as fast as the sum; long ones in blocks."""
    n, step = len(rows), MANY[rows.itemsize]
    if n <= step or device_of(rows) == "cuda":
        return ones(n, like=rows) @ rows
    blocks = [ones(len(block), like=rows) @ block
              for block in (rows[start:start + step] for start in range(0, n, step))]
    return sum(np.stack(blocks), 0)


def matmul(x: Array, y: Array) -> Array:
    if x.ndim < 2 or y.ndim < 2 or x.shape[-1] != y.shape[-2]:
        raise BadValue("matmul cannot multiply these", expected="(..., n, k) @ (..., k, m)",
                       got=f"{describe(x)} @ {describe(y)}",
                       fix="x.mT if its axes are swapped; a vector w as x @ w.reshape(-1, 1) or w.reshape(1, -1) @ x")
    return np.matmul(x, y)


def _few(x: Any, axis: Axis) -> bool:
    """Whether NumPy may add up the terms of each sum one by one: past a sum of 2^24, float32 loses every term of 1.

    NumPy adds the whole of a contiguous array pairwise, which loses little; it adds row to row along any other axis.
    """
    return (type(x) is not np.ndarray or x.size <= MANY[x.itemsize]         # CuPy adds pairwise everywhere
            or (axis is None and x.flags.forc) or count(x, axis) <= MANY[x.itemsize])


def _wide(f: Callable, x: Array, axis: Axis, keepdims: bool) -> Array:
    return f(x, axis, keepdims=keepdims, dtype=WIDER[x.itemsize]).astype(x.dtype)


# ---- moving numbers

def broadcast_to(x: Array, shape: tuple[int, ...]) -> Array: return np.broadcast_to(x, shape)
def reshape(x: Array, shape: tuple[int, ...]) -> Array: return np.reshape(x, shape)
def transpose(x: Array, axes: tuple[int, ...] | None = None) -> Array: return np.transpose(x, axes)
def swapaxes(x: Array, axis1: int, axis2: int) -> Array: return np.swapaxes(x, axis1, axis2)
def pad(x: Array, width: Any) -> Array: return np.pad(x, widths(width, x.ndim))


def crop(x: Array, width: Any) -> Array:
    pairs = widths(width, x.ndim)
    if any(before + after > n for (before, after), n in zip(pairs, x.shape, strict=True)):
        raise BadValue("crop takes off more than there is", expected=f"widths that fit into {x.shape}", got=width,
                       fix="a smaller width")
    return x[tuple(slice(before, n - after) for (before, after), n in zip(pairs, x.shape, strict=True))]


def widths(width: Any, ndim: int) -> tuple[tuple[int, int], ...]:
    """(before, after) for each axis, from any form that np.pad takes: n, (before, after), ((before, after), ...)."""
    pairs = np.broadcast_to(np.asarray(width), (ndim, 2)).tolist()
    if not ndim or not all(type(n) is int and n >= 0 for pair in pairs for n in pair):
        raise BadValue("a width must be a whole number >= 0 for each axis", got=f"{width!r}, for {ndim} axes",
                       expected="n, (before, after), or a pair for each axis", fix="width=1; ops.crop takes pixels off")
    return tuple(map(tuple, pairs))


def index(x: Array, key: Any) -> Array:
    try:
        return x[parts(key, x)]
    except IndexError as error:
        raise _no_index(x, error) from error


def _no_index(x: Array, error: IndexError) -> BadIndex:
    return BadIndex("index out of range, or not an index", expected=f"an index of {describe(x)}", got=str(error),
                    fix="integers below the length of their axis, slices, None, ... or a mask of bool")


def put(g: Array, key: Any, shape: tuple[int, ...]) -> Array:
    """Zeros of this shape with g added at key: the adjoint of index."""
    z = np.zeros(shape, g.dtype, like=g if is_array(g) else None)      # NumPy turns 0-d results into scalars
    keys = parts(key, g)
    try:
        if all(_is_plain(k) or k.dtype == bool for k in keys):
            z[keys] = g
        else:
            add_at(z, keys, g)                      # integers may name a place twice: both are added
    except IndexError as error:
        raise _no_index(z, error) from error
    return z


def parts(key: Any, x: Array) -> tuple:
    """An index of x as a tuple; lists, tuples and other sequences of integers or bools in it become arrays."""
    return tuple(k if _is_plain(k) else _array(k, x) for k in (key if isinstance(key, tuple) else (key,)))


def _is_plain(k: Any) -> bool:
    """Whether this part of an index is not an array, and so cannot name a place twice."""
    return k is None or k is Ellipsis or isinstance(k, int | slice | np.integer)


def _array(k: Any, x: Array) -> Array:
    where = device_of(x)
    if not is_array(k):
        k = np.asarray(k)
        k = to_device(k if k.size else k.astype(np.intp), where)            # np.asarray([]) is of float64
    if device_of(k) != where:
        raise BadType("index on another device", expected=f"{where}, as {describe(x)}", got=describe(k),
                      fix=f'backend.to_device(index, "{where}")')
    return k


def concatenate(*xs: Array, axis: int = 0) -> Array:
    if isinstance(xs[0], list | tuple):
        raise BadType("arrays go by position", expected="concatenate(x, y, axis=0)", got="a list",
                      fix="concatenate(*xs)")
    if axis is None:
        raise BadValue("concatenate needs an axis", expected="axis, an int", got=None,
                       fix="ops.reshape(x, (-1,)) of each, then axis=0")
    return np.concatenate(xs, axis)


def stack(*xs: Array, axis: int = 0) -> Array:
    like = next((x for x in xs if is_array(x)), None)       # beside an array, a number takes its dtype
    return np.stack([x if is_array(x) or like is None else np.asarray(x, like.dtype, like=like) for x in xs], axis)


def _check_number(name: str, **settings: Any) -> None:
    for setting, value in settings.items():
        if not isinstance(value, int | float):
            raise BadType(f"{name} needs a number as {setting}", expected=f"{setting}, a Python number",
                          got=describe(value), fix="ops.maximum and ops.minimum for one bound per entry"
                          if name == "clip" else f"ops.where(x > 0, x, {setting} * x) for one number per entry")
        if isnan(value) or (isinf(value) and name != "clip"):
            raise BadValue(f"{name}: {setting} must be a number" + " and finite" * (name != "clip"),
                           expected=f"{setting}, finite", got=value, fix=f"leave {setting} out, for its default")


def _check_some(name: str, x: Any, axis: Axis) -> None:
    if getattr(x, "size", 1) == 0 and count(x, axis) == 0:
        raise BadValue(f"{name} of nothing", expected="at least one entry along the axis", got=f"{describe(x)}, "
                       f"axis={axis}", fix="leave empty batches out: if len(x) > 0")

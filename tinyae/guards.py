"""guards: what may enter a Tensor, a row or grad; everything else is refused with a reason and a fix.

A tape has one float dtype and one device. Python numbers, NumPy scalars, lists and masks adapt to it; other arrays are
refused with the cast to write. Data that has been taken in can no longer be changed from outside. tensor.py can be read
without this file, and refusals.py holds its sentences.
"""
from __future__ import annotations

import warnings
from array import array
from collections.abc import Callable, Iterator
from functools import cache, partial
from html import escape
from inspect import Parameter, signature, unwrap
from typing import TYPE_CHECKING, Any

import numpy as np

from . import refusals
from .backend import Array, Axis, Value, device_of, freeze, frozen, is_array, to_device, to_host
from .errors import Refusal

if TYPE_CHECKING:
    from typing_extensions import Self

NUMBERS = (bool, float, int, np.bool_, np.integer, np.floating)


# ---- Tensor(data) and t.data = new

def leaf_data(data: Any) -> Array:
    """The array of Tensor(data): numbers and lists become float32; a float array is kept as it is, read-only."""
    if isinstance(data, Guarded):
        raise refusals.already_a_tensor(data)
    if is_array(data) or isinstance(data, np.generic):
        x = data if is_array(data) else np.asarray(data)
    else:
        x = np.array(data)                      # a list of Tensors ends in Guarded.__array__, which refuses it
        x = x.astype(np.float32) if x.dtype.kind in "iuf" else x
    if x.dtype.kind != "f" or not x.dtype.isnative or isinstance(x, np.ma.MaskedArray | np.matrix):
        raise refusals.not_float(x)
    return frozen(np.asarray(x) if isinstance(x, np.ndarray) else x)


def new_data(t: Any, new: Any) -> Array:
    """The array of t.data = new: t is a leaf, and new has t's shape, dtype and device."""
    old, new = t._data, np.asarray(new) if isinstance(new, np.generic) else new
    if t.op is not None:
        raise refusals.not_a_leaf(t, "given new data")
    if not is_array(new) or (new.shape, new.dtype, device_of(new)) != (old.shape, old.dtype, device_of(old)):
        raise refusals.misfit(new, old)
    return frozen(new)


# ---- a call of a row

def run(row: Any, args: tuple, settings: dict[str, Any], first: Any) -> tuple[Array, tuple, dict[str, Any], list]:
    """(z, args, settings, parents): forward's result, from what may enter beside the Tensor `first`."""
    vjps, forward, Tensor, like = row.vjps, row.forward, type(first), first._data
    dtype, kind = like.dtype, type(like)
    if type(vjps) is tuple and len(args) != len(vjps):
        args, settings = by_position(row, args, settings)
    if kind is not np.ndarray and hasattr(kind, "record"):
        (args, settings), forward = like.recording.admit(row, args, settings), like.forward(row)
    if settings:
        settings = {name: frozen_setting(row, name, value) for name, value in settings.items()}
    arrays: list[Any] = []
    parents: list[Any] = []
    for i, a in enumerate(args):
        if type(a) is Tensor:
            parents.append(a)
            x = a._data
            if vjps[i] is None:
                raise refusals.no_gradient(row.__name__, i, a)
            # `is` first: one dtype is mostly the same object, and comparing dtypes takes ten times as long.
            if type(x) is not kind or (x.dtype is not dtype and x.dtype != dtype):
                if type(x) is kind or not (hasattr(kind, "record") or hasattr(x, "record")):
                    raise refusals.mixed(row.__name__, i, x, like)
                return (x if hasattr(x, "record") else like).recording.run(row, args, settings)
        elif type(a) is float:
            x = a
        elif type(a) is not kind and hasattr(type(a), "record"):
            return a.recording.run(row, args, settings)                 # with Tensors that record, too
        else:
            x = constant(row.__name__, i, a, like, cast=vjps[i] is not None)
            if x is not a:
                args = (*args[:i], x, *args[i + 1:])
        arrays.append(x)
    try:
        z = forward(*arrays, **settings)
    except Refusal:
        raise
    except (ValueError, TypeError) as error:
        names = setting_names(row.forward, len(vjps)) if not isinstance(vjps, Each) else []
        raise refusals.no_fit(row, names, arrays, settings, error) from error
    if type(z) is not kind:
        if not isinstance(z, np.ndarray | np.generic):
            raise refusals.not_an_array(row.__name__, z)
        z = np.asarray(z)                       # NumPy turns 0-d results into scalars
    if z.dtype is not dtype and z.dtype != dtype and "dtype" not in settings:       # only the row cast has dtype
        raise refusals.changed_dtype(row.__name__, z, dtype)
    if kind is np.ndarray:
        z.setflags(False)                       # read-only (flags.writeable = False takes 5 times as long)
    return z, args, settings, parents


def constant(row: str, i: int, a: Any, like: Array, cast: bool) -> Any:
    """Argument i of the row, which is no Tensor, as the row takes it beside a Tensor whose data is `like`.

    Numbers stay Python numbers, which adapt to any dtype. An argument without a gradient, such as a mask, is not cast.
    """
    if type(a) is type(like) and a.dtype == like.dtype and a.ndim:
        return frozen(a)                        # most constants are a batch
    if isinstance(a, np.bool_) and not cast:
        a = to_device(np.asarray(a), device_of(like))       # NumPy compares 0-d arrays to a scalar: a mask of one
    if isinstance(a, NUMBERS):
        return a.item() if isinstance(a, np.generic) else a
    if isinstance(a, list | tuple):
        a = to_device(np.asarray(a, like.dtype if cast else None), device_of(like))
    if isinstance(a, np.ndarray) and type(a) is not np.ndarray:
        a = np.asarray(a)                       # np.memmap and other subclasses
    if not is_array(a):
        raise refusals.no_array(row, i, a)
    if cast and a.ndim == 0:
        return a.item() if isinstance(a, np.ndarray) else a.astype(like.dtype)
    if type(a) is not type(like) or (cast and a.dtype not in (like.dtype, bool)):
        raise refusals.mixed(row, i, a, like)
    return freeze(a.astype(like.dtype)) if cast and a.dtype == bool else frozen(a)


def frozen_setting(row: Any, name: str, value: Any) -> Any:
    """A setting that can no longer be changed from outside (an index may hold arrays); numbers become Python's own.

    A np.float64 beside a float32 array would decide the dtype, and so would a size times a np.int64.
    """
    if isinstance(value, tuple | list):
        parts = [frozen_setting(row, name, v) for v in value]
        return parts if name == "key" and isinstance(value, list) else tuple(parts)     # x[[0, 1]] is not x[0, 1]
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, array | memoryview):
        return value.tolist()
    if isinstance(value, Guarded):
        raise refusals.setting_is_a_tensor(row.__name__, name, value)
    return frozen(value) if is_array(value) else value


def by_position(row: Any, args: tuple, settings: dict[str, Any]) -> tuple[tuple, dict[str, Any]]:
    """(arrays, settings) of a call in which settings stand by position, as in sum(x, 0)."""
    n = len(row.vjps)
    names, given = setting_names(row.forward, n), args[n:]
    if len(args) < n or len(given) > len(names) or settings.keys() & set(names[:len(given)]):
        raise refusals.wrong_count(row, n, names, args, settings)
    return args[:n], dict(zip(names, given, strict=False)) | settings


@cache
def setting_names(forward: Callable, arrays: int) -> list[str]:
    """The settings of a forward: its parameters after so many arrays."""
    parameters = [] if isinstance(unwrap(forward), np.ufunc) else [*signature(forward).parameters.values()][arrays:]
    return [p.name for p in parameters if p.kind in (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)]


class Each:
    """The vjps of a row that takes any number of arguments: vjps[i] is each(i, ...)."""
    __iter__ = None                             # there is no last one

    def __init__(self, each: Any):
        if each is None:
            raise refusals.no_vjps()
        self.each = each

    def __getitem__(self, i: int) -> Callable:
        return partial(self.each, i)


# ---- grad

def scalar(y: Any) -> Any:
    """y, if it is a Tensor with one element."""
    if not isinstance(y, Guarded):
        raise refusals.not_a_tensor(y)
    if y._data.size != 1:
        raise refusals.not_a_scalar(y)
    return y


def wanted(wrt: Any, unused: str) -> set:
    """The entries of wrt, if they are Tensors."""
    if not isinstance(wrt, list | tuple):
        raise refusals.wrt_no_list(wrt)
    for i, w in enumerate(wrt):
        if not isinstance(w, Guarded):
            raise refusals.wrt_no_tensor(i, w)
    if unused not in ("error", "zero"):
        raise refusals.unknown_unused(unused)
    return set(wrt)


# ---- a Tensor in the hands of Python and NumPy

NUMPY: dict[Callable, Callable] = {}            # NumPy's function -> the row that computes it; filled by ops.py
COMPARISONS = (np.greater, np.greater_equal, np.less, np.less_equal, np.equal, np.not_equal)


def _ufunc(t: Any, ufunc: np.ufunc, method: str, *args: Any, **settings: Any) -> Any:
    """np.exp(t), and array * t: the row of that ufunc (NEP 13)."""
    if method == "__call__" and ufunc in NUMPY and not settings:
        return NUMPY[ufunc](*args)
    if method == "__call__" and ufunc in COMPARISONS and not settings:
        return ufunc(*map(_data_of, args))
    name = ufunc.__name__ if method == "__call__" else f"{ufunc.__name__}.{method}"
    raise refusals.no_row(name, ", ".join(settings) if ufunc in NUMPY and method == "__call__" else "")


class _AsNumPyAsks:
    """NumPy looks __array_ufunc__ up on the type and gets _ufunc. CuPy looks on the instance and gets None: for
    array * t, None makes it leave the product to t.__rmul__."""

    def __get__(self, t: Any, kind: type) -> Any:
        return _ufunc if t is None else None


class Guarded:
    """How a Tensor answers Python and NumPy.

    Comparisons give plain arrays. NumPy's functions are the rows that compute them. A use that would lose the gradient
    silently is refused.
    """
    __slots__ = ()
    __array_priority__ = 1000                   # array * t asks t.__rmul__
    __array_ufunc__ = _AsNumPyAsks()
    _data: Any
    op: Any

    if TYPE_CHECKING:       # for editors and mypy: what ops.py gives to Tensor (a test compares the two)
        def __add__(self, y: Value) -> Self: ...
        def __radd__(self, y: Value) -> Self: ...
        def __sub__(self, y: Value) -> Self: ...
        def __rsub__(self, y: Value) -> Self: ...
        def __mul__(self, y: Value) -> Self: ...
        def __rmul__(self, y: Value) -> Self: ...
        def __truediv__(self, y: Value) -> Self: ...
        def __rtruediv__(self, y: Value) -> Self: ...
        def __pow__(self, y: Value) -> Self: ...
        def __rpow__(self, y: Value) -> Self: ...
        def __matmul__(self, y: Value) -> Self: ...
        def __rmatmul__(self, y: Value) -> Self: ...
        def __neg__(self) -> Self: ...
        def __abs__(self) -> Self: ...
        def __getitem__(self, key: Any) -> Self: ...
        T: Self
        mT: Self
        def abs(self) -> Self: ...
        def add(self, y: Value) -> Self: ...
        def astype(self, dtype: Any) -> Self: ...
        def broadcast_to(self, shape: tuple[int, ...]) -> Self: ...
        def clip(self, low: float | None = None, high: float | None = None) -> Self: ...
        def cos(self) -> Self: ...
        def div(self, y: Value) -> Self: ...
        def exp(self) -> Self: ...
        def expm1(self) -> Self: ...
        def log(self) -> Self: ...
        def log1p(self) -> Self: ...
        def matmul(self, y: Value) -> Self: ...
        def max(self, axis: Axis = None, keepdims: bool = False) -> Self: ...
        def maximum(self, y: Value) -> Self: ...
        def mean(self, axis: Axis = None, keepdims: bool = False) -> Self: ...
        def min(self, axis: Axis = None, keepdims: bool = False) -> Self: ...
        def minimum(self, y: Value) -> Self: ...
        def mul(self, y: Value) -> Self: ...
        def neg(self) -> Self: ...
        def relu(self) -> Self: ...
        def reshape(self, *shape: int | tuple[int, ...]) -> Self: ...
        def sigmoid(self) -> Self: ...
        def sin(self) -> Self: ...
        def sqrt(self) -> Self: ...
        def square(self) -> Self: ...
        def sub(self, y: Value) -> Self: ...
        def sum(self, axis: Axis = None, keepdims: bool = False) -> Self: ...
        def swapaxes(self, axis1: int, axis2: int) -> Self: ...
        def tanh(self) -> Self: ...
        def transpose(self, *axes: int | tuple[int, ...]) -> Self: ...

    # A comparison is flat almost everywhere, so its result is a constant: a plain array of bool.
    def __gt__(self, other: Any) -> Array: return self._data > _data_of(other)
    def __ge__(self, other: Any) -> Array: return self._data >= _data_of(other)
    def __lt__(self, other: Any) -> Array: return self._data < _data_of(other)
    def __le__(self, other: Any) -> Array: return self._data <= _data_of(other)
    def __eq__(self, other: Any) -> Array: return self._data == _data_of(other)
    def __ne__(self, other: Any) -> Array: return self._data != _data_of(other)
    __hash__ = object.__hash__                  # identity: a Tensor is a node of a computation

    def item(self) -> float:
        """The value of a one-element Tensor, as a Python float."""
        if self._data.size != 1:
            raise refusals.not_one_number(self)
        return self._data.item()

    def __float__(self) -> float:
        raise refusals.lost_as_number()

    __int__ = __complex__ = __float__

    def __bool__(self) -> bool:
        if self._data.size != 1:
            raise refusals.no_truth(self)
        return bool(self._data)

    def __len__(self) -> int:
        return len(self._data)

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self._data)))

    def __setitem__(self, key: Any, value: Any) -> None:
        raise refusals.no_writing()

    def __isub__(self, y: Any) -> Any:
        t = self - y
        if t.op is self.op and is_array(y) and is_array(self.args[1]) and getattr(self.args[0], "op", t) is None:
            warnings.warn(refusals.GROWING, stacklevel=2)       # only the second time: x -= mean is no mistake
        return t

    def __array__(self, *args: Any, **kwargs: Any) -> np.ndarray:
        raise refusals.lost_as_array()

    def __array_function__(self, function: Callable, types: Any, args: Any, settings: Any) -> Any:
        """np.sum(t, axis=0): the row of that function (NEP 18)."""
        if function in NUMPY:
            return NUMPY[function](*args, **settings)
        raise refusals.no_row(f"{function.__module__}.{function.__name__}".removeprefix("numpy."))

    def __getattr__(self, name: str) -> Any:
        raise refusals.no_attribute(name)

    def __reduce__(self) -> Any:
        if self.op is not None:
            raise refusals.not_a_leaf(self, "copied or pickled")
        return type(self), (self._data,)

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if spec else repr(self)

    # with the digits of their own dtype: 2.9 of a float32, not 2.9000000953674316
    _numbers = property(lambda self: to_host(self._data).astype(str).astype(float).tolist())

    def __repr__(self) -> str:
        made = f"made by {self.op.__name__}" if self.op else "leaf"
        place = "" if device_of(self._data) == "cpu" else ", on cuda"
        value = f"{self._numbers}, " if self._data.size <= 8 and not hasattr(self._data, "record") else ""
        return f"Tensor({value}shape {self._data.shape}, {self._data.dtype}, {made}{place})"

    def _repr_html_(self) -> str:
        """The same as a table, which a notebook shows."""
        facts = {"Tensor": self._numbers} if self._data.size <= 8 else {}
        facts |= {"shape": self._data.shape, "dtype": self._data.dtype, "device": device_of(self._data),
                  "made by": self.op.__name__ if self.op else "Tensor(array): a leaf"}
        rows = (f"<tr><th>{name}</th><td>{escape(str(fact))}</td></tr>" for name, fact in facts.items())
        return f"<table>{''.join(rows)}</table>"


def _data_of(x: Any) -> Any:
    return x._data if isinstance(x, Guarded) else x

"""2 of 9 · guards: what a tape takes in.

One float dtype and one device per tape; Python numbers, NumPy scalars, lists and masks adapt to it, other arrays are
refused with the cast to write. What has been taken in, nobody can change from outside.
"""
from __future__ import annotations

from typing import Any

import numpy as np

from . import refusals
from .backend import Array, device_of, freeze, frozen, is_array, to_device


def leaf_data(data: Any) -> Array:
    """The array that Tensor(data) keeps: numbers and lists as float32, a float array as it is, read-only."""
    if is_array(data) or isinstance(data, np.generic):
        x = data if is_array(data) else np.asarray(data)
    else:
        x = np.array(data)                      # a list of Tensors ends in Tensor.__array__'s sentence
        x = x.astype(np.float32) if x.dtype.kind in "iuf" else x
    if x.dtype.kind != "f" or not x.dtype.isnative or isinstance(x, np.ma.MaskedArray | np.matrix):
        raise refusals.not_float(x)
    return frozen(np.asarray(x) if isinstance(x, np.ndarray) else x)


def constant(name: str, i: int, a: Any, like: Array, cast: bool) -> Any:
    """Argument i of the row `name`, which is no Tensor, beside one whose data is `like`.

    Numbers stay Python numbers, which adapt to any dtype. An argument without a gradient, such as a mask, is not cast.
    """
    if type(a) is type(like) and a.dtype == like.dtype and a.ndim:
        return frozen(a)                                    # a batch: most constants are
    if isinstance(a, np.bool_) and not cast:
        a = to_device(np.asarray(a), device_of(like))       # a mask of one: NumPy compares 0-d arrays to a scalar
    if isinstance(a, bool | float | int | np.bool_ | np.integer | np.floating):
        return a.item() if isinstance(a, np.generic) else a
    if isinstance(a, list | tuple):
        a = to_device(np.asarray(a, like.dtype if cast else None), device_of(like))
    if isinstance(a, np.ndarray) and type(a) is not np.ndarray:
        a = np.asarray(a)                       # np.memmap and other subclasses
    if not is_array(a):
        raise refusals.no_array(name, i, a)
    if cast and a.ndim == 0:
        return a.astype(like.dtype) if device_of(a) == "cuda" else a.item()
    if type(a) is not type(like) or (cast and a.dtype not in (like.dtype, bool)):
        raise refusals.mixed(name, i, a, like)
    return freeze(a.astype(like.dtype)) if cast and a.dtype == bool else frozen(a)


def fixed(value: Any) -> Any:
    """A setting that its giver can no longer change (an index may hold arrays), numbers as Python's own.

    Beside an array of float32 a np.float64 would decide about the dtype, and so would a size times a np.int64.
    """
    if isinstance(value, tuple | list):
        return type(value)(map(fixed, value))
    if isinstance(value, np.generic):
        return value.item()
    return frozen(value) if is_array(value) else value

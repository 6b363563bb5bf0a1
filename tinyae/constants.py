"""2a of 9 · constants: what a tape takes in.

One float dtype and one device per tape; Python numbers, NumPy scalars, lists and masks adapt to it, other arrays are
refused with the cast to write. What has been taken in, nobody can change from outside.
"""
from __future__ import annotations

from typing import Any

import numpy as np

from .backend import Array, device_of, freeze, frozen, is_array, to_device
from .errors import BadType


def leaf_data(data: Any) -> Array:
    """The array that Tensor(data) keeps: numbers and lists as float32, a float array as it is, read-only."""
    if is_array(data) or isinstance(data, np.generic):
        x = data if is_array(data) else np.asarray(data)
    else:
        x = np.array(data)                      # a list of Tensors ends in Tensor.__array__'s sentence
        x = x.astype(np.float32) if x.dtype.kind in "iuf" else x
    if x.dtype.kind != "f" or not x.dtype.isnative or isinstance(x, np.ma.MaskedArray | np.matrix):
        raise BadType("a Tensor holds floating-point numbers", expected="float32 or float64 (native byte order)",
                      got=f"{type(x).__name__} {describe(x)}", fix="Tensor(np.asarray(x).astype(np.float32))")
    return frozen(np.asarray(x) if isinstance(x, np.ndarray) else x)


def constant(name: str, i: int, a: Any, like: Array, cast: bool) -> Any:
    """Argument i of the row `name`, which is no Tensor, beside one whose data is `like`.

    Numbers stay Python numbers, which adapt to any dtype. An argument without a gradient, such as a mask, is not cast.
    """
    if isinstance(a, bool | float | int | np.bool_ | np.integer | np.floating):
        return a.item() if isinstance(a, np.generic) else a
    if isinstance(a, list | tuple):
        a = to_device(np.asarray(a, like.dtype if cast else None), device_of(like))
    if isinstance(a, np.ndarray) and type(a) is not np.ndarray:
        a = np.asarray(a)                       # np.memmap and other subclasses
    if not is_array(a):
        raise BadType(f"argument {i} of {name} is no array", expected="a Tensor, an array, a number or a list",
                      got=describe(a), fix="convert it with np.asarray(x, np.float32)")
    if cast and a.ndim == 0:
        return a.astype(like.dtype) if device_of(a) == "cuda" else a.item()
    if type(a) is not type(like) or (cast and a.dtype not in (like.dtype, bool)):
        raise mixed(name, i, a, like)
    return freeze(a.astype(like.dtype)) if cast and a.dtype == bool else frozen(a)


def fixed(value: Any) -> Any:
    """A setting that its giver can no longer change: an index may hold arrays."""
    if isinstance(value, tuple | list):
        return type(value)(map(fixed, value))
    return frozen(value) if is_array(value) else value


def mixed(name: str, i: int, a: Array, like: Array) -> BadType:
    """The refusal of array a beside `like`, another dtype or device."""
    where, dtype = device_of(like), like.dtype
    if device_of(a) != where:
        return BadType(f"{name} mixes devices", expected=f"every argument on {where}, as {describe(like)}",
                       got=f"argument {i}: {describe(a)}, on {device_of(a)}",
                       fix=f'backend.to_device(x, "{where}"), or build both on one device (device="{where}")')
    return BadType(f"{name} mixes dtypes", expected=f"{dtype}, as the other Tensor", got=f"argument {i}: {describe(a)}",
                   fix=f"x.astype(np.{dtype}) for an array, ops.cast(t, dtype=np.{dtype}) for a Tensor")


def describe(x: Any) -> str:
    """An argument in an error message: shape, dtype and device of an array, the value of anything else."""
    x = getattr(x, "data", x) if not is_array(x) else x        # a Tensor's array
    if not is_array(x):
        return f"{type(x).__name__} {x!r:.60}"
    return f"{x.shape} {x.dtype}" + (" on cuda" if device_of(x) == "cuda" else "")

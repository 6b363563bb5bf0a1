"""2 of 9 · refusals: the sentences of the engine, so that the engine itself reads without them.

Each function makes the exception; the place that finds the mistake raises it.
"""
from __future__ import annotations

from typing import Any

import numpy as np

from .backend import Array, device_of, is_array
from .errors import BadType, BadValue


def describe(x: Any) -> str:
    """A value in a sentence: shape, dtype and device of an array or Tensor, type and value of anything else."""
    x = x if is_array(x) or isinstance(x, np.generic) else getattr(x, "data", x)
    if not is_array(x):
        return f"{type(x).__name__} {x!r:.60}"
    return f"{x.shape} {x.dtype}" + (" on cuda" if device_of(x) == "cuda" else "")


# ---- what may enter a tape

def not_float(x: Any) -> BadType:
    return BadType("a Tensor holds floating-point numbers", expected="float32, 64 or 16, in native byte order",
                   got=f"{type(x).__name__} {describe(x)}", fix="Tensor(np.asarray(x).astype(np.float32))")


def already_a_tensor(t: Any) -> BadType:
    return BadType("already a Tensor", expected="an array, a number or a list", got=repr(t),
                   fix="use it as it is, or Tensor(t.data) for a leaf of the same value")


def no_array(row: str, i: int, x: Any) -> BadType:
    return BadType(f"argument {i} of {row} is no array", expected="a Tensor, an array, a number or a list",
                   got=describe(x), fix="convert it with np.asarray(x, np.float32)")


def mixed(row: str, i: int, x: Array, like: Array) -> BadType:
    """Array x, argument i, beside `like`: of another device or dtype."""
    where, dtype = device_of(like), like.dtype
    if device_of(x) != where:
        return BadType(f"{row} mixes devices", expected=f"every argument on {where}, as {describe(like)}",
                       got=f"argument {i}: {describe(x)}, on {device_of(x)}",
                       fix=f'backend.to_device(x, "{where}"), or build both on one device (device="{where}")')
    return BadType(f"{row} mixes dtypes", expected=f"{dtype}, as the other Tensor", got=f"argument {i}: {describe(x)}",
                   fix=f"x.astype(np.{dtype}) for an array, ops.cast(t, dtype=np.{dtype}) for a Tensor")


# ---- calls of a row

def wrong_count(row: str, takes: int, got: int) -> BadType:
    return BadType(f"{row} takes {takes} array(s)", expected="arrays by position, settings by name",
                   got=f"{got} positional arguments", fix=f"{row}(x, setting=value)")


def no_gradient(row: str, i: int, t: Any) -> BadType:
    return BadType(f"argument {i} of {row} has no gradient", expected="a plain array", got=repr(t), fix="pass t.data")


def no_fit(row: str, arrays: list[Any], settings: dict[str, Any], error: Exception) -> BadValue:
    given = " and ".join(map(describe, arrays)) + "".join(f", {k}={v!r:.60}" for k, v in settings.items())
    return BadValue(f"{row} cannot take these arguments", expected="shapes and settings that fit",
                    got=f"{given}: {error}", fix="print the shapes on the way; reshape or index until they fit")


def changed_dtype(row: str, z: Array, dtype: Any) -> BadValue:
    return BadValue(f"{row} changed the dtype", expected=f"{dtype}, as its arguments", got=z.dtype,
                    fix="use Python numbers in the row, not np.float64; ops.cast changes dtype on purpose")


# ---- gradients

def not_a_tensor(y: Any) -> BadType:
    return BadType("nothing to differentiate", expected="y, a Tensor computed from Tensors", got=describe(y),
                   fix="make the inputs Tensors before computing y; .data and .item() cut the path")


def not_a_scalar(y: Any) -> BadValue:
    return BadValue("a gradient is of one number", expected="y with one element", got=repr(y),
                    fix="ops.sum(y) or ops.mean(y); for a vector-Jacobian product ops.sum(v * y)")


def wrt_no_list(wrt: Any) -> BadType:
    return BadType("wrt is a list", expected="a list or dict of Tensors", got=describe(wrt),
                   fix="grad(y, [w]); grad(y, params(model))")


def wrt_no_tensor(i: int, w: Any) -> BadType:
    return BadType("only Tensors have gradients", expected="Tensors in wrt", got=f"entry {i}: {describe(w)}",
                   fix="x = Tensor(x) before computing y, and pass that x here")


def unknown_unused(unused: Any) -> BadValue:
    return BadValue("unknown setting", expected='unused="error" or "zero"', got=repr(unused), fix='unused="zero"')


def no_path(y: Any, i: int, w: Any) -> BadValue:
    return BadValue("no path from y to an entry of wrt", expected="a y computed from every entry of wrt",
                    got=f"entry {i}, {w!r}, which {y!r} does not depend on",
                    fix='leave it out of wrt; or find the .data that cut the path; unused="zero" if zeros are meant')


def changed_parent(t: Any, p: Any) -> BadValue:
    return BadValue("a Tensor changed after it was used", expected=f"the {describe(p)} that {t.op.__name__} saw",
                    got="new data, by p.data = ... or an optimizer's step",
                    fix="compute the loss again after the change, then take its gradient")


def wrong_vjp(t: Any, i: int, g: Any) -> BadValue:
    return BadValue(f"vjp {i} of {t.op.__name__} is wrong", expected=f"{describe(t.args[i])}, as its argument",
                    got=describe(g), fix="g has z's shape and dtype; write vjps with Python numbers, not np.float64")


# ---- a Tensor used as what it is not

def not_one_number(t: Any) -> BadValue:
    return BadValue("not one number", expected="a Tensor of one element", got=repr(t),
                    fix="t.numpy() for all of them, or ops.sum(t) / ops.mean(t) for one")


def no_truth(t: Any) -> BadValue:
    return BadValue("the truth of many numbers", expected="a Tensor of one element", got=repr(t),
                    fix="(t > 0).any() or (t > 0).all()")


def not_a_leaf(t: Any, doing: str) -> BadValue:
    return BadValue(f"only a leaf can be {doing}", expected="a Tensor made by Tensor(array)", got=repr(t),
                    fix="go to the leaves it was computed from; or make a leaf of its value, Tensor(t.data)")


def misfit(new: Any, old: Array) -> BadValue:
    return BadValue("new data must fit the old", expected=describe(old), got=describe(new),
                    fix="t.data = backend.to_device(np.asarray(new, t.dtype), device).reshape(t.shape)")


def no_writing() -> BadType:
    return BadType("a Tensor cannot be written into", expected="a new Tensor for new values", got="t[key] = value",
                   fix="ops.where(mask, value, t) for a changed copy; t.data = array for a parameter")


def lost_gradient(call: str, name: str) -> BadType:
    return BadType("NumPy would lose this Tensor's gradient", expected=f"the row or function {name}, if there is one",
                   got=f"{call} on a Tensor", fix=f"tinyae.ops.{name}(t); np.{name}(t.numpy()) for a constant")

"""What CuPy demands of a call: the name exists, the signature fits, nothing is a host array.

For this the double needs of an array only that it hides one of NumPy's: that is an Operand.
"""
from __future__ import annotations

import functools
import inspect
import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

API = json.loads(Path(__file__).with_name("api.json").read_text())
API["functions"]["einsum"] = "*operands, dtype=None, optimize=None"     # CuPy: **kwargs, of which it reads these two

NUMBERS = (bool, int, float, complex, np.generic)       # what CuPy takes beside its arrays, by value

# What CuPy demands of a parameter, by its name.
ARRAY = {"A", "a", "a1", "a2", "array", "arr", "ary", "b", "condition", "dst", "f", "m", "out", "prototype", "v", "x1",
         "x2"}
ARRAY_OR_NUMBER = {"x", "y"}
ARRAYS = {"args", "arrays", "arys", "tup", "xi"}
INTEGER = {"M", "N", "axes", "axis", "axis1", "axis2", "decimals", "destination", "k", "n", "newshape", "num",
           "pad_width", "repeats", "reps", "shape", "shift", "size", "source", "window_shape"}


class Operand:
    """A NumPy array, hidden."""
    __slots__ = ("_host",)

    def __init__(self, host: np.ndarray):
        if host.dtype.kind not in "biufc":
            raise ValueError(f"Unsupported dtype {host.dtype}")
        if not host.flags.writeable:
            with suppress(ValueError):          # CuPy knows no read-only arrays. Left so: overlapping windows
                host.flags.writeable = True
        self._host = host


def bind(table: str, name: str, args: tuple, kwargs: dict) -> dict[str, Any]:
    """The arguments by parameter, as api.json has them for a function, a method or a random generator's method."""
    try:
        return _signature(table, name).bind(*args, **kwargs).arguments
    except TypeError as error:
        raise TypeError(f"cupy's {name}() {error}") from None


@functools.cache
def _signature(table: str, name: str) -> inspect.Signature:
    return inspect.signature(eval(f"lambda {API[table][name]}: None"))


def check(name: str, arguments: dict[str, Any]) -> None:
    """Refuse host arrays anywhere, lists and None for an array, device arrays for an integer."""
    for parameter, value in arguments.items():
        where = f"{name}({parameter}=)"
        for v in inside(value):
            if isinstance(v, np.ndarray) or (parameter in ARRAYS and not isinstance(v, Operand)):
                raise unsupported(v, where)
            if parameter in INTEGER and isinstance(v, Operand):
                raise TypeError(f"'ndarray' object cannot be interpreted as an integer: {where}")
        if parameter in ARRAY and not isinstance(value, Operand) and (parameter, value) != ("out", None):
            raise unsupported(value, where)
        if parameter in ARRAY_OR_NUMBER and not isinstance(value, (Operand, *NUMBERS)):
            raise unsupported(value, where)


def unsupported(value: Any, where: str) -> TypeError:
    return TypeError(f"Unsupported type {type(value)} for cupy's {where}")


def inside(value: Any) -> Iterator[Any]:
    """value, or what its lists and tuples hold."""
    if isinstance(value, list | tuple):
        for v in value:
            yield from inside(v)
    else:
        yield value


def operands(value: Any) -> list[Operand]:
    return [v for v in inside(value) if isinstance(v, Operand)]


def host(value: Any) -> Any:
    """value with the hidden arrays in the place of Operands."""
    if isinstance(value, Operand):
        return value._host
    if isinstance(value, list | tuple):
        return type(value)(map(host, value))
    return {k: host(v) for k, v in value.items()} if isinstance(value, dict) else value

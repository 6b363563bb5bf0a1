"""The functions and ufuncs of the module, and the operators of its arrays, which are ufuncs."""
from __future__ import annotations

import functools
import types
from collections.abc import Callable
from typing import Any

import numpy as np

from . import graphs
from .arrays import SYNCHRONIZING, DeviceArray, Traced, device, finish
from .counts import count
from .gates import API, NUMBERS, Operand, bind, check, host, operands, unsupported

UPLOADING = {"array", "asarray", "asanyarray"}          # the only functions that take host arrays
BOOLEAN = {"allclose", "array_equal", "array_equiv"}    # NumPy answers True, CuPy a device array
COMPARISONS = {"less", "less_equal", "greater", "greater_equal", "equal", "not_equal"}
JOINING = {"concatenate", "stack", "hstack", "vstack"}  # several kernels, or one and some small uploads
FUSIBLE = {"where", "clip"}                             # beside the ufuncs


def function(path: str) -> Callable:
    """cupy.sum for "sum", cupy.linalg.norm for "linalg.norm"."""
    name = path.rpartition(".")[2]
    try:
        twin = functools.reduce(getattr, path.split("."), np)
    except AttributeError:
        raise NotImplementedError(f"the double does not play cupy.{path}: NumPy has none to compute it") from None

    def call(*args: Any, **kwargs: Any) -> Any:
        arguments = bind("functions", path, args, kwargs)
        sources = operands(list(arguments.values()))
        if name not in FUSIBLE and any(isinstance(v, Traced) for v in sources):
            raise TypeError(f"cupy.fuse cannot take {name}")
        if path in UPLOADING:
            return _upload(path, *args, **kwargs)
        check(name, arguments)
        if name in SYNCHRONIZING or (path == "where" and len(arguments) == 1):
            count("sync")
        graphs.refuse_product(path)
        if path in ("empty", "empty_like"):
            graphs.allocated()
            result = twin(*host(args), **host(kwargs))
            result.fill(np.nan if result.dtype.kind == "f" else 1)      # device memory holds what was there before
            return DeviceArray(result)
        if name in JOINING:
            _join(sources)

        def compute() -> Any:
            result = twin(*host(args), **host(kwargs))
            return np.asarray(result) if path in BOOLEAN else result
        return finish(compute, sources, kwargs.get("out"))

    call.__name__ = name
    return call


def _join(sources: list[Operand]) -> None:
    """Up to 8 arrays, or large ones, are copied one by one. Else one kernel does it, from a table of addresses and, if
    the arrays differ in shape, one of strides and one of places."""
    sizes = [x._host.nbytes for x in sources]
    if len(sources) <= 8 or sum(sizes) >= len(sources) << 21 or len({x._host.dtype for x in sources}) > 1:
        for _ in sources[1:]:
            count("launch")                     # finish counts the first
    else:
        alike = len(set(sizes)) == 1 and all(x._host.flags.c_contiguous for x in sources)
        for _ in range(1 if alike else 3):
            count("upload")


def _upload(name: str, x: Any, *args: Any, **kwargs: Any) -> Any:
    if isinstance(x, DeviceArray):
        return finish(lambda: getattr(np, name)(x._host, *args, **kwargs), [x])
    count("upload")
    return DeviceArray(np.array(getattr(np, name)(host(x), *args, **kwargs)))   # a copy: NumPy might have shared it


class Ufunc:
    """cupy.exp, cupy.add ...: numbers and device arrays, out=, dtype=, casting=, and few of the methods."""

    def __init__(self, name: str):
        self.__name__, self.twin = name, getattr(np, name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        name, out = self.__name__, kwargs.get("out")
        if wrong := set(kwargs) - {"out", "dtype", "casting"}:
            raise TypeError(f"Wrong arguments {wrong} for {name}")
        if not self.twin.nin <= len(args) <= self.twin.nargs:
            raise TypeError(f"Wrong number of arguments for {name}")
        if name in COMPARISONS:
            args = tuple(x.item() if isinstance(x, np.ndarray) and x.ndim == 0 else x for x in args)
        for x in args if out is None else (*args, out):
            if not isinstance(x, (Operand, *NUMBERS)):
                raise unsupported(x, name)
        return finish(lambda: self.twin(*host(args), **host(kwargs)), operands(args), out)

    def __getattr__(self, method: str) -> Callable:
        if method not in API["ufuncs"][self.__name__]:
            raise NotImplementedError(f"`cupy_{self.__name__}.{method}` is not supported yet")

        def call(x: Any, *args: Any, **kwargs: Any) -> Any:
            check(f"{self.__name__}.{method}", {"a": x, "values": args, **kwargs})
            if method == "at":
                args = (x._index(args[0]), *args[1:])
                if self.__name__ == "subtract" and x.dtype.kind == "f":
                    raise TypeError("cupy.subtract.at only supports int32, uint32")
            return finish(lambda: getattr(self.twin, method)(host(x), *host(args), **host(kwargs)),
                          operands((x, args)), kwargs.get("out"))
        return call


def product(x: DeviceArray, y: DeviceArray, out: DeviceArray | None = None) -> DeviceArray:
    """What a test puts in the place of a cuBLAS handle of its own: a matmul that a capture takes."""
    return finish(lambda: np.matmul(host(x), host(y), out=host(out)), [x, y], out)


# ---- operators

def _defers(x: Operand, other: Any) -> bool:
    """NEP 13, as CuPy reads it: an operand that refuses ufuncs, or has a higher priority, gets to try first."""
    if hasattr(other, "__array_ufunc__"):
        return other.__array_ufunc__ is None and not isinstance(other, Operand)
    return getattr(other, "__array_priority__", 0) > DeviceArray.__array_priority__


def _operator(f: Callable, kind: str) -> Callable:
    def forward(x: Operand, y: Any) -> Any:
        return NotImplemented if _defers(x, y) else f(x, y)

    def reflected(x: Operand, y: Any) -> Any:
        return NotImplemented if _defers(x, y) else f(y, x)

    def in_place(x: Operand, y: Any) -> Operand:
        return f(x, y, out=x)

    def unary(x: Operand) -> Any:
        return f(x)

    return {"": forward, "r": reflected, "i": in_place, "unary": unary}[kind]


ARITHMETIC = {"add": "add", "sub": "subtract", "mul": "multiply", "truediv": "divide", "floordiv": "floor_divide",
              "mod": "remainder", "pow": "power", "and": "bitwise_and", "or": "bitwise_or", "xor": "bitwise_xor",
              "lshift": "left_shift", "rshift": "right_shift"}
ORDER = {"lt": "less", "le": "less_equal", "gt": "greater", "ge": "greater_equal", "eq": "equal", "ne": "not_equal"}
UNARY = {"neg": "negative", "pos": "positive", "abs": "absolute", "invert": "invert"}

for _class in (DeviceArray, Traced):
    for _name, _ufunc in ARITHMETIC.items():
        for _kind in ("", "r", "i"):
            setattr(_class, f"__{_kind}{_name}__", _operator(Ufunc(_ufunc), _kind))
    for _name, _ufunc in ORDER.items():
        setattr(_class, f"__{_name}__", _operator(Ufunc(_ufunc), ""))
for _name, _ufunc in UNARY.items():
    setattr(DeviceArray, f"__{_name}__", _operator(Ufunc(_ufunc), "unary"))
Traced.__neg__, Traced.__invert__ = DeviceArray.__neg__, DeviceArray.__invert__      # and no abs, no reflected power
del Traced.__rpow__
DeviceArray.__matmul__, DeviceArray.__rmatmul__ = (_operator(function("matmul"), kind) for kind in ("", "r"))


# ---- fused functions

class Fused:
    """cupy.fuse(f): one launch per call, whatever the number of operations in f."""

    def __init__(self, f: Callable, name: str | None = None):
        self.f, self.__name__ = f, name or f.__name__

    def __call__(self, *args: Any) -> Any:
        if not any(isinstance(x, DeviceArray) for x in args):
            return self.f(*args)
        for x in args:
            if not isinstance(x, (DeviceArray, types.NoneType, *NUMBERS)):
                raise TypeError(f"Invalid argument type for {self.__name__!r}: {type(x)}")
            if type(x) in (bool, int, float, complex):
                raise TypeError(f"{x!r} for {self.__name__!r}: CuPy would compute 1 - x in float16, pass np.float32")
        results = graphs.run(lambda: self._compute(args), operands(args), writes=True)
        count("launch")
        return device(results)

    def _compute(self, args: tuple) -> Any:
        results = self.f(*(x if x is None else Traced(np.asarray(host(x))) for x in args))
        for z in results if isinstance(results, tuple) else (results,):
            if not isinstance(z, Traced | None):
                raise ValueError("The return value of fused functions must be `None`, ndarray or a tuple of ndarays.")
        return host(results)


def fuse(f: Callable | None = None, kernel_name: str | None = None) -> Any:
    return functools.partial(Fused, name=kernel_name) if f is None else Fused(f, kernel_name)

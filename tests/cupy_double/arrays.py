"""cupy.ndarray: a Python object that no NumPy function can read, and that says when reading it would wait."""
from __future__ import annotations

import functools
from collections import namedtuple
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import cupy_double

from . import graphs
from .counts import count
from .gates import API, NUMBERS, Operand, bind, check, host, inside, operands

SYNCHRONIZING = {"argwhere", "compress", "extract", "flatnonzero", "nonzero", "unique",     # their shape is data
                 "dump", "dumps", "item", "tobytes", "tofile", "tolist"}
UNPLAYED = {"base", "cstruct", "data", "flat"}
Flags = namedtuple("Flags", "c_contiguous f_contiguous owndata")       # no writeable: nothing is ever read-only


def device(value: Any, kind: type[Operand] | None = None) -> Any:
    """value with Operands in the place of NumPy's arrays and scalars; Python's own values stay."""
    if isinstance(value, list | tuple):
        return type(value)(device(v, kind) for v in value)
    return (kind or DeviceArray)(np.asarray(value)) if isinstance(value, np.ndarray | np.generic) else value


def finish(compute: Callable[[], Any], sources: list[Operand], out: Any = None) -> Any:
    """compute() on the device, and the launch that it is: none for a view of a source, a shape, a dtype."""
    kinds = {type(v) for v in sources}
    if Traced in kinds:
        if DeviceArray in kinds:
            raise TypeError("Concrete ndarray is not supported in fusion.")
        result = compute()
        return device(result, Traced) if out is None else out
    result = graphs.run(compute, sources if out is None else [*sources, out], writes=out is not None)
    made = [v for v in inside(result) if isinstance(v, np.ndarray | np.generic)]
    written = out is not None or result is None
    if written or (made and not any(np.may_share_memory(made[0], v._host) for v in sources)):
        count("launch")
    return device(result) if out is None else out


class DeviceArray(Operand):
    """cupy.ndarray"""
    __slots__ = ("__weakref__",)
    __hash__ = None             # type: ignore[assignment]
    __array_priority__ = 100

    @property
    def __cuda_array_interface__(self) -> dict:
        return {"shape": self.shape, "typestr": self.dtype.str, "data": (self._host.ctypes.data, False), "version": 3}

    # What NumPy asks.

    def __array__(self, *args: Any, **kwargs: Any) -> np.ndarray:
        raise TypeError("Implicit conversion to a NumPy array is not allowed. "
                        "Please use `.get()` to construct a NumPy array explicitly.")

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *args: Any, **kwargs: Any) -> Any:
        if "out" in kwargs:
            (kwargs["out"],) = kwargs["out"]
        ours = getattr(cupy_double.cupy, ufunc.__name__, None)
        if ours is None or not all(isinstance(x, (DeviceArray, np.ndarray, *NUMBERS)) for x in args):
            return NotImplemented
        return (ours if method == "__call__" else getattr(ours, method))(*args, **kwargs)

    def __array_function__(self, function: Callable, types: Any, args: tuple, kwargs: dict) -> Any:
        try:
            path = [*function.__module__.split(".")[1:], function.__name__]
            ours = functools.reduce(getattr, path, cupy_double.cupy)
        except AttributeError:
            return NotImplemented
        if ours is function or not all(issubclass(t, DeviceArray | np.ndarray) for t in types):
            return NotImplemented
        return ours(*args, **kwargs)

    # What waits for the device.

    def get(self, out: np.ndarray | None = None) -> np.ndarray:
        count("sync")
        if out is None:
            return self._host.copy()
        if not isinstance(out, np.ndarray) or (out.shape, out.dtype) != (self.shape, self.dtype):
            raise TypeError("Only a numpy.ndarray of the same shape and dtype can be out")
        out[...] = self._host
        return out

    def __bool__(self) -> bool:
        return bool(self.get())

    def __int__(self) -> int:
        return int(self.get())

    def __float__(self) -> float:
        return float(self.get())

    def __complex__(self) -> complex:
        return complex(self.get())

    def __repr__(self) -> str:
        return repr(self.get())

    def __str__(self) -> str:
        return str(self.get())

    def __format__(self, spec: str) -> str:
        return format(self.get(), spec)

    def __reduce__(self) -> tuple:
        return DeviceArray, (self.get(),)

    # What does not.

    def set(self, x: np.ndarray) -> None:
        if not isinstance(x, np.ndarray) or (x.shape, x.dtype) != (self.shape, self.dtype):
            raise TypeError("Only a numpy.ndarray of the same shape and dtype can be set")
        count("upload")
        self._host[...] = x

    def __copy__(self) -> DeviceArray:
        return self.copy()

    def __deepcopy__(self, memo: dict) -> DeviceArray:
        return self.copy()

    def __len__(self) -> int:
        return len(self._host)

    def __iter__(self) -> Iterator[DeviceArray]:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, index: Any) -> DeviceArray:
        where = self._index(index)
        return finish(lambda: np.asarray(self._host[where]), [self, *operands(list(_parts(index)))])

    def __setitem__(self, index: Any, value: Any) -> None:
        if isinstance(value, np.ndarray | list | tuple):
            if not any(isinstance(i, DeviceArray | np.ndarray | list) for i in _parts(index)):
                raise ValueError("non-scalar numpy.ndarray cannot be used for fill")
            count("upload")
        if isinstance(value, DeviceArray) and _same(self._host[host(index)], value._host):
            return                                          # the end of x[i] += 1, which has been done
        where = self._index(index)
        finish(lambda: self._host.__setitem__(where, host(value)), [self, *operands([*_parts(index), value])])

    def _index(self, index: Any) -> Any:
        for i in _parts(index):
            if isinstance(i, np.ndarray | list):
                count("upload")                             # allowed, and easily overlooked
            if isinstance(i, Operand) and i._host.dtype == bool:
                count("sync")                               # how many are True?
        return host(index)

    @property
    def flags(self) -> Flags:
        return Flags(*(getattr(self._host.flags, name) for name in Flags._fields))

    def __getattr__(self, name: str) -> Any:
        if name not in API["attributes"] and name not in API["methods"]:
            raise AttributeError(f"'ndarray' object has no attribute '{name}'")
        if name in UNPLAYED or not hasattr(self._host, name):
            raise NotImplementedError(f"the double of CuPy does not play ndarray.{name}")
        if name in API["attributes"]:
            return device(getattr(self._host, name))
        return functools.partial(self._call, name)

    def _call(self, name: str, *args: Any, **kwargs: Any) -> Any:
        arguments = bind("methods", name, (self, *args), kwargs)
        check(name, arguments)
        if name in SYNCHRONIZING:
            count("sync")
        return finish(lambda: getattr(self._host, name)(*host(args), **host(kwargs)),
                      operands(list(arguments.values())), kwargs.get("out"))


def _same(x: Any, y: np.ndarray) -> bool:
    return isinstance(x, np.ndarray) and (x.ctypes.data, x.shape, x.strides) == (y.ctypes.data, y.shape, y.strides)


def _parts(index: Any) -> tuple:
    return index if isinstance(index, tuple) else (index,)


class Traced(Operand):
    """An argument of a function that cupy.fuse is tracing: operators, cupy's ufuncs, astype, and nothing else."""
    __slots__ = ()
    __hash__ = None             # type: ignore[assignment]
    __array_ufunc__ = None      # np.exp(x) cannot be traced, cupy.exp(x) can; np.float32(2) * x works

    def __array__(self, *args: Any, **kwargs: Any) -> np.ndarray:
        raise TypeError("np. within cupy.fuse: write cupy.")

    def __bool__(self) -> bool:
        raise TypeError("Cannot convert to Python scalar in cupy.fuse")

    __int__ = __float__ = __complex__ = __bool__        # type: ignore[assignment]

    dtype = property(lambda self: self._host.dtype)
    ndim = property(lambda self: self._host.ndim)

    def astype(self, dtype: Any) -> Traced:
        return Traced(self._host.astype(dtype))

    def __setitem__(self, index: Any, value: Any) -> None:
        if index is not Ellipsis and index != slice(None):
            raise ValueError("The fusion supports `[...]` or `[:]`.")
        self._host[...] = host(value)

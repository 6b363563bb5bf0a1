"""The module cupy: whatever api.json names, and the few things that are more than a function."""
from __future__ import annotations

import functools
import types
from collections.abc import Callable
from typing import Any

import numpy as np

from .arrays import DeviceArray, finish
from .by_hand import ElementwiseKernel
from .calls import Ufunc, function, fuse
from .counts import capturing, count
from .gates import API, bind, check, host
from .graphs import MemoryPool, Stream, using_allocator


class Generator:
    """cupy.random.Generator: 18 methods, no normal, permutation, shuffle or choice; other numbers than NumPy's."""

    def __init__(self, seed: int | None = None):
        if not isinstance(seed, int | None):
            raise TypeError(f"cupy.random.default_rng takes an integer, not {seed!r}")
        self._generator = np.random.Generator(np.random.MT19937(seed))

    def __getattr__(self, name: str) -> Callable:
        if name not in API["generator"]:
            raise AttributeError(f"'Generator' object has no attribute '{name}'")

        def draw(*args: Any, **kwargs: Any) -> Any:
            arguments = bind("generator", name, (self, *args), kwargs)
            check(name, arguments)
            dtype = kwargs.pop("dtype", np.float64) if name == "uniform" else None      # NumPy's has no dtype
            state = self._generator.bit_generator.state
            numbers = finish(lambda: np.asarray(getattr(self._generator, name)(*host(args), **host(kwargs)), dtype), [],
                             kwargs.get("out"))
            if capturing() is not None:
                self._generator.bit_generator.state = state         # it moves on when the graph is launched
            return numbers
        return draw


class Device:
    def __init__(self, id: int = 0):
        self.id = id

    def synchronize(self) -> None:
        count("sync")

    @property
    def mem_info(self) -> tuple[int, int]:
        """(free, all) in bytes, of a GPU of 16 GiB that is never filled."""
        return 16 << 30, 16 << 30


class Module(types.ModuleType):
    """cupy, or a submodule; each name is made at its first use."""

    def __getattr__(self, name: str) -> Any:
        path = f"{self.__name__}.{name}".partition(".")[2]
        if path in API["same"]:
            value = functools.reduce(getattr, path.split("."), np)
        elif path in API["ufuncs"]:
            value = Ufunc(path)
        elif path in API["functions"]:
            value = function(path)
        elif any(key.startswith(path + ".") for key in API["functions"]):
            value = Module(f"{self.__name__}.{name}")
        else:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        setattr(self, name, value)
        return value


def is_available() -> bool:
    return True


def asnumpy(x: Any) -> np.ndarray:
    return x.get() if isinstance(x, DeviceArray) else np.asarray(x)


def get_array_module(*xs: Any) -> Any:
    return cupy if any(isinstance(x, DeviceArray) for x in xs) else np


cupy = Module("cupy")
vars(cupy).update(__version__=API["version"], ndarray=DeviceArray, fuse=fuse, is_available=is_available,
                  asnumpy=asnumpy, get_array_module=get_array_module, ElementwiseKernel=ElementwiseKernel,
                  cuda=types.SimpleNamespace(Device=Device, MemoryPool=MemoryPool, Stream=Stream,
                                             alloc_pinned_memory=bytearray, is_available=is_available,
                                             using_allocator=using_allocator))
vars(cupy.random).update(default_rng=Generator, Generator=Generator)

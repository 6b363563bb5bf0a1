"""1 of 9 · kernels: what is elementwise becomes one kernel on a GPU.

There, NumPy's way, a pass over the arrays for each operation, costs the start of a kernel and a journey of all numbers
through memory every time. cupy.fuse makes one kernel of all operations of a function, which it learns by calling that
function once. (Compiling takes a moment at the first call ever: CuPy keeps kernels in ~/.cupy.) The body stays
NumPy's own, and is what runs on the CPU.
"""
from __future__ import annotations

from collections.abc import Callable
from functools import partial, wraps
from typing import Any

import numpy as np

from .backend import gpu, is_array


def fuse(f: Callable, name: str = "") -> Callable:
    """f(*arrays, **settings), on a GPU one kernel, called tinyae_`name`: one start, each array read or written once.

    f is made of operators and NumPy's ufuncs, in place too, of where, clip and astype; it asks for no shape, so that
    one entry of each array, as broadcast, decides about one entry of what f returns. A Python number among the arrays
    takes their dtype; settings, numbers as well, are compiled in. On NumPy arrays and on Tensors f itself is called.
    """
    compiled: dict[Any, Callable] = {}

    @wraps(f)
    def fused(*args: Any, **settings: Any) -> Any:
        if type(args[0]) is np.ndarray or any(map(is_array, settings.values())):
            return f(*args, **settings)
        key = (*map(type, args), *settings.items())
        if key not in compiled:
            compiled[key] = _compiled(partial(f, **settings), name or f.__name__, list(map(type, args)))
        return compiled[key](*args)

    return fused


def _compiled(f: Callable, name: str, kinds: list[type]) -> Callable:
    """What to call for arguments of these types: a kernel for a GPU's arrays, and numbers beside them; else f."""
    on_gpu = [hasattr(kind, "__cuda_array_interface__") for kind in kinds]
    numbers = [issubclass(kind, int | float) for kind in kinds]
    if not any(on_gpu) or sum(on_gpu) + sum(numbers) < len(kinds):
        return f
    kernel = gpu().fuse(kernel_name=f"tinyae_{name.strip('<_>')}")(
        lambda *variables: _variable(f(*map(_Entry, variables))))

    def with_numbers(*args: Any) -> Any:
        # As np.float32(2): cupy.fuse takes 1 - 0.5 of two Python numbers for a float16.
        dtype = next(x.dtype for x, number in zip(args, numbers, strict=True) if not number and x.dtype.kind == "f")
        return kernel(*[dtype.type(x) if number else x for x, number in zip(args, numbers, strict=True)])

    return with_numbers if any(numbers) else kernel


class _Entry(np.lib.mixins.NDArrayOperatorsMixin):
    """One entry of an array: what f is called with while cupy.fuse looks on.

    cupy.fuse's own variables know cupy.exp but not np.exp, nor abs(x). Here all of them become CuPy's ufuncs.
    """

    def __init__(self, variable: Any):
        self.variable = variable

    dtype = property(lambda self: self.variable.dtype)
    itemsize = property(lambda self: self.variable.dtype.itemsize)

    def __bool__(self) -> bool:
        return bool(self.variable)                      # which is refused: entries differ

    def astype(self, dtype: Any) -> _Entry:
        return _Entry(self.variable.astype(dtype))

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *args: Any, out: tuple = (None,)) -> Any:
        return self._call(ufunc, *args, out=out[0]) if method == "__call__" else NotImplemented

    def __array_function__(self, function: Callable, types: Any, args: tuple, kwargs: dict) -> Any:
        if function is np.empty_like:
            return None         # for out=: a kernel's intermediate results have no memory that could be chosen
        return self._call(function, *args, **kwargs) if function in (np.where, np.clip) else NotImplemented

    def _call(self, function: Callable, *args: Any, **kwargs: Any) -> _Entry:
        kwargs = {name: _variable(value) for name, value in kwargs.items()}
        return _Entry(getattr(gpu(), function.__name__)(*map(_variable, args), **kwargs))


def _variable(x: Any) -> Any:
    """What stands behind an _Entry, or each of a tuple of them; anything else as it is."""
    return tuple(map(_variable, x)) if isinstance(x, tuple) else getattr(x, "variable", x)

"""unroll · cublas: matrix products and joins that a CUDA graph can record; see capture.py.

CuPy refuses its own cuBLAS while a stream is recorded, and uploads the addresses when it joins more than eight arrays.
"""
from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ctypes import CDLL, byref, c_double, c_float, c_size_t, c_void_p
from functools import lru_cache, partial
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np

from ..backend import Array, gpu
from ..errors import BadValue

WORKSPACE = 32 << 20        # bytes that cuBLAS may use; without them it would allocate within the record


@contextmanager
def recordable(stream: Any) -> Iterator[None]:
    """In this block, CuPy's x @ y, matmul and concatenate are those below: in the whole process, not in one thread."""
    blas, arrays = Blas.one(), gpu().ndarray
    blas.use(stream)
    operator = arrays.__matmul__

    def matmul(x: Array, y: Any) -> Any:
        return blas.matmul(x, y) if type(x) is type(y) else operator(x, y)
    with (_replaced(gpu(), matmul=blas.matmul, concatenate=partial(_concatenate, gpu().concatenate)),
          _replaced(arrays, __matmul__=matmul)):
        yield


@contextmanager
def _replaced(owner: Any, **functions: Callable) -> Iterator[None]:
    """A module or class with other functions, until the end of the block."""
    before = {name: vars(owner).get(name) for name in functions}
    try:
        for name, function in functions.items():
            setattr(owner, name, function)
        yield
    finally:
        for name, function in before.items():
            if function is None:
                delattr(owner, name)                                        # it is inherited
            else:
                setattr(owner, name, function)


def _concatenate(theirs: Callable, arrays: Any, axis: int = 0, **more: Any) -> Array:
    """One copy for each array, where CuPy would upload their addresses."""
    if len(arrays) <= 8 or axis is None or more:
        return theirs(arrays, axis, **more)
    first, axis = arrays[0], axis % arrays[0].ndim
    stops = list(accumulate(a.shape[axis] for a in arrays))
    z = np.empty((*first.shape[:axis], stops[-1], *first.shape[axis + 1:]), first.dtype, like=first)
    for a, stop in zip(arrays, stops, strict=True):
        z[(slice(None),) * axis + (slice(stop - a.shape[axis], stop),)] = a
    return z


class Blas:
    """Matrix products by a cuBLAS handle of our own, since CuPy refuses to use its handle while a stream is recorded.

    In full float32: TF32 is off, as it is in CuPy.
    """

    def __init__(self) -> None:
        two = gpu().ones((2, 2), np.float32)
        two @ two                                                           # CuPy loads the library
        maps = Path("/proc/self/maps")
        loaded = [line.split()[-1] for line in maps.read_text().splitlines() if "libcublas.so" in line
                  ] if maps.exists() else []
        if not loaded:
            raise BadValue("captured=True needs cuBLAS", expected="libcublas.so in /proc/self/maps (Linux)",
                           got="none", fix="captured=False")
        self.library, self.handle = CDLL(loaded[0]), c_void_p()
        self.call("cublasCreate_v2", byref(self.handle))
        self.workspace = gpu().empty(WORKSPACE, np.uint8)

    @staticmethod
    @lru_cache(maxsize=1)
    def one() -> Blas:
        return Blas()

    def call(self, name: str, *args: Any) -> None:
        if status := getattr(self.library, name)(*args):
            raise RuntimeError(f"{name} returned status {status}")

    def use(self, stream: Any) -> None:
        self.call("cublasSetStream_v2", self.handle, c_void_p(stream.ptr))
        self.call("cublasSetWorkspace_v2", self.handle, c_void_p(self.workspace.data.ptr), c_size_t(WORKSPACE))

    def matmul(self, x: Array, y: Array, out: Array = None) -> Array:
        """x (..., m, k), y (..., k, n) -> (..., m, n); x may also be (k,), as ones are. Stacks go pair by pair."""
        if x.ndim == 1:
            return self.matmul(x[None], y).reshape(y.shape[-1])
        lead, m, n = np.broadcast_shapes(x.shape[:-2], y.shape[:-2]), x.shape[-2], y.shape[-1]
        z = out if out is not None and out.flags.c_contiguous else np.empty((*lead, m, n), x.dtype, like=x)
        x, y = (np.broadcast_to(a, (*lead, *a.shape[-2:])) for a in (x, y))
        for i in np.ndindex(*lead):
            self._product(x[i], y[i], z[i])
        if out is not None and out is not z:
            out[...] = z
        return z if out is None else out

    def _product(self, x: Array, y: Array, z: Array) -> None:
        (m, k), n, (real, letter) = x.shape, y.shape[1], {4: (c_float, "S"), 8: (c_double, "D")}[x.itemsize]
        if 0 in (m, k, n):
            z[...] = 0
            return
        (x, x_is_turned, x_step), (y, y_is_turned, y_step) = _by_columns(x), _by_columns(y)
        # cuBLAS stores by columns. To it, our arrays are x.T, y.T and z.T, and z.T = y.T @ x.T.
        self.call(f"cublas{letter}gemm_v2", self.handle, y_is_turned, x_is_turned, n, m, k, byref(real(1)),
                  c_void_p(y.data.ptr), y_step, c_void_p(x.data.ptr), x_step, byref(real(0)), c_void_p(z.data.ptr), n)


def _by_columns(a: Array) -> tuple[Array, int, int]:
    """(a, whether cuBLAS must transpose it, numbers from one of its columns to the next)."""
    (rows, columns), (down, right), size = a.shape, a.strides, a.itemsize
    if right == size and (down >= columns * size or rows == 1):
        return a, 0, max(columns, down // size)             # of a single row, the step may be anything
    if down == size and (right >= rows * size or columns == 1):
        return a, 1, max(rows, right // size)
    return a.copy(), 0, columns

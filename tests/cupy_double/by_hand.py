"""cupy.ElementwiseKernel. The double cannot run CUDA: what the kernel's name says is computed by a twin in NumPy.

tests/test_kernels_by_hand.py compiles the CUDA text as C++ and holds its results against those of the twins.
"""
from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np

from . import graphs
from .arrays import DeviceArray
from .counts import count
from .gates import host, operands, unsupported


def patches(x: np.ndarray, h: int, w: int, c: int, u: int, v: int, a: int, b: int, stride: int,
            padding: int) -> np.ndarray:
    padded = np.pad(x, [(0, 0), (padding, padding + stride), (padding, padding + stride), (0, 0)])
    windows = np.lib.stride_tricks.sliding_window_view(padded, (a, b), (1, 2))[:, ::stride, ::stride][:, :u, :v]
    return windows.transpose(0, 1, 2, 4, 5, 3)                          # (n, u, v, a, b, c)


def sums_of_terms(first: Any, terms: np.ndarray, h: int, w: int, c: int, u: int, v: int, a: int, b: int, stride: int,
                  padding: int) -> np.ndarray:
    terms = terms.reshape(-1, u, v, a, b, c)
    padded = np.empty((len(terms), h + 2 * padding, w + 2 * padding, c), terms.dtype)
    padded[...] = first
    for r, s in product(range(a), range(b)):
        padded[:, r:r + stride * u:stride, s:s + stride * v:stride] += terms[:, :, :, r, s]
    return padded[:, padding:padding + h, padding:padding + w]


def join(*arrays: np.ndarray) -> np.ndarray:
    return np.concatenate(arrays)


TWINS = {"tinyae_patches": patches, "tinyae_sums_of_terms": sums_of_terms, "tinyae_join": join}


class ElementwiseKernel:
    """One launch per call. All that is declared T has one dtype, and the output, always given, is contiguous."""

    def __init__(self, in_params: str, out_params: str, operation: str, name: str = "kernel"):
        self.declared = [tuple(one.rsplit(" ", 1)) for one in f"{in_params}, {out_params}".split(", ")]
        self.operation, self.name, self.twin = operation, name, TWINS[name]

    def __call__(self, *args: Any) -> None:
        if len(args) != len(self.declared):
            raise TypeError(f"Wrong number of arguments for {self.name}")
        for x, (kind, _) in zip(args, self.declared, strict=True):
            if not isinstance(x, (DeviceArray, np.generic) if kind == "T" else DeviceArray if kind == "raw T" else int):
                raise unsupported(x, self.name)
        *inputs, output = args
        if len({x.dtype for x in args if hasattr(x, "dtype")}) > 1:
            raise TypeError(f"Type is mismatched. T {[x.dtype for x in args if hasattr(x, 'dtype')]}")
        assert output.flags.c_contiguous, "else i would count something else"
        graphs.run(lambda: output._host.__setitem__(..., self.twin(*host(inputs)).reshape(output.shape)),
                   operands(args), writes=True)
        count("launch")

"""The kernels that are written in CUDA compute what their twins in NumPy compute, bit for bit. This needs no GPU.

The text of a kernel is also C++, once a few lines stand in for CuPy's arrays. Wants g++, and is skipped without it.
"""
from __future__ import annotations

import ctypes
import shutil
import subprocess
import sys
from itertools import product
from pathlib import Path
from typing import Any

import cupy_double
import numpy as np
import pytest
from cupy_double.by_hand import TWINS, ElementwiseKernel
from cupy_double.gates import host

from tinyae import conv, conv_blocks
from tinyae.backend import to_device
from tinyae.optim import join

CPP = r"""
#include <cstddef>
template <typename T, int ndim> struct Raw {                // CuPy's CArray
  const char* data; ptrdiff_t shape[ndim], strides[ndim];
  ptrdiff_t size() const { ptrdiff_t n = 1; for (ptrdiff_t m : shape) n *= m; return n; }
  const T& operator[](const ptrdiff_t (&at)[ndim]) const {
    ptrdiff_t to = 0;
    for (int d = 0; d < ndim; ++d) to += at[d] * strides[d];
    return *(const T*)(data + to);
  }
  const T& operator[](ptrdiff_t i) const {
    ptrdiff_t at[ndim];
    for (int d = ndim; d-- > 0; i /= shape[d]) at[d] = i % shape[d];
    return (*this)[at];
  }
};
"""


class Call:
    """A kernel's call on the double: what went in, and what the twin made of it."""

    def __init__(self, kernel: ElementwiseKernel, args: tuple):
        self.kernel, self.inputs = kernel, [host(x) for x in args[:-1]]
        self.expected = np.array(host(args[-1]))

    def text(self, i: int) -> str:
        """A C++ function run`i`(arrays), the last of them for the output. Sizes are constants in it."""
        T, lines = {"f": "float", "d": "double"}[self.expected.dtype.char], []
        for j, (x, (kind, name)) in enumerate(zip(self.inputs, self.kernel.declared, strict=False)):
            if kind == "raw T":
                shape, strides = (f"{{{', '.join(map(str, numbers))}}}" for numbers in (x.shape, x.strides))
                lines.append(f"const Raw<T, {x.ndim}> {name} = {{p[{j}], {shape}, {strides}}};")
            elif kind == "T":
                lines.append(f"auto {name}_of = [&](ptrdiff_t i) {{ return ((const T*)p[{j}])[i % {np.size(x)}]; }};")
            else:
                lines.append(f"const unsigned {name} = {x};")
        entry = [f"const T {name} = {name}_of(i);" for kind, name in self.kernel.declared[:-1] if kind == "T"]
        output = self.kernel.declared[-1][1]
        return (f'extern "C" void run{i}(char** p) {{\n  typedef {T} T;\n  ' + "\n  ".join(lines)
                + f"\n  for (ptrdiff_t i = 0; i < {self.expected.size}; ++i) {{\n    "
                + "\n    ".join([*entry, f"T& {output} = ((T*)p[{len(self.inputs)}])[i];"])
                + f"\n    {self.kernel.operation.strip()}\n  }}\n}}\n")


@pytest.fixture(scope="module")
def calls() -> list[Call]:
    """Of every kernel: images of several sizes, contiguous or not, in two blocks; some arrays, and many."""
    found: list[Call] = []
    play = ElementwiseKernel.__call__

    def noting(self: ElementwiseKernel, *args: Any) -> None:
        play(self, *args)
        found.append(Call(self, args))

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "cupy", cupy_double.cupy)
        patch.setattr(ElementwiseKernel, "__call__", noting)
        patch.setattr(conv_blocks, "images_at_once", lambda x, numbers: 2)
        rng = np.random.default_rng(0)
        for stride, padding, kernel, (order, dtype) in product((1, 2, 3), (0, 1, 3), (1, 2, 5), ("Cf", "Fd")):
            x, W, b = (to_device(rng.standard_normal(shape).astype(dtype), "cuda")
                       for shape in ((3, 8, 7, 2), (kernel, 3, 2, 4), (2,)))
            x = x if order == "C" else x.transpose(0, 2, 1, 3)
            z = conv.conv2d(x, W, stride=stride, padding=padding)
            conv.conv_transpose2d(z, W, size=x.shape[1:3], stride=stride, padding=padding)
            conv.conv_transpose2d_affine(z, W, b, size=x.shape[1:3], stride=stride, padding=padding)
        for n, dtype in product((1, 2, 9, join.MOST + 3), "fd"):
            numbers = to_device(rng.standard_normal((n, 6)).astype(dtype), "cuda")
            join.end_to_end([row[:i % 4] if i % 2 else row[::2] for i, row in enumerate(numbers)])
    return found


def test_every_kernel_is_here(calls):
    assert {call.kernel.name for call in calls} == TWINS.keys()


def test_as_cpp_it_computes_what_the_twin_computes(calls, tmp_path: Path):
    if not shutil.which("g++"):
        pytest.skip("no g++")
    (tmp_path / "kernels.cpp").write_text(CPP + "".join(call.text(i) for i, call in enumerate(calls)))
    subprocess.run(["g++", "-O1", "-w", "-ffp-contract=off", "-shared", "-fPIC", "-o", tmp_path / "kernels.so",
                    tmp_path / "kernels.cpp"], check=True)
    library = ctypes.CDLL(str(tmp_path / "kernels.so"))
    for i, call in enumerate(calls):
        found = np.full_like(call.expected, np.nan)
        arrays = [x if isinstance(x, np.ndarray) else np.asarray(x) for x in (*call.inputs, found)]
        getattr(library, f"run{i}")((ctypes.c_void_p * len(arrays))(*[a.ctypes.data for a in arrays]))
        np.testing.assert_array_equal(found, call.expected, err_msg=call.kernel.name, strict=True)

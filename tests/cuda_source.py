"""The CUDA source that CuPy writes for a fused function: to be compiled by NVRTC, or run on the CPU by a C++ compiler.

CuPy needs no GPU for this. An array of it over host memory is enough to trace a function; without a GPU, only the start
of the kernel that has been written by then fails. In the source, an array is a CArray and the loop over its entries a
CUPY_FOR, both from CuPy's headers; a few lines that mean the same to a C++ compiler take their place.
"""
from __future__ import annotations

import ctypes
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

HEADERS = ("complex.cuh", "carray.cuh", "atomics.cuh", "math_constants.h", "float16.cuh")      # CuPy's, as it has them
CTYPES = {"e": "float16", "f": "float", "d": "double", "?": "bool"}

PLAIN_CPP = r"""
#include <algorithm>
#include <cmath>
#define __global__
#define __device__
#define CUDART_INF INFINITY
#define CUPY_FOR(i, n) for (long i = 0; i < n; ++i)
using namespace std;
template <typename T, int, bool, bool> struct CArray { T* data; T& operator[](long i) const { return data[i]; } };
template <int, bool> struct CIndexer {
  long n, i;
  long size() const { return n; }
  void set(long k) { i = k; }
  long get() const { return i; }
};
"""


class Kernel:
    """What CuPy makes of f(*args), a fused function's trace: source, and outs, the dtypes of its results."""

    def __init__(self, cupy: Any, f: Callable, name: str, args: list[Any]):
        fused = cupy.fuse(kernel_name=name)(f)
        if cupy.is_available():
            fused(*[cupy.asarray(x) if isinstance(x, np.ndarray) else x for x in args])
        else:
            with pytest.raises((cupy.cuda.runtime.CUDARuntimeError, ImportError)):
                fused(*[over_host_memory(cupy, x) if isinstance(x, np.ndarray) else x for x in args])
        assert fused.new_fusion is None, f"{name} fell back to CuPy's other, slower way of fusing"
        ((kernel, _),) = fused._memo.values()
        self.name, self.outs = name, [np.dtype(p.dtype) for p in kernel.out_params]
        self.dtypes = [*(x.dtype for x in args), *self.outs]
        self.source = _source(kernel, [x.dtype for x in args], self.outs)


def over_host_memory(cupy: Any, x: np.ndarray) -> Any:
    memory = cupy.cuda.UnownedMemory(x.ctypes.data, max(1, x.nbytes), x, 0)
    return cupy.ndarray(x.shape, x.dtype, memptr=cupy.cuda.MemoryPointer(memory, 0))


def _source(kernel: Any, ins: list[Any], outs: list[Any]) -> str:
    """The kernel for contiguous arrays of one axis, numbers among them: the text that CuPy hands to NVRTC."""
    from cupy import ndarray
    from cupy._core import _kernel
    from cupy._core._carray import Indexer
    *_, types = kernel._decide_params_type(tuple(ins), tuple(outs))
    array, indexer = 1, 2
    infos = [_kernel._ArgInfo(array, ndarray, dtype, 1, True, True) for dtype in (*ins, *outs)]
    infos.append(_kernel._ArgInfo(indexer, Indexer, None, 1, True, True))
    return _kernel._get_elementwise_kernel_code(tuple(infos), types, kernel.params, kernel.operation, kernel.name,
                                                kernel.preamble)


def in_one_file(kernels: list[Kernel]) -> str:
    """Their sources, each in a namespace k0, k1, ... of its own: ten times faster to compile than one by one."""
    text = "".join(f"namespace k{i} {{\n{kernel.source}\n}}\n" for i, kernel in enumerate(kernels))
    return text.replace('extern "C" ', "").replace('#include "cupy/float16.cuh"', "")


def compile_with_nvrtc(cupy: Any, kernels: list[Kernel], arch: str = "sm_90") -> bytes:
    """The machine code for a GPU of that architecture, with the headers and options that CuPy compiles with."""
    nvrtc = cupy.cuda.nvrtc
    headers = "".join(f"#include <cupy/{name}>\n" for name in HEADERS)
    options = (f"-arch={arch}", *cupy._core.core.assemble_cupy_compiler_options(("-ftz=true",)))
    if not any((Path(option[2:]) / "cuda_fp16.h").exists() for option in options):
        pytest.skip("no headers of CUDA")
    program = nvrtc.createProgram(headers + in_one_file(kernels), "tinyae.cu", [], [])
    try:
        nvrtc.compileProgram(program, options)
        return nvrtc.getCUBIN(program)
    except nvrtc.NVRTCError:
        raise AssertionError(nvrtc.getProgramLog(program)) from None
    finally:
        nvrtc.destroyProgram(program)


def run_with_cpp(kernels: list[Kernel], inputs: list[list[np.ndarray]], folder: Path) -> list[list[np.ndarray]]:
    """Each kernel's inputs, flat arrays of one length, as it leaves them, and its results."""
    program = PLAIN_CPP + in_one_file(kernels)
    for i, kernel in enumerate(kernels):
        arrays = ", ".join(f"{{({CTYPES[dtype.char]}*)p[{j}]}}" for j, dtype in enumerate(kernel.dtypes))
        program += f'extern "C" void run{i}(void** p, long n) {{ k{i}::{kernel.name}({arrays}, {{n, 0}}); }}\n'
    (folder / "kernels.cpp").write_text(program)
    subprocess.run(["g++", "-O1", "-w", "-shared", "-fPIC", "-o", folder / "kernels.so", folder / "kernels.cpp"],
                   check=True)
    library = ctypes.CDLL(str(folder / "kernels.so"))
    found = []
    for i, (kernel, given) in enumerate(zip(kernels, inputs, strict=True)):
        arrays = [*given, *(np.full(given[0].size, np.nan).astype(dtype) for dtype in kernel.outs)]
        pointers = (ctypes.c_void_p * len(arrays))(*[a.ctypes.data for a in arrays])
        getattr(library, f"run{i}")(pointers, ctypes.c_long(given[0].size))
        found.append(arrays)
    return found

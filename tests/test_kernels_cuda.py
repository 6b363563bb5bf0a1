"""The CUDA source of every fused kernel compiles, and computes what its NumPy body computes. This needs no GPU.

Wants CuPy and its compiler, `pip install '.[cuda12]'`, and g++; skipped where one is missing.
"""
from __future__ import annotations

import shutil
import sys
from typing import Any

import cupy_double
import numpy as np
import pytest
from cuda_source import Kernel, compile_with_nvrtc, run_with_cpp
from cupy_double.calls import Fused
from cupy_double.gates import host

from tinyae import Tensor, functions, fused, grad, kernels, ops
from tinyae.backend import to_device
from tinyae.check.cases import CASES
from tinyae.kernels import fuse
from tinyae.optim import SGD, Adam, rules


class Call:
    """A fused function's call on the double: the trace, what came in, and what stood there and came out afterwards."""

    def __init__(self, fused: Fused, args: tuple):
        self.trace, self.name = fused.f, fused.__name__
        self.args = [np.array(host(x)) if hasattr(x, "_host") else x for x in args]

    def signature(self) -> tuple:
        return self.trace, *[(x.dtype, x.ndim) if isinstance(x, np.ndarray) else type(x) for x in self.args]

    def finish(self, args: tuple, results: Any) -> None:
        results = results if isinstance(results, tuple) else (results,)
        after = [*args, *(z for z in results if z is not None)]
        self.expected = [flat(host(x), self.shape()) for x in after]

    def shape(self) -> tuple:
        return np.broadcast_shapes(*(np.shape(x) for x in self.args))


def flat(x: Any, shape: tuple) -> np.ndarray:
    return np.broadcast_to(x, shape).ravel().copy()


@pytest.fixture(scope="module")
def calls() -> list[Call]:
    """One call of each fused function for each signature, while every row, function, layer and model is derived."""
    found: dict[tuple, Call] = {}
    play = Fused.__call__

    def noting(self: Fused, *args: Any) -> Any:
        if not any(isinstance(x, cupy_double.DeviceArray) for x in args):
            return play(self, *args)
        call = Call(self, args)
        results = play(self, *args)
        call.finish(args, results)
        if np.prod(call.shape()) > 1:
            found.setdefault(call.signature(), call)
        return results

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "cupy", cupy_double.cupy)
        patch.setattr(Fused, "__call__", noting)
        for dtype in (np.float32, np.float64):
            for case in (case for cases in CASES.values() for case in cases):
                derive(case, dtype)
            p = [Tensor(to_device(np.linspace(-1, 1, 5, dtype=dtype), "cuda"))]
            for optimizer in (SGD(p, momentum=0.5, l2=0.1), Adam(p), Adam(p, weight_decay=0.1, l2=0.1)):
                optimizer.step([p[0].data])
            x, t = p[0].data, to_device(np.arange(1.0, 4.0), "cuda")
            rules._corrected_on_gpu(t, 1e-3, 1e-8, 0.9, 0.999, dtype=dtype)         # of a captured step
            fused._bce_and_sigmoid_of_pixels(x, abs(x))                             # of an unrolled program
    return list(found.values())


def derive(case: Any, dtype: type) -> None:
    xs = [Tensor(to_device(x.astype(dtype), "cuda")) for x in case.args(np.random.default_rng(0))]
    grad(ops.sum(case.f(*xs)), xs, unused="zero")


@pytest.fixture(scope="module")
def cupy(calls: list[Call]) -> Any:
    """CuPy itself, for fused functions too, whether it finds a GPU or not."""
    found = pytest.importorskip("cupy", reason="cupy not installed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernels, "gpu", lambda: found)
        yield found


@pytest.fixture(scope="module")
def written(cupy: Any, calls: list[Call]) -> list[Kernel]:
    return [Kernel(cupy, call.trace, call.name, call.args) for call in calls]


def is_fused(f: Any) -> bool:
    return hasattr(f, "__wrapped__") and getattr(f, "__code__", None) is fuse(abs).__code__


def test_every_kernel_is_here(calls):
    rows = {f"tinyae_{name}_vjp" for name, row in ops.ROWS.items()
            if isinstance(row.vjps, tuple) and any(map(is_fused, row.vjps))}
    others = {f"tinyae_{f.__name__.strip('_')}" for module in (kernels, fused, functions, rules)
              for f in vars(module).values() if is_fused(f)}
    assert rows | others == {call.name for call in calls}


def test_it_compiles_for_a_gpu(cupy, written):
    try:
        cupy.cuda.nvrtc.getVersion()
    except (ImportError, RuntimeError) as error:
        pytest.skip(f"no NVRTC: {error}")
    code = compile_with_nvrtc(cupy, written)
    assert code.startswith(b"\x7fELF") and all(kernel.name.encode() in code for kernel in written)


def test_it_computes_what_its_body_computes(written, calls, tmp_path):
    if not shutil.which("g++"):
        pytest.skip("no g++")
    inputs = [[flat(x, call.shape()) for x in call.args] for call in calls]
    for kernel, call, found in zip(written, calls, run_with_cpp(written, inputs, tmp_path), strict=True):
        for f, e in zip(found, call.expected, strict=True):
            ulp = np.finfo(e.dtype).eps if e.dtype.kind == "f" else 0
            np.testing.assert_allclose(f, e, rtol=16 * ulp, atol=2 * ulp, strict=True, err_msg=kernel.name)

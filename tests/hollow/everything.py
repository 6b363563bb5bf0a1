"""Run every case of the table and a captured step of every model on the hollow GPU; print what CuPy refused, as JSON.

    HOLLOW=FOLDER LD_LIBRARY_PATH=FOLDER python tests/hollow/everything.py
"""
from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hollow
import numpy as np

driver = hollow.install(Path(os.environ["HOLLOW"]))

import cupy  # noqa: E402

from tinyae import Tensor, grad, ops  # noqa: E402
from tinyae.backend import to_device  # noqa: E402
from tinyae.check.cases import CASES  # noqa: E402
from tinyae.models import MODELS  # noqa: E402
from tinyae.train import captured, loop  # noqa: E402
from tinyae.train.loader import Loader  # noqa: E402
from tinyae.train.schedule import as_stages  # noqa: E402
from tinyae.train.state import RunState  # noqa: E402
from tinyae.unroll import cublas  # noqa: E402

PRECOMPILED = ("CUB", "cudaError")      # CuPy's own kernels need a device: sort, and a mask as an index
found: dict[str, Any] = {"calls": 0, "left out": [], "refused": {}, "slow fusion": [], "launches": {}}
fusions = []


def tried(label: str, call: Callable[[], Any]) -> None:
    found["calls"] += 1
    try:
        call()
    except Exception as error:
        text = f"{type(error).__name__}: {error} | {error.__cause__}"
        if any(word in text for word in PRECOMPILED):
            found["left out"].append(label)
        else:
            found["refused"][label] = text[:400]


def kept(f: Callable, kernel_name: str) -> Any:
    fusions.append((kernel_name, fuse(kernel_name=kernel_name)(f)))
    return fusions[-1][1]


def derive(case: Any, dtype: type, order: int) -> None:
    xs = [Tensor(to_device(x.astype(dtype), "cuda")) for x in case.args(np.random.default_rng(0))]
    gradients = grad(ops.sum(case.f(*xs)), xs, create_graph=order > 0, unused="zero")
    if order > 1:
        grad(ops.sum(sum(ops.sum(g * g) for g in gradients)), xs, unused="zero")


def steps(name: str) -> None:
    """Note the launches of four steps: the first runs call by call, the second is recorded, two are graphs alone."""
    images = np.random.default_rng(1).integers(0, 256, (60, 28, 28), dtype=np.uint8)
    model = MODELS[name](rng=np.random.default_rng(0), device="cuda")
    state = RunState(as_stages(model), [1], 0)
    loader = Loader((images, images), None, 10, 0, "cuda", state.dtype)
    advance, launches = captured.Captured(loop.step, state), []
    for _ in range(4):
        before = hollow.number(driver, "launches")
        advance(state, loader, loader.order(0) if advance.epoch is None else advance.epoch.order)
        launches.append(hollow.number(driver, "launches") - before)
    found["launches"][name] = launches


def products() -> float:
    """The largest difference of our products from NumPy's, in units of the last place of 1.

    In every layout that needs no copy. The hollow GPU's gemm is the one function that computes.
    """
    blas, rng, apart = cublas.Blas.one(), np.random.default_rng(0), 0.0
    blas.use(cupy.cuda.Stream(non_blocking=True))
    wide = rng.random((3, 9, 11))
    layouts = {"as it is": lambda a: a, "turned": lambda a: a.T, "rows of it": lambda a: a[::2],
               "columns of it": lambda a: a[:, :4],
               "one row": lambda a: a[:1], "one column": lambda a: a[:, :1]}
    for dtype in (np.float32, np.float64):
        for f in layouts.values():
            for g in layouts.values():
                a, b = wide[0].astype(dtype), wide[1].astype(dtype)
                x, y = f(a), g(b)
                n = min(x.shape[1], y.shape[0])
                x, y = x[:, :n], y[:n]
                there = blas.matmul(f(to_device(a, "cuda"))[:, :n], g(to_device(b, "cuda"))[:n])
                apart = max(apart, float(abs(there.get() - x @ y).max() / np.finfo(dtype).eps))
        a = wide.astype(dtype)
        there = to_device(a, "cuda")
        for got, right in ((blas.matmul(there, there.swapaxes(1, 2)), a @ a.swapaxes(1, 2)),
                           (blas.matmul(there[0, 0, :9], there[0]), a[0, 0, :9] @ a[0])):
            apart = max(apart, float(abs(got.get() - right).max() / np.finfo(dtype).eps))
    return apart


fuse, cupy.fuse = cupy.fuse, lambda kernel_name: lambda f: kept(f, kernel_name)
for name, cases in CASES.items():
    for i, case in enumerate(cases):
        for dtype in (np.float32, np.float64):
            for order in (0, 1, 2):
                tried(f"{name}.{i} {dtype.__name__} order {order}",
                      lambda case=case, dtype=dtype, order=order: derive(case, dtype, order))
for name in MODELS:
    tried(f"captured {name}", lambda name=name: steps(name))
found["slow fusion"] = [name for name, fusion in fusions if fusion.new_fusion is not None]
found["kernels"] = len(fusions)
found["products apart"] = products()
print(json.dumps(found))

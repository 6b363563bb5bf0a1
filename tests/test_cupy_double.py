"""The double of CuPy refuses what CuPy refuses, takes what CuPy takes, and counts what costs time.

The two tables run on CuPy itself too, where it is installed. It needs no GPU for that: a CuPy array over host memory
passes every check that CuPy makes before it asks for the device, and then raises CUDARuntimeError.
"""
from __future__ import annotations

import copy
import math
import pickle
import traceback
from types import SimpleNamespace
from typing import Any

import cupy_double
import numpy as np
import pytest


class Deferred:
    """As a Tensor, something that array operators must leave to it."""
    __array_ufunc__ = None

    def _answer(self, other: Any) -> str:
        return "mine"

    __add__ = __radd__ = __rmul__ = __rpow__ = __rmatmul__ = __lt__ = __gt__ = __eq__ = _answer
    __hash__ = None


class HigherPriority:
    __array_priority__ = 1000

    def __radd__(self, other: Any) -> str:
        return "mine"


def operands(xp: Any, upload: Any) -> SimpleNamespace:
    """What the expressions below are about: n on the host, the rest on the device."""
    n = np.arange(6, dtype=np.float32).reshape(2, 3)
    return SimpleNamespace(xp=xp, np=np, math=math, copy=copy, n=n, x=upload(n), i=upload(np.array([0, 1])),
                           z=upload(np.array(3, np.float32)), mask=upload(n > 2), deferred=Deferred(),
                           priority=HigherPriority())


def on_double() -> SimpleNamespace:
    return operands(cupy_double.cupy, cupy_double.cupy.asarray)


def on_cupy() -> SimpleNamespace:
    cupy = pytest.importorskip("cupy", reason="cupy not installed")

    def over_host_memory(x: np.ndarray) -> Any:
        memory = cupy.cuda.UnownedMemory(x.ctypes.data, x.nbytes, x, 0)
        return cupy.ndarray(x.shape, x.dtype, memptr=cupy.cuda.MemoryPointer(memory, 0))
    return operands(cupy, cupy.asarray if cupy.is_available() else over_host_memory)


def outcome(expression: str, names: SimpleNamespace) -> Any:
    """Its value, or "taken" where only the GPU was missing."""
    try:
        return eval(expression, vars(names))
    except (RuntimeError, ImportError) as error:
        if any("__repr__" in frame.name for frame in traceback.extract_tb(error.__traceback__)):
            raise TypeError("NumPy found no taker, and failed to print the arrays in its refusal") from None
        if type(error).__name__ == "CUDARuntimeError" or "libcublas" in str(error):
            return "taken"
        raise


REFUSED = {
    # a host array, a list, None where CuPy wants its own arrays
    "np.asarray(x)": TypeError,
    "np.float32(x)": TypeError,
    "n[i]": (TypeError, IndexError),
    "xp.stack([x, n])": TypeError,
    "xp.matmul(x, n.T)": TypeError,
    "xp.dot(x, n.T)": TypeError,
    "np.tensordot(x, n, axes=2)": TypeError,
    "x @ n.T": TypeError,
    "n @ x.T": TypeError,
    "x @ 2.0": TypeError,
    "x.__setitem__(0, n[0])": ValueError,
    "x.__setitem__(0, [1, 2, 3])": ValueError,
    # 0-d device arrays are no Python integers, and no keys
    "range(i[0])": TypeError,
    "hash(x)": TypeError,
    # names that CuPy lacks
    "xp.vecdot": AttributeError,
    "xp.errstate": AttributeError,
    "xp.linalg.vector_norm": AttributeError,
    "x.setflags": AttributeError,
    "x.flags.writeable": AttributeError,
    "x.ctypes": AttributeError,
    "x.__array_interface__": AttributeError,
    "xp.random.Generator.normal": AttributeError,
    "xp.random.Generator.permutation": AttributeError,
    "np.lib.stride_tricks.as_strided(x, (2, 2), (4, 4))": TypeError,
    # arguments that CuPy lacks
    "x.sum(where=mask)": TypeError,
    "np.sum(x, where=mask)": TypeError,
    "np.max(x, initial=0)": TypeError,
    "x.take(i, mode='clip')": TypeError,
    "xp.clip(x, min=0, max=1)": TypeError,
    "xp.reshape(x, shape=(3, 2))": TypeError,
    "np.ones(3, like=x)": TypeError,
    "np.full(3, 1.0, like=x)": TypeError,
    "np.eye(3, like=x)": TypeError,
    "x.item(0)": TypeError,
    # ufunc methods that CuPy lacks
    "np.maximum.reduce(x)": NotImplementedError,
    "np.logical_and.reduce(mask)": NotImplementedError,
    "np.maximum.accumulate(x)": NotImplementedError,
    # what NumPy's dispatch finds no taker for
    "np.add(x, deferred)": TypeError,
    "np.add(x, [1, 2, 3])": TypeError,
    "np.add(x, None)": TypeError,
    "np.add.at(x, [0, 1], x)": TypeError,
    "np.add.at(x, (i, i), z)": TypeError,
    "np.add.at(x, slice(0, 1), 1.0)": TypeError,
    # within cupy.fuse
    "xp.fuse(lambda a: np.exp(a))(x)": TypeError,
    "xp.fuse(lambda a: math.exp(a))(x)": TypeError,
    "xp.fuse(lambda a: a @ a)(x)": TypeError,
    "xp.fuse(lambda a: abs(a))(x)": TypeError,
    "xp.fuse(lambda a: a.T)(x)": AttributeError,
    "xp.fuse(lambda a: a.reshape(3, 2))(x)": AttributeError,
    "xp.fuse(lambda a: a + x)(x)": TypeError,
    "xp.fuse(lambda a: xp.exp(x))(x)": (TypeError, ValueError),
    "xp.fuse(lambda a: 2.0)(x)": ValueError,
    "xp.fuse(lambda a: [a, a])(x)": ValueError,
    "xp.fuse(lambda a, b: a)(x, [1])": TypeError,
    "xp.fuse(lambda a, b: a)(x, b=x)": TypeError,
}

# CuPy asks for the device first, and refuses afterwards: known from its source.
REFUSED_LATER = {
    "x + n": TypeError,
    "n + x": TypeError,
    "x + np.array(2.0)": TypeError,
    "x * [1, 2, 3]": TypeError,
    "x == None": TypeError,
    "np.exp(x, out=n)": TypeError,
    "xp.where(n > 0, x, 0.0)": TypeError,
    "np.zeros((2, z), like=x)": TypeError,
    "xp.sum([1, 2])": TypeError,
    "xp.exp([1, 2])": TypeError,
    "xp.concatenate([x, n])": TypeError,
    "xp.fuse(lambda a: a if a > 0 else -a)(x)": TypeError,
    "xp.asarray(['a'])": ValueError,
    "xp.asarray([None])": ValueError,
    "np.add(x, x, where=mask)": TypeError,
    "np.subtract.at(x, i, 1.0)": TypeError,
    "np.einsum('ij->i', x, out=z)": TypeError,
    "n.__iadd__(x)": TypeError,
    # CuPy passes this on to NumPy, computes 1 - b in float16, or reduces: refused by the double on purpose
    "xp.transpose(n)": TypeError,
    "xp.fuse(lambda a, b: (1 - b) * a)(x, 0.9)": TypeError,
    "xp.fuse(lambda a: a.sum())(x)": AttributeError,
}

TAKEN = [
    "x + 1", "2.0 * x", "x * np.float32(2)", "np.float64(2) * x", "x ** 2", "2 ** x", "-x", "abs(x)", "x @ x.T",
    "np.exp(x)", "np.maximum(x, 0.0)", "x > np.array(1.0)", "x.mT", "x.T", "x[0]", "x[:, None]", "x[i]", "x[[0, 1]]",
    "x[mask]", "x.__setitem__(mask, 0.0)", "x.__setitem__(0, 1.0)", "x.__setitem__(i, n)", "x.__iadd__(x)",
    "x.sum(0, keepdims=True)", "x.mean()", "x.max(axis=(0, 1))", "x.astype(np.float64)", "x.reshape(3, 2)",
    "np.sum(x, axis=(0, 1))", "np.broadcast_to(x, (4, 2, 3))", "np.zeros((2, 2), np.float32, like=x)",
    "np.asarray(n, like=x)", "np.zeros_like(x, shape=(3,))", "np.ones_like(x)", "np.concatenate((x, x), axis=0)",
    "np.stack([x, x])", "np.where(mask, x, 0.0)", "np.clip(x, 0, 1)", "np.pad(x, ((1, 1), (0, 0)))",
    "np.einsum('ij,kj->ik', x, x)", "np.tensordot(x, x, axes=2)", "np.add.at(x, i, 1.0)", "np.add.reduce(x)",
    "xp.add.at(x, (i, i), z)", "xp.add.at(x, [0, 1], x)", "xp.add.at(x, (slice(None), i), 1.0)",
    "np.lib.stride_tricks.sliding_window_view(x, (2, 2), axis=(0, 1))", "np.linalg.norm(x)", "np.isfinite(x)",
    "xp.lib.stride_tricks.as_strided(x, (2,), (4,))", "np.take_along_axis(x, i[None], axis=1)", "np.swapaxes(x, 0, 1)",
    "np.transpose(x, (1, 0))", "np.split(x, 2)", "np.shape(x)", "np.result_type(x, 1.0)", "copy.deepcopy(x)",
    "deferred + x", "x + deferred", "x @ deferred", "x ** deferred", "x < deferred", "x == deferred", "x + priority",
    "xp.fuse(lambda a, b: xp.where(a > 0, a * b, np.float32(2) * a))(x, np.float32(3))",
    "xp.fuse(lambda a, b: a.__iadd__(b))(x, x)", "xp.fuse(lambda a: (a + 1, a.astype(np.float64)))(x)",
    "xp.fuse(lambda a: np.exp(a))(3.0)", "xp.fuse(kernel_name='k')(lambda a: ~(a > 0))(x)", "len(x)", "bool(z > 1)",
    "np.multiply(x.astype(np.uint8), np.float32(2), dtype=np.float32)",
    "f'{z:.3f}'", "x.tolist()", "float(z)", "xp.get_array_module(x)", "xp.asnumpy(n)",
]


@pytest.mark.parametrize("names", [on_double, on_cupy])
class TestAsCuPy:
    @pytest.mark.parametrize("expression", REFUSED)
    def test_refuses(self, names, expression):
        with pytest.raises(REFUSED[expression]):
            outcome(expression, names())

    @pytest.mark.parametrize("expression", TAKEN)
    def test_takes(self, names, expression):
        outcome(expression, names())


@pytest.mark.parametrize("expression", REFUSED_LATER)
def test_refuses_later(expression):
    with pytest.raises(REFUSED_LATER[expression]):
        outcome(expression, on_double())


@pytest.mark.parametrize("expression", ["x + deferred", "x @ deferred", "x ** deferred", "x < deferred",
                                        "x == deferred", "x + priority"])
def test_operators_defer(expression):
    assert outcome(expression, on_double()) == "mine"


@pytest.mark.parametrize("expression", [e for e in TAKEN if "xp" not in e and "f'" not in e and "get" not in e])
def test_computes_as_numpy(expression):
    """Value, dtype and shape; in place too."""
    here, there = operands(np, np.copy), on_double()
    expected, found = outcome(expression, here), outcome(expression, there)
    for a, b in [(expected, found), (here.x, there.x)]:
        b = cupy_double.cupy.asnumpy(b) if not isinstance(b, list) else list(map(cupy_double.cupy.asnumpy, b))
        np.testing.assert_array_equal(b, a, strict=isinstance(a, np.ndarray))


COUNTS = {      # launches, syncs, uploads
    "x.T.reshape(2, 3)[0][None]": (1, 0, 0),        # the transpose must be copied, the rest are views
    "x.T[0].shape": (0, 0, 0),
    "np.broadcast_to(x, (4, 2, 3))": (0, 0, 0),
    "np.split(x, 2)": (0, 0, 0),
    "xp.empty(3)": (0, 0, 0),
    "np.exp(x) * 2 + 1": (3, 0, 0),
    "x.sum()": (1, 0, 0),
    "x.astype(np.float32, copy=False)": (0, 0, 0),
    "x.__iadd__(x)": (1, 0, 0),
    "x.__setitem__(0, x[0].__iadd__(1))": (1, 0, 0),     # which is x[0] += 1
    "x.__setitem__(0, x[1])": (1, 0, 0),
    "xp.exp(x, out=x)": (1, 0, 0),
    "xp.copyto(x, 1.0)": (1, 0, 0),
    "x[i]": (1, 0, 0),
    "x[[0, 1]]": (1, 0, 1),
    "xp.add.at(x, (0, [0, 1]), z)": (1, 0, 1),
    "x[mask]": (1, 1, 0),
    "x.__setitem__(mask, 0.0)": (1, 1, 0),
    "xp.nonzero(mask)": (1, 1, 0),
    "xp.where(mask, x, 0.0)": (1, 0, 0),
    "xp.concatenate([x] * 8)": (8, 0, 0),           # copied one by one
    "xp.concatenate([x] * 9)": (1, 0, 1),           # by one kernel, told where they are,
    "xp.concatenate([x, x[:1]] * 5)": (1, 0, 3),    # how large they are, and where they go
    "np.stack([z] * 20)": (1, 0, 1),
    "float(x.sum())": (1, 1, 0),
    "xp.asarray(n)": (0, 0, 1),
    "xp.asarray(x)": (0, 0, 0),
    "xp.cuda.Device().synchronize()": (0, 1, 0),
    "xp.fuse(lambda a, b: xp.where(a > 0, a * b, a - b) + 1)(x, x)": (1, 0, 0),
    "xp.random.default_rng(0).standard_normal((2, 3), dtype=np.float32)": (1, 0, 0),
}


@pytest.mark.parametrize("expression", COUNTS)
def test_counts(expression):
    names = on_double()
    with cupy_double.counting() as n:
        outcome(expression, names)
    assert (n.launches, n.syncs, n.uploads) == COUNTS[expression]


@pytest.mark.parametrize("expression", ["float(z)", "bool(z)", "x.get()", "x[mask]", "x.tolist()", "str(x)",
                                        "f'{z}'", "xp.asnumpy(x)", "xp.cuda.Device().synchronize()"])
def test_no_sync(expression):
    names = on_double()
    with pytest.raises(AssertionError, match="waited"), cupy_double.no_sync():
        outcome(expression, names)
    outcome(expression, names)      # and outside it is allowed


def test_memory_is_its_own():
    n = np.ones(3, np.float32)
    x = cupy_double.cupy.asarray(n)
    n[:] = 2
    x.get()[:] = 3
    assert x.tolist() == [1, 1, 1]


def test_memory_is_not_zeroed():
    assert np.isnan(cupy_double.cupy.empty(3, np.float32).get()).all()


def test_nothing_is_read_only():
    x = cupy_double.cupy.zeros((1, 3))
    cupy_double.cupy.broadcast_to(x, (2, 3))[0, 1] = 1
    assert x.tolist() == [[0, 1, 0]]


def test_random_numbers_are_not_numpys():
    here, there = np.random.default_rng(0), cupy_double.cupy.random.default_rng(0)
    assert not np.array_equal(here.random(4), there.random(4).get())


def test_pickles_by_value(double):
    x = double.cupy.asarray(np.arange(3.0))
    assert pickle.loads(pickle.dumps(x)).tolist() == x.tolist()


def test_stands_in_for_the_module(double):
    import cupy
    assert cupy is double.cupy
    assert not isinstance(cupy.zeros(3), np.ndarray)
    assert hasattr(cupy.ndarray, "__cuda_array_interface__")

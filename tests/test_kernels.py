"""What is elementwise is one kernel on a GPU, computes there what it computes on the CPU, and stays itself here."""
from __future__ import annotations

from typing import Any

import cupy_double
import numpy as np
import pytest

from tinyae import Tensor, grad, ops
from tinyae.backend import to_device, to_host
from tinyae.check.cases import CASES
from tinyae.kernels import fuse
from tinyae.tensor import data_of

# An entry of z needs several of x, or has another place.
OTHERS = {"matmul", "sum", "mean", "max", "min",
          "sum_to", "broadcast_to", "index", "put", "pad", "crop", "reshape", "transpose", "swapaxes", "cast",
          "concatenate", "stack"}


@fuse
def grow(x: Any, y: Any, by: Any, steps: int = 1) -> Any:
    """Operators in place, ufuncs, a fused function within another, where, a number, a setting; two results."""
    x *= by
    for _ in range(steps):
        x += 1
    z = np.where(x > y, halve(np.abs(x, out=np.empty_like(x))), y)
    return z, (x >= 2).astype(y.dtype) - np.clip(y, -1, 1)


@fuse
def halve(x: Any) -> Any:
    return x / 2


def several(name: str, part: str, launches: int) -> str:
    """What to do about a row that is not one kernel."""
    return (f"on a GPU the {part} of {name} is {launches} kernels where one will do: write the forward as a named "
            f"function with @fuse above it, and name {name} in the last lines of ops.py, which fuse the vjps; if an "
            f"entry of the result needs several entries of x, name {name} in OTHERS of tests/test_kernels.py instead")


@pytest.mark.parametrize("name", sorted(ops.ROWS.keys() - OTHERS))
def test_an_elementwise_row_is_one_kernel_and_so_are_its_vjps(double, name, rng):
    tried = 0
    for case in CASES[name]:
        xs = [to_device(x.astype(np.float32), "cuda") for x in case.args(rng)]
        with double.counting() as n:
            z = case.f(*map(Tensor, xs))
        if z.op.__name__ != name or z.size == 0:
            continue                                    # the case is about more than the row
        assert n.launches == 1, several(name, "forward", n.launches)
        for vjp in filter(None, z.op.vjps):
            with double.counting() as n, np.errstate(invalid="ignore"):      # log x of a number below 0
                vjp(z.data, z.data, *map(data_of, z.args), **z.settings)
            assert n.launches <= 1, several(name, "vjp", n.launches)
            tried += 1
    assert tried


@pytest.mark.parametrize("steps", [1, 3])
def test_one_kernel_computes_what_the_body_computes(gpu, rng, steps):
    x, y = rng.standard_normal((2, 3, 4)).astype(np.float32)
    here, there = [x.copy(), y[:1]], [gpu.array(x), gpu.array(y[:1])]
    expected = grow(*here, 1.5, steps=steps)
    with cupy_double.counting() as n:
        found = grow(*there, 1.5, steps=steps)
    assert n.launches == (gpu.id == "double")
    for e, f in zip([*here, *expected], [*there, *found], strict=True):
        np.testing.assert_allclose(to_host(f), e, rtol=1e-6, strict=True)
    assert not np.array_equal(here[0], x)               # it was written in place


def test_on_numpy_it_is_the_function_itself(rng):
    x = rng.standard_normal((3, 4)).astype(np.float32)
    seen = []
    fuse(lambda *args, **settings: seen.append((args, settings)))(x, 2, low=1)
    assert seen == [((x, 2), {"low": 1})] and seen[0][0][0] is x


def test_tensors_are_traced(gpu):
    x = gpu.tensor([1.0, -2.0])
    (g,) = grad(ops.sum(fuse(lambda x, y: ops.square(x) * y)(x, gpu.array([3.0, 4.0]))), [x])
    assert to_host(g).tolist() == [6, -16]


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_a_number_takes_the_dtype_of_the_arrays(gpu, dtype):
    z = fuse(lambda mask, x, y, n: (1 - y) * x * n * mask)(gpu.array([True], bool), gpu.array([2], dtype), 0.25, 3)
    assert z.dtype == dtype and to_host(z).tolist() == [4.5]


def test_each_setting_is_a_kernel_of_its_own(gpu):
    x = gpu.tensor([-1.0, 2.0])
    for slope in (0.5, 0.25, 4.0):                      # of which the last chooses another branch of the body
        assert to_host(ops.leaky_relu(x, slope=slope).data).tolist() == [-slope, 2]


def test_no_axes_and_no_entries(gpu):
    assert to_host(halve(gpu.array(3.0))).tolist() == 1.5
    assert halve(gpu.array(np.zeros((0, 3)))).shape == (0, 3)


@pytest.mark.parametrize("f", [lambda x: x.sum(), lambda x: x @ x, lambda x: x[0], lambda x: x if x > 0 else -x,
                               lambda x: np.sum(x), lambda x: x.reshape(-1)])
def test_what_is_not_elementwise_is_an_error(gpu, f):
    with pytest.raises((TypeError, AttributeError)):
        fuse(f)(gpu.array([[1.0]]))

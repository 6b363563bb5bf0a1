"""What the table of cases does not say of rows: conventions at kinks and ties, numbers beside arrays, refusals."""
from __future__ import annotations

import numpy as np
import pytest
from support import refused

from tinyae import Tensor, fused, grad, ops
from tinyae.check.cases import CASES, between, distinct
from tinyae.check.properties import Point, second_order
from tinyae.errors import BadIndex, BadType, BadValue


@pytest.mark.parametrize("name", ops.ROWS | fused.ROWS)
def test_second_order_on_a_gpu(name, gpu, seed):
    one = CASES[name][0]
    point = Point(name, one.f, one.args(np.random.default_rng(seed)), one.core, gpu.name, seed)
    assert second_order(point) < 1e-6


# ---- what is decided, not computed

def gradient(f, *arrays):
    tensors = [Tensor(np.array(x, np.float64)) for x in arrays]
    return [g.tolist() for g in grad(ops.sum(f(*tensors)), tensors)]


@pytest.mark.parametrize("row, sign", [(ops.max, 1.0), (ops.min, -1.0)])
def test_ties_share_equally(row, sign):
    x = sign * np.array([[5.0, 3.0, 5.0], [4.0, 4.0, 4.0]])
    assert gradient(lambda x: row(x, axis=1), x) == [[[0.5, 0, 0.5], [1 / 3] * 3]]
    assert gradient(row, np.zeros((2, 2))) == [[[0.25] * 2] * 2]


def test_maximum_and_minimum_split_a_tie():
    for row in (ops.maximum, ops.minimum):
        assert gradient(row, [1.0, 2.0], [1.0, 2.0]) == [[0.5, 0.5], [0.5, 0.5]]
    assert gradient(ops.maximum, [3.0, 1.0], [2.0, 2.0]) == [[1, 0], [0, 1]]
    assert gradient(ops.minimum, [3.0, 1.0], [2.0, 2.0]) == [[0, 1], [1, 0]]


def test_at_a_kink():
    """A rectifier's slope at 0 is the one below it, that of |x| is 0, and the ends of a clip belong to its inside."""
    assert gradient(ops.relu, [0.0]) == [[0]] and gradient(ops.abs, [0.0]) == [[0]]
    assert gradient(ops.leaky_relu, [0.0]) == [[0.01]]
    assert gradient(lambda x: ops.clip(x, low=0, high=1), [0.0, 1.0, 2.0]) == [[1, 1, 0]]


def test_an_index_may_name_a_place_twice(device):
    x = device.tensor([1, 2, 3], np.float64)
    (g,) = grad(ops.sum(x[device.array([0, 2, 0, 0], int)] * device.array([1, 10, 100, 1000], float)), [x])
    assert device.host(g).tolist() == [1101, 0, 10]


def test_a_mask_may_be_of_one(device):
    x = device.tensor(3.0)
    y = ops.where(x > 2, 2 * x, x)
    assert y.item() == 6 and device.host(grad(y, [x])[0]) == 2


def test_an_entry_of_a_vector_has_a_gradient():
    """A 0-d result: NumPy makes scalars of it, which put must take for arrays."""
    assert gradient(lambda x: 3 * x[1], [1.0, 2.0]) == [[0, 3]]
    assert gradient(lambda x: x[0] * x[1] / x[2], [1.0, 2.0, 4.0]) == [[0.5, 0.25, -0.125]]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_number_in_a_stack_takes_the_dtype_of_its_neighbours(dtype):
    y = ops.stack(Tensor(np.array(1, dtype)), 2.0, np.float64(3), 4)
    assert y.dtype == dtype and y.numpy().tolist() == [1, 2, 3, 4]
    assert ops.stack(1.0, 2.0).tolist() == [1, 2]


@pytest.mark.parametrize("power", [0, 1, 2, 3])
def test_a_power_at_zero(power):
    """x^k has the derivative k 0^(k-1) there, not nan; x^y by y has 0, for y > 0."""
    assert gradient(lambda x: x ** power, [0.0]) == [[1.0 if power == 1 else 0.0]]
    assert gradient(lambda x, y: x ** y, [0.0], [2.0]) == [[0], [0]]
    assert gradient(lambda y: 0 ** y, [2.0]) == [[0]]


def test_cast_goes_and_comes_back():
    x = Tensor(np.ones(3, np.float32))
    y = ops.cast(x, dtype=np.float64)
    assert y.dtype == np.float64 and grad(ops.sum(y * np.full(3, 2.0)), [x])[0].dtype == np.float32


def test_a_setting_of_numpy_s_own_kind_does_not_decide_about_the_dtype():
    x = Tensor(np.arange(9, dtype=np.float32).reshape(3, 3))
    assert ops.clip(x, low=np.float64(0.2), high=np.float64(3)).dtype == np.float32
    assert ops.sum(x, axis=np.int64(1)).shape == (3,)


def test_of_no_columns_no_mean():
    x = Tensor(np.ones((3, 0)))
    z = fused.log_mean_sigmoids(x)
    assert z.shape == (2, 0) and grad(ops.sum(z), [x])[0].shape == (3, 0)


@pytest.mark.parametrize("call, kind, words", [
    (lambda t: t @ t[0], BadValue, "(..., n, k) @ (..., k, m)"),
    (lambda t: ops.where(np.ones(3), t, 0.0), BadType, "an array of bool"),
    (lambda t: ops.concatenate([t, t]), BadType, "concatenate(*xs)"),
    (lambda t: ops.cast(t, dtype=int), BadValue, "np.float32"),
    (lambda t: ops.reshape(t, shape=(5,)), BadValue, "shape=(5,)"),
    (lambda t: ops.sum(t, axis=7), BadValue, "axis=7"),
    (lambda t: t + np.ones(7), BadValue, "(7,)"),
    (lambda t: ops.clip(t, 0, 1, 2), BadType, "clip(x, low, high)"),
    (lambda t: ops.sum(t, 0, axis=1), BadType, "2 by position and axis by name"),
    (lambda t: ops.clip(t), BadValue, "low, high, or both"),
    (lambda t: ops.clip(t, low=t), BadType, "ops.maximum(x, low)"),
    (lambda t: ops.clip(t, t, 1), BadType, "ops.maximum(x, low)"),
    (lambda t: ops.leaky_relu(t, slope=np.ones(3)), BadType, "a number as slope"),
    (lambda t: ops.sum(t, dim=0), BadType, "sum has no setting dim"),
    (lambda t: t[t], BadType, "a setting, which has no gradient"),
    (lambda t: t[3], BadIndex, "out of bounds"),
    (lambda t: t["a"], BadIndex, "slices"),
    (lambda t: ops.crop(t, width=-1), BadValue, "whole number >= 0"),
    (lambda t: ops.crop(t, width=2), BadValue, "that fit into (3, 3)"),
    (lambda t: ops.pad(t, width=0.5), BadValue, "whole number >= 0"),
    (lambda t: ops.concatenate(t, t, axis=None), BadValue, "needs an axis"),
    (lambda t: ops.mean(t[:0]), BadValue, "mean of nothing"),
    (lambda t: ops.max(t[:, :0], axis=1), BadValue, "max of nothing"),
    (lambda t: fused.sse(t[0], t), BadValue, "sse compares equal shapes only"),
    (lambda t: fused.bce(t, t.data[0]), BadValue, "(3, 3) float64 and (3,) float64"),
    (lambda t: fused.kl(t, 0.0), BadType, "kl takes arrays"),
    (lambda t: ops.elu(t, alpha=-0.5), BadValue, "alpha >= 0"),
    (lambda t: fused.sse(t, np.float64(0.5)), BadType, "got:      float 0.5"),
    (lambda t: ops.where(t > 0, t), BadType, "2 by position")])
def test_rows_refuse_what_they_cannot_do(call, kind, words):
    with refused(kind, words):
        call(Tensor(np.ones((3, 3))))


def test_a_case_draws_away_from_kinks(rng):
    x, y = np.sort(distinct(rng, (50,))), np.sort(between(rng, (50,)))
    assert min(np.diff(x).min(), np.diff(y).min()) > 0.15
    assert min(abs(x).min(), abs(x[:, None] - y).min()) > 0.04

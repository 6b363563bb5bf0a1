"""Rules 4 and 5 of the engine: a gradient's shape, dtype and device; gradients are values."""
from __future__ import annotations

import copy

import numpy as np
import pytest
from support import assert_like, refused

from tinyae import Tensor, functions, grad, op, ops
from tinyae.errors import BadType, BadValue
from tinyae.optim import SGD, Adam

FLOATS = [np.float32, np.float64]
SHAPES = [(), (1,), (3,), (2, 1), (4, 1, 3)]

# ---- 4. shape, dtype and device of a gradient; one float dtype per tape

NUMBERS = [2, 2.0, True, np.float64(2), np.float32(2), np.int64(2), np.bool_(True), np.array(2.0), np.array(2)]


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("create_graph", [False, True])
def test_a_gradient_is_like_what_it_is_the_gradient_of(device, dtype, create_graph):
    for shape in SHAPES:
        x = device.tensor(np.ones(shape), dtype)
        middle = ops.exp(x)
        y = ops.mean(middle * 3 + 1)
        for g, of in zip(grad(y, [x, middle, y], create_graph=create_graph), [x, middle, y], strict=True):
            assert type(g) is Tensor if create_graph else True
            assert_like(g.data if create_graph else g, of)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("number", NUMBERS, ids=lambda x: f"{type(x).__name__}-{getattr(x, 'dtype', '')}")
def test_numbers_take_the_tensors_dtype(device, dtype, number):
    t = device.tensor([1.0, 4.0], dtype)
    for z in (t * number, number * t, t + number, number - t, t / number, number / t, t ** number,
              ops.maximum(t, number), ops.maximum(number, t)):
        assert type(z) is Tensor
        assert_like(grad(ops.sum(z), [t])[0], t)
        assert z.dtype == dtype
    assert device.host((number - t).data).tolist() == [float(number) - 1, float(number) - 4]


@pytest.mark.parametrize("dtype", [np.float64, np.int64])
def test_a_number_on_the_device_takes_the_tensors_dtype(device, dtype):
    t = device.tensor([1.0, 4.0])
    with device.no_sync():
        z = t * device.array(2, dtype)
    assert_like(z.data, t)
    assert device.host(z.data).tolist() == [2, 8]


@pytest.mark.parametrize("dtype", FLOATS)
def test_lists_take_the_tensors_dtype_and_device(device, dtype):
    t = device.tensor([1.0, 4.0], dtype)
    for z in ([1, 2] * t, t + [0.5, 0.5], ops.where(t > 2, [1.0, 1.0], t), ops.reshape(t, shape=(1, 2)) @ [[1], [2]]):
        assert type(z) is Tensor
        assert_like(grad(ops.sum(z), [t])[0], t)


@pytest.mark.parametrize("dtype", FLOATS)
def test_masks_are_cast_before_arithmetic(device, dtype):
    t = device.tensor([1.0, 4.0], dtype)
    for z in (t * (t > 2), (t > 2) * t, t + (t > 2), (t > 2) - t):
        assert z.dtype == dtype
    assert device.host(grad(ops.sum(t * (t > 2)), [t])[0]).tolist() == [0, 1]
    assert device.host(grad(ops.sum(t ** (t > 2)), [t])[0]).tolist() == [0, 1]      # a vjp that subtracts from y


def test_arrays_on_the_left_ask_the_tensor(device):
    t, a = device.tensor([[1.0, 2.0], [3.0, 4.0]]), device.array([[1.0, 0.0], [0.0, 2.0]])
    for z, expected in ((a * t, [[1, 0], [0, 8]]), (a + t, [[2, 2], [3, 6]]), (a - t, [[0, -2], [-3, -2]]),
                        (a @ t, [[1, 2], [6, 8]]), (t @ a, [[1, 4], [3, 8]]), (a / t, [[1, 0], [0, 0.5]]),
                        (a ** t, [[1, 0], [0, 16]])):
        assert type(z) is Tensor
        assert device.host(z.data).tolist() == expected


@pytest.mark.parametrize("row", ["add", "mul", "matmul", "maximum", "concatenate", "stack"])
@pytest.mark.parametrize("tensor", [False, True])
def test_another_float_dtype_is_refused_with_the_cast(device, row, tensor):
    x, y = device.tensor(np.ones((2, 2))), device.tensor(np.ones((2, 2)), np.float64)
    with refused(BadType, f"{row} mixes dtypes", "float64", "x.astype(np.float32)", "ops.cast(t, dtype=np.float32)"):
        getattr(ops, row)(x, y if tensor else y.data)
    with refused(BadType, f"{row} mixes dtypes", "x.astype(np.float64)"):
        getattr(ops, row)(y if tensor else y.data, x) if tensor else getattr(ops, row)(y, x.data)


@pytest.mark.parametrize("dtype", [np.int64, np.uint8])
def test_an_integer_array_is_refused_with_the_cast(device, dtype):
    x = device.tensor([1.0, 2.0])
    for expression in (lambda i: x * i, lambda i: i * x, lambda i: x + i):
        with refused(BadType, "mixes dtypes", np.dtype(dtype).name, "x.astype(np.float32)"):
            expression(device.array([1, 2], dtype))


def test_cast_changes_dtype_on_purpose(device):
    x = device.tensor([1.0, 2.0])
    wide = ops.cast(x, dtype=np.float64)
    assert wide.dtype == np.float64
    assert_like(grad(ops.sum(wide * wide), [x])[0], x)
    for dtype in (np.int64, bool):
        with refused(BadValue, "float to float"):
            ops.cast(x, dtype=dtype)


def test_a_row_that_changes_the_dtype_is_refused_by_name():
    row = op(lambda x: x * np.float64(2), lambda g, z, x: g * 2)
    row.__name__ = "twice"
    with refused(BadValue, "twice changed the dtype", "float64"):
        row(Tensor(np.ones(3, np.float32)))


@pytest.mark.parametrize("data", [2, 2.0, [1, 2], [[1.0, 2.0]], np.float32(2)])
def test_numbers_and_lists_become_float32(data):
    t = Tensor(data)
    assert t.dtype == np.float32 and t.shape == np.shape(data)


# ---- 5. gradients are values: nobody writes into one

def test_results_and_gradients_are_read_only():
    x = Tensor(np.ones((2, 3)))
    results = [x, -x, x + 1, x.T, x[0], ops.reshape(x, shape=(6,)), ops.broadcast_to(x, shape=(4, 2, 3)), ops.sum(x),
               ops.sum_to(x, shape=(2, 3)), ops.concatenate(x, x), x[np.array([0, 1])]]
    gradients = grad(ops.sum(x * x + x), [x]) + grad(ops.sum(x), [x]) + grad(ops.sum(x.T), [x]) + grad(
        ops.sum(Tensor([1.0])), [Tensor([1.0])], unused="zero")
    for a in [t.data for t in results] + gradients + [g.data for g in grad(ops.sum(x), [x], create_graph=True)]:
        with pytest.raises(ValueError, match="read-only"):
            a[...] = 5


def test_backwards_gradients_are_read_only():
    x = Tensor(np.ones(3))
    ops.sum(x * x).backward()
    with pytest.raises(ValueError, match="read-only"):
        x.grad += 1


def test_a_writable_array_is_copied_as_a_tensors_data():
    a = np.ones(3)
    view = a[:]
    view.flags.writeable = False            # read-only, but its base is not
    tensors = [Tensor(a), Tensor(view)]
    a[:] = 5
    assert [t.numpy().tolist() for t in tensors] == [[1, 1, 1]] * 2


def test_a_read_only_array_is_kept():
    a = np.ones(3)
    a.flags.writeable = False
    assert Tensor(a).data is a
    assert (Tensor(np.ones(3)) * a).args[1] is a


def test_a_new_value_of_a_parameter_is_copied_too():
    t, a = Tensor(np.zeros(3)), np.ones(3)
    t.data = a
    a[:] = 5
    assert t.numpy().tolist() == [1, 1, 1]


CONSTANTS = {       # t, an array a and a mask m -> a Tensor
    "mul": lambda t, a, m: t * a,
    "left": lambda t, a, m: a * t,
    "view": lambda t, a, m: t * a[:],
    "matmul": lambda t, a, m: t @ a,
    "power": lambda t, a, m: t ** a,
    "bce": lambda t, a, m: functions.bce_with_logits(t, a),
    "mask": lambda t, a, m: t * m,
    "where": lambda t, a, m: ops.where(m, t, 0.0),
}


@pytest.mark.parametrize("name", CONSTANTS)
def test_a_constant_changed_after_use_changes_no_gradient(name):
    t, a = Tensor([[1.0, 2.0], [3.0, 4.0]]), np.array([[0.5, 0.25], [0.0, 1.0]], np.float32)
    m = a > 0.3
    y = ops.sum(CONSTANTS[name](t, a, m))
    before = grad(y, [t])[0].copy()
    a[:] = m[:] = 0
    np.testing.assert_array_equal(grad(y, [t])[0], before)
    np.testing.assert_array_equal(grad(y, [t], create_graph=True)[0].data, before)


@pytest.mark.parametrize("key", [np.array([0, 2]), [0, 2], np.array([True, False, True])])
@pytest.mark.parametrize("in_tuple", [False, True])
def test_an_index_changed_after_use_changes_no_gradient(key, in_tuple):
    t, key = Tensor([1.0, 2.0, 3.0]), copy.copy(key)
    y = ops.sum(t[(key,) if in_tuple else key])
    key[:] = [False] * 3 if len(key) == 3 else [1, 1]
    assert grad(y, [t])[0].tolist() == [1, 0, 1]


def new_data(p: Tensor, loss: Tensor) -> None:
    p.data = p.data * 2


def sgd(p: Tensor, loss: Tensor) -> None:
    SGD([p]).step(grad(loss, [p]))


def adam(p: Tensor, loss: Tensor) -> None:
    Adam([p]).step(grad(loss, [p]))


def loaded(p: Tensor, loss: Tensor) -> None:
    p.data = copy.deepcopy(p.data)      # a new value, though an equal one


@pytest.mark.parametrize("change", [new_data, sgd, adam, loaded])
@pytest.mark.parametrize("ask", [lambda y, p: grad(y, [p]), lambda y, p: y.backward(),
                                 lambda y, p: grad(y, [p], create_graph=True)])
def test_a_parameter_changed_after_use_is_refused(device, change, ask):
    p = device.tensor([1.0, 2.0])
    y = ops.sum(p * p)
    change(p, y)
    with refused(BadValue, "changed after it was used", "mul", "compute the loss again"):
        ask(y, p)
    grad(ops.sum(p * p), [p])


def test_a_change_is_noticed_through_any_number_of_steps(device):
    p, q = device.tensor(2.0), device.tensor(3.0)
    y = ops.exp(p * q) + q
    p.data = p.data + 1
    with refused(BadValue, "changed after it was used"):
        grad(y, [q])            # whose gradient, p * exp(pq), needs the p that was


def test_a_gradient_outlives_the_change_of_its_parameter(device):
    p = device.tensor(3.0)
    (g,) = grad(p * p, [p])
    p.data = p.data * 0
    assert device.host(g) == 6


def test_new_data_must_fit(device):
    p = device.tensor([1.0, 2.0])
    for wrong in (device.array([1.0]), device.array([1.0, 2.0], np.float64), [1.0, 2.0], 1.0, p):
        with refused(BadValue, "new data must fit", "(2,) float32"):
            p.data = wrong
    with refused(BadValue, "only a leaf"):
        (p * 2).data = p.data


# ---- what enters a tape in other clothes

def test_rows_of_a_tensor_come_one_by_one_and_have_gradients(device):
    x = device.tensor([[1.0, 2.0], [3.0, 4.0]])
    first, second = x
    (g,) = grad(ops.sum(first * second), [x])
    assert device.host(g).tolist() == [[3, 4], [1, 2]]


def test_a_memory_map_is_a_constant_like_any_other(tmp_path):
    np.save(tmp_path / "x.npy", np.array([1, 2], np.float32))
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    x = Tensor(mapped)
    assert type(x.data) is np.ndarray
    (g,) = grad(ops.sum(x * mapped), [x])
    assert type(g) is np.ndarray and g.tolist() == [1, 2]

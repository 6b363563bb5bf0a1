"""Rules 6 to 9 of the engine: no gradient is silently absent, backward(), no modes, nothing escapes to NumPy."""
from __future__ import annotations

import copy
import math
import pickle

import numpy as np
import pytest
from support import assert_like, refused

from tinyae import Tensor, functions, grad, ops
from tinyae.errors import BadType, BadValue
from tinyae.layers import Dropout
from tinyae.models import VAE

# ---- 6. a gradient is never silently absent

def test_no_path_is_refused_or_zero_on_demand(device):
    x, w = device.tensor([1.0, 2.0]), device.tensor(np.ones((2, 2)))
    y = ops.sum(x * x)
    with refused(BadValue, "no path", "entry 1", 'unused="zero"'):
        grad(y, [x, w])
    gx, gw = grad(y, [x, w], unused="zero")
    assert_like(gw, w)
    assert not device.host(gw).any() and device.host(gx).tolist() == [2, 4]
    assert type(grad(y, [w], create_graph=True, unused="zero")[0]) is Tensor
    with refused(BadValue, "unknown setting", '"zero"'):
        grad(y, [x], unused="ignore")


def test_data_cuts_the_path(device):
    x = device.tensor([1.0, 2.0])
    with refused(BadValue, "no path", ".data"):
        grad(ops.sum(device.tensor([1.0, 1.0]) * x.data), [x])


def test_several_elements_are_refused(device):
    x = device.tensor([1.0, 2.0])
    for ask in (lambda: grad(x * x, [x]), lambda: (x * x).backward()):
        with refused(BadValue, "one number", "ops.sum(y)", "ops.mean(y)"):
            ask()
    assert_like(grad(device.tensor([[3.0]]), [x], unused="zero")[0], x)      # one element of any shape will do


@pytest.mark.parametrize("dtype", [np.int64, np.uint8, bool, np.complex128])
def test_a_tensor_that_has_no_gradient_is_refused(device, dtype):
    with refused(BadType, "floating-point", "astype(np.float32)"):
        Tensor(device.array([1, 0], dtype))


@pytest.mark.parametrize("data", ["ab", None, ["a"], {"a": 1}, True])
def test_what_is_no_array_of_floats_is_refused(data):
    with refused(BadType, "floating-point"):
        Tensor(data)


def test_a_tensor_of_a_tensor_is_refused(device):
    t = device.tensor([1.0])
    with refused(BadType, "already a Tensor", "t.data"):
        Tensor(t)
    with pytest.raises(BadType):
        Tensor([t, t])


def test_an_argument_without_a_vjp_is_refused(device):
    x = device.tensor([1.0, 2.0])
    with refused(BadType, "argument 0 of where has no gradient", "t.data"):
        ops.where(x, x, x)


@pytest.mark.parametrize("wrt", ["tensor", "array", "entry", "number", "name"])
def test_wrt_is_tensors(device, wrt):
    x = device.tensor([1.0, 2.0])
    wrong = {"tensor": x, "array": x.data, "entry": [x, x.data], "number": [1.0], "name": {"x": x.data}}[wrt]
    with refused(BadType):
        grad(ops.sum(x), wrong)


@pytest.mark.parametrize("y", [1.0, None, "loss"])
def test_y_is_a_tensor(device, y):
    with refused(BadType, "nothing to differentiate", ".item()"):
        grad(y, [device.tensor(1.0)])


def test_wrt_in_any_form(device):
    x = device.tensor(3.0)
    z = x * x
    y = z * z
    assert [device.host(g) for g in grad(y, (x, x, z, y))] == [108, 108, 18, 1]
    assert device.host(grad(y, {"a": x})["a"]) == 108
    assert grad(y, []) == [] and grad(y, {}) == {}
    assert device.host(grad(x, [x])[0]) == 1


def test_shapes_that_do_not_fit_are_refused_by_row(device):
    with refused(BadValue, "add", "(2,) float32", "(3,) float32"):
        device.tensor([1.0, 2.0]) + device.tensor([1.0, 2.0, 3.0])
    with refused(BadValue, "matmul"):
        device.tensor(np.ones((2, 3))) @ device.tensor(np.ones((2, 3)))
    with refused(BadValue, "matmul"):
        device.tensor(np.ones((2, 3))) @ device.tensor(np.ones(3))
    with refused(BadType, "add takes 2"):
        ops.add(device.tensor(1.0))
    with refused(BadType, "argument 1 of add must be an array"):
        device.tensor(1.0) + "a"


# ---- 7. backward() fills .grad of the leaves, and replaces what was there

def test_backward_fills_leaves_with_arrays(device):
    x, w = device.tensor([1.0, 2.0]), device.tensor([3.0, 4.0])
    middle = x * w
    ops.sum(middle * middle).backward()
    assert_like(x.grad, x)
    assert_like(w.grad, w)
    assert device.host(x.grad).tolist() == [18, 64]
    assert middle.grad is None


def test_backward_replaces(device):
    a = device.tensor(3.0)
    b = a + a
    c = b + b
    c.backward()
    c.backward()                                    # the graph is still there, and nothing adds up
    assert device.host(a.grad) == 4
    (a * a).backward()
    assert device.host(a.grad) == 6


def test_grad_leaves_nothing_behind(device):
    x = device.tensor(3.0)
    grad(x * x, [x])
    assert x.grad is None


# ---- 8. no modes: randomness is an argument

def test_no_rng_no_corruption(device):
    x = device.tensor([[1.0, 2.0]])
    assert functions.dropout(x, 0.5) is x
    assert functions.gaussian_noise(x, 0.3) is x
    assert Dropout(0.5)(x) is x


@pytest.mark.parametrize("corrupt", [lambda x, rng: functions.dropout(x, 0.5, rng),
                                     lambda x, rng: functions.gaussian_noise(x, 0.3, rng),
                                     lambda x, rng: Dropout(0.5)(x, rng)])
def test_one_seed_one_corruption(device, corrupt):
    x = device.tensor(np.ones((4, 8)))
    first, again, other = (device.host(corrupt(x, np.random.default_rng(s)).data) for s in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_vae_asks_for_its_rng(device):
    model = VAE(n_in=4, hidden=[3], latent=2, rng=np.random.default_rng(0), device=device.name)
    x = device.array(np.full((2, 4), 0.5))
    with refused(BadType, "samples", "default_rng(0)"):
        model.losses(x, None)
    losses = [model.losses(x, np.random.default_rng(0)) for _ in range(2)]
    for name in losses[0]:
        assert losses[0][name].item() == losses[1][name].item()


# ---- 9. what would lose a gradient without a word is refused

def test_writing_into_a_tensor_is_refused(device):
    x = device.tensor([1.0, 2.0])
    for t in (x, x * 2):
        for key in (0, slice(None), Ellipsis, x > 1):
            with refused(BadType, "cannot be written into", "ops.where"):
                t[key] = 5.0


def test_augmented_assignment_makes_a_new_tensor(device):
    x = device.tensor([1.0, 2.0])
    t = x
    t += 1
    t *= x
    t -= 1
    t /= 2
    t **= 2
    assert t is not x and device.host(x.data).tolist() == [1, 2]
    assert device.host(grad(ops.sum(t), [x])[0]).tolist() == [1.5, 12.5]


ESCAPES = {
    "np.asarray": lambda t: np.asarray(t),
    "np.array": lambda t: np.array(t),
    "np.array of a list": lambda t: np.array([t, t]),
    "np.cbrt": lambda t: np.cbrt(t),
    "np.floor": lambda t: np.floor(t),
    "np.cumsum": lambda t: np.cumsum(t),
    "np.vstack": lambda t: np.vstack([t, t]),
    "np.sum(dtype=)": lambda t: np.exp(t, dtype=np.float64),
    "np.add.reduce": lambda t: np.add.reduce(t),
    "math.exp": lambda t: math.exp(t[0]),
    "float": lambda t: float(t[0]),
    "float of a leaf": lambda t: float(Tensor(1.0)),
    "int": lambda t: int(t[0]),
    "complex": lambda t: complex(t[0]),
    "np.linalg.norm": lambda t: np.linalg.norm(t),
    "np.float64": lambda t: np.float64(t),
    "np.zeros(like=)": lambda t: np.zeros(3, like=t),
}


@pytest.mark.parametrize("name", ESCAPES)
def test_numpy_on_a_tensor_is_refused_with_the_row_to_use(device, name):
    with refused(BadType, "would lose this Tensor's gradient", "ops.", "t.numpy()"):
        ESCAPES[name](device.tensor([1.0, 2.0]))


def test_an_array_cannot_swallow_a_tensor(device):
    a, t = device.array([1.0, 2.0]), device.tensor([1.0, 2.0])
    with pytest.raises(TypeError):
        a[:] = t
    with pytest.raises(TypeError):
        np.add(a, t, out=a)
    with pytest.raises(TypeError):
        a += t
    for swallow in (lambda: a.__setitem__(0, t[0]), lambda: a.fill(t[0])):
        with pytest.raises((TypeError, ValueError)):
            swallow()
    assert device.host(a).tolist() == [1, 2]


def test_truth_and_numbers_of_many_are_refused(device):
    many, one = device.tensor([1.0, 2.0]), device.tensor([[3.0]])
    with refused(BadValue, "truth", ".any()"):
        bool(many)
    for number in (lambda t: t.item(), lambda t: f"{t:.2f}"):
        with refused(BadValue, "not one number", "ops.sum(t)"):
            number(many)
    assert bool(one) and one.item() == 3.0 and f"{one:.2f}" == "3.00"
    assert not device.tensor(0.0)


def test_comparisons_give_arrays_and_hash_is_identity(device):
    x, y = device.tensor([1.0, 2.0]), device.tensor([1.0, 3.0])
    for answer, expected in ((x == y, [True, False]), (x != y, [False, True]), (x < y, [False, True]),
                             (x <= 1, [True, False]), (y > x, [False, True]), (x < 2, [True, False]),
                             (x >= y.data, [True, False]), (x.data == y, [True, False])):
        assert type(answer) is type(x.data) and device.host(answer).tolist() == expected
    assert {x: 1, y: 2}[x] == 1 and len({x, y, x}) == 2
    assert hash(x) != hash(Tensor(x.data))


def test_leaves_are_copied_and_pickled_by_value_and_results_are_not(device):
    x = device.tensor([1.0, 2.0])
    for twin in (copy.deepcopy(x), copy.copy(x), pickle.loads(pickle.dumps(x))):
        assert twin is not x and device.host(twin.data).tolist() == [1, 2]
        assert_like(twin.data, x)
    for duplicate in (copy.deepcopy, copy.copy, pickle.dumps):
        with refused(BadValue, "only a leaf", "t.data"):
            duplicate(x * 2)


def test_a_tensor_says_what_it_is(device):
    assert "Tensor([2.9], " in repr(device.tensor([2.9])) and "2.9]" in device.tensor([2.9])._repr_html_()
    text = repr(device.tensor([1.0, 2.0]) * 2)
    assert "[2.0, 4.0]" in text and "(2,)" in text and "float32" in text and "mul" in text
    assert ("cuda" in text) == (device.name == "cuda")

"""Wrong numbers and crashes that people reported of engines like this one, kind by kind, each with siblings."""
from __future__ import annotations

import array
import collections
import math
from contextlib import nullcontext

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import refused

from tinyae import Tensor, backend, conv, functions, fused, grad, gradcheck, op, ops
from tinyae.check.cases import CASES
from tinyae.errors import BadIndex, BadType, BadValue, Refusal
from tinyae.guards import Each, setting_names
from tinyae.tensor import data_of

ROWS = ops.ROWS | fused.ROWS | conv.ROWS
f4, f8 = np.float32, np.float64


def gradient(f, *arrays, dtype=f8):
    """The gradients of sum f, as lists."""
    tensors = [Tensor(np.array(x, dtype)) for x in arrays]
    return [g.tolist() for g in grad(ops.sum(f(*tensors)), tensors)]


# ---- a key that names a place twice

TWICE = [
    ((0, 0, 1), (1, 1, 2)), ([0, 0, 1], [1, 1, 2]), (slice(None), (1, 1)), (slice(None), [1, 1]),
    array.array("i", [0, 0]), pytest.param(memoryview(np.array([0, 0])), id="memoryview"), ((0, 0),),     # reported
    range(-2, 2), collections.deque([1, 0, 1]), [[0, 1], [1, 1]], (0, (1, -2, 1)),      # siblings
    ([0, 0], slice(None), None), (Ellipsis, [2, -1, 2]), (np.array([0, 0], np.int8), 1), [True, False],
    ([1, 1], [True, False, True]), ([[0], [0]], [[1, 1, 2]]), (), (np.int8(1), [0, 0]), [],
]


@pytest.mark.parametrize("key", TWICE, ids=str)
def test_a_place_that_is_named_twice_counts_twice(device, key):
    """dL/dx of x[key] is what np.add.at adds up; put is the same."""
    x = device.tensor(np.arange(6).reshape(2, 3), f8)
    here = lambda k: device.array(k, k.dtype) if isinstance(k, np.ndarray) else k
    at = tuple(np.asarray(k) if isinstance(k, collections.deque | range) else k
               for k in (key if isinstance(key, tuple) else (key,)))
    at = tuple(np.asarray(k, int) if isinstance(k, list) and not k else k for k in at)
    key = tuple(map(here, key)) if isinstance(key, tuple) else key
    y = x[key]
    np.testing.assert_array_equal(device.host(y.data), device.host(x.data)[at])
    weights = 10.0 ** np.arange(y.size).reshape(y.shape)
    expected = np.zeros((2, 3))
    np.add.at(expected, at, weights)
    (g,) = grad(ops.sum(y * device.array(weights, f8)), [x])
    np.testing.assert_array_equal(device.host(g), expected)
    np.testing.assert_array_equal(device.host(ops.put(device.array(weights, f8), key, (2, 3))), expected)
    w = device.tensor(weights, f8)
    z = ops.put(w, key=key, shape=(2, 3))
    np.testing.assert_array_equal(device.host(z.data), expected)
    np.testing.assert_array_equal(device.host(grad(ops.sum(z * x), [w])[0]), device.host(x.data)[at])


@pytest.mark.parametrize("call", [
    lambda t: t[5], lambda t: t[0, 7], lambda t: t[[0, 9]], lambda t: t[0, 0, 0], lambda t: t["a"], lambda t: t[1.5],
    lambda t: t[[True]], lambda t: ops.put(t, key=[7, 8], shape=(3,)), lambda t: ops.put(t, key=(0, 0, 0), shape=(2,)),
    lambda t: ops.put(t, key=[True], shape=(2, 2))])
def test_a_place_that_is_not_there_is_refused(call):
    """On NumPy. CuPy's lists of integers wrap around."""
    with refused(BadIndex, "index out of range, or not an index", "integers below the length"):
        call(Tensor([[1.0, 2.0], [3.0, 4.0]]))


# ---- a Tensor where a number is asked for

@pytest.mark.parametrize("swallow", [
    lambda t, a: a.__setitem__(0, t), lambda t, a: a.fill(t), lambda t, a: math.exp(t), lambda t, a: np.float64(t),
    lambda t, a: complex(t),                                                                    # reported
    lambda t, a: np.full(3, t), lambda t, a: round(t), lambda t, a: math.sqrt(t), lambda t, a: np.array([1.0, t]),
    lambda t, a: a.put(0, t), lambda t, a: a.__setitem__([0], [t]), lambda t, a: math.fsum([t, t]),
    lambda t, a: int(t), lambda t, a: "%.2f" % t, lambda t, a: range(t), lambda t, a: np.float32(t),   # noqa: UP031
    lambda t, a: np.linspace(t, 1.0, 3), lambda t, a: a.itemset(t) if hasattr(a, "itemset") else a.fill(t),
    lambda t, a: np.add(a, 1, out=a, where=t), lambda t, a: array.array("d", [t]), lambda t, a: a.clip(t, 1, out=a),
    lambda t, a: a.__setitem__(slice(1), t), lambda t, a: np.copyto(a, t), lambda t, a: np.put(a, 0, t)])
@pytest.mark.parametrize("made", [lambda: Tensor([2.0])[0], lambda: Tensor(2.0), lambda: Tensor([2.0, 3.0]).sum()])
def test_no_number_leaves_a_tensor_without_being_asked(made, swallow):
    a = np.zeros(2, f4)
    with pytest.raises((TypeError, ValueError)):
        swallow(made(), a)
    assert a.tolist() == [0, 0]


def test_a_number_that_is_asked_for_is_given(device):
    t = device.tensor([2.0, 3.0]).sum()
    assert t.item() == 5.0 and f"{t:.1f}" == "5.0" and bool(t) and f"{t}".startswith("Tensor(5.0")


# ---- whatever settings a forward takes, the vjp takes too

@pytest.mark.parametrize("width", [1, (1, 1), ((1, 1),), ((1, 0), (0, 2)),              # reported, and siblings:
                                   [1, 2], np.array([[0, 1]]), np.int64(2), 0, ((2,), (1,))], ids=str)
def test_pad_and_crop_take_every_form_of_a_width(width):
    x = np.arange(30.0).reshape(5, 6)
    z, (a, b) = np.pad(x, width), np.broadcast_to(np.asarray(width), (2, 2)).tolist()
    np.testing.assert_array_equal(ops.pad(Tensor(x), width=width).data, z)
    np.testing.assert_array_equal(ops.crop(Tensor(z), width=width).data, x)
    weights = np.cos(np.arange(z.size)).reshape(z.shape)
    assert gradient(lambda t: ops.pad(t, width=width) * weights, x) == [
        weights[a[0]:len(z) - a[1], b[0]:z.shape[1] - b[1]].tolist()]
    assert gradient(lambda t: ops.crop(t, width=width) * x, z) == [np.pad(x, width).tolist()]


@pytest.mark.parametrize("low, high", [(0, None), (None, 1), (-np.inf, 1), (0, np.inf), (np.float32(0), np.int8(1)),
                                       (1, 0), (True, None)], ids=str)
def test_clip_takes_a_missing_bound(low, high):
    x = np.array([-1.0, 0.0, 0.5, 1.0, 2.0])
    inside = (x >= (-np.inf if low is None else low)) & (x <= (np.inf if high is None else high))
    assert gradient(lambda t: ops.clip(t, low=low, high=high), x) == [inside.astype(float).tolist()]


@pytest.mark.parametrize("row", [ops.sum, ops.mean, ops.max, ops.min])
@pytest.mark.parametrize("axis", [None, 0, -1, (), (0,)], ids=str)
@pytest.mark.parametrize("keepdims", [False, True])
def test_a_single_number_reduces_along_every_axis_that_numpy_takes(row, axis, keepdims):
    found = []
    refusals = pytest.raises(BadValue, match="cannot take these arguments") if axis == (0,) or (
        row is ops.mean and axis in (0, -1)) else nullcontext()             # NumPy takes neither of the two
    with refusals:
        found = gradient(lambda t: row(t, axis=axis, keepdims=keepdims) * 3, 2.0)
    assert found == ([3.0] if isinstance(refusals, nullcontext) else [])


@pytest.mark.parametrize("call, right", [
    (lambda y: (-2.0) ** y, [math.nan]), (lambda y: ops.power(0.0, y), [0.0]),
    (lambda y: 2 ** y, [4 * math.log(2)]), (lambda y: ops.power(np.array([-2.0, 1.0]), y), [math.nan])])
def test_a_number_to_the_power_of_a_tensor(call, right):
    """d(a^y)/dy = a^y log a, which no real number is at a < 0: nan, as in PyTorch and JAX, not a crash."""
    with np.errstate(invalid="ignore"):
        np.testing.assert_allclose(gradient(call, 2.0), right)


def test_functions_of_nothing_give_nothing():
    """A batch without images, a mask that selects nothing: the gradient of the rest is 0."""
    empty = lambda x: x[np.zeros(4, bool)]
    losses = {
        "mean": lambda x: ops.mean(empty(x), axis=1), "var": lambda x: functions.var(empty(x), axis=1),
        "layer_norm": lambda x: functions.layer_norm(empty(x)), "softmax": lambda x: functions.softmax(empty(x)),
        "log_softmax": lambda x: functions.log_softmax(empty(x)),
        "logsumexp": lambda x: functions.logsumexp(empty(x)),
        "squared_error": lambda x: functions.squared_error(empty(x), np.zeros((0, 3))),
        "bce": lambda x: functions.bce_with_logits(empty(x), np.zeros((0, 3))),
        "cross_entropy": lambda x: functions.cross_entropy(empty(x), np.zeros(0, int)),
        "kl": lambda x: functions.gaussian_kl(empty(x), np.zeros((0, 3))),
        "nll": lambda x: functions.gaussian_nll(empty(x), np.zeros((0, 3)), np.zeros((0, 3)))}
    for name, f in losses.items():
        x = Tensor(np.ones((4, 3)))
        y = f(x)
        assert y.shape in ((0,), (0, 3)), name
        assert grad(ops.sum(y), [x])[0].tolist() == [[0] * 3] * 4, name


NOTHING = np.ones((2, 0))


@pytest.mark.parametrize("f, value", [(functions.softmax, np.ones((2, 0))), (functions.log_softmax, np.ones((2, 0))),
                                      (functions.layer_norm, None), (lambda x: functions.var(x, axis=1), None),
                                      (functions.logsumexp, np.full(2, -np.inf)), (lambda x: ops.mean(x, axis=1), None),
                                      (lambda x: ops.max(x, axis=1), None), (lambda x: ops.sum(x, axis=1), np.zeros(2)),
                                      (lambda x: ops.min(x), None)])
def test_of_no_numbers_a_function_gives_its_limit_or_is_refused(f, value):
    """The sum of no numbers is 0 and its log is -inf; their mean, maximum and variance do not exist."""
    with refused(BadValue, "of nothing", "if len(x) > 0") if value is None else nullcontext():
        np.testing.assert_array_equal(f(NOTHING), value)
        x = Tensor(NOTHING)
        y = f(x)
        np.testing.assert_array_equal(y.data, value)
        assert grad(ops.sum(y), [x])[0].shape == (2, 0)


INTEGERS = st.integers(-4, 4)
ANYTHING = st.recursive(
    st.one_of(st.none(), st.booleans(), INTEGERS, INTEGERS.map(np.int64), INTEGERS.map(np.int8), st.sampled_from([
        0.5, -1.0, math.nan, math.inf, f4(0.5), f8(2), 1j, "word", ..., slice(None), slice(0, 1), slice(None, None, -1),
        np.newaxis, f8, int, np.bool_(True)])),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.lists(inner, max_size=4).map(tuple)), max_leaves=8)
ANYTHING = st.one_of(ANYTHING, *(st.lists(INTEGERS, max_size=4).map(kind) for kind in (list, tuple, np.array)))
SHAPES = [(), (1,), (3,), (0,), (2, 3), (2, 0), (1, 4, 4, 2), (2, 2, 3)]


def calls(name):
    """(arrays, settings) of every call of this row in its cases."""
    for case in CASES[name]:
        z = case.f(*map(Tensor, case.args(np.random.default_rng(0))))
        if type(z) is Tensor and z.op is ROWS[name]:
            yield [data_of(a) for a in z.args], z.settings


def settings_of(name):
    row = ROWS[name]
    return ["axis"] if isinstance(row.vjps, Each) else setting_names(row.forward, len(row.vjps))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")          # None as a shape, say, which NumPy 2.0 still takes
@pytest.mark.parametrize("name", [name for name in ROWS if settings_of(name)])
def test_whatever_a_forward_takes_its_gradients_take(name):
    """Any setting: the forward refuses it, or the gradients of both orders have the shapes of the arguments."""
    row, known = ROWS[name], list(calls(name))

    @settings(max_examples=3 * settings().max_examples)
    @given(st.data())
    def check(data):
        arrays, given_settings = data.draw(st.sampled_from(known))
        if data.draw(st.booleans()):
            shape, rng = data.draw(st.sampled_from(SHAPES)), np.random.default_rng(0)
            arrays = [a if getattr(a, "dtype", None) in (None, bool) else rng.uniform(0.1, 0.9, shape) for a in arrays]
        wild = {s: data.draw(ANYTHING) for s in settings_of(name) if data.draw(st.booleans())}
        arguments = [Tensor(a) if row.vjps[i] is not None and isinstance(a, np.ndarray) else a
                     for i, a in enumerate(arrays)]
        try:
            z = row(*arguments, **given_settings | wild)
        except Refusal:
            return
        leaves = [t for t in arguments if type(t) is Tensor]
        for g, t in zip(grad(ops.sum(z), leaves), leaves, strict=True):
            assert (g.shape, g.dtype) == (t.shape, t.dtype)
        traced = grad(ops.sum(z), leaves, create_graph=True)
        again = grad(ops.sum(ops.stack(*(ops.sum(g * g) for g in traced))), leaves, unused="zero")
        assert [g.shape for g in again] == [t.shape for t in leaves]

    check()


# ---- float32 sums of more than 2^24 numbers

LONG = [(f4, (1 << 24) + (1 << 20)), (np.float16, 1 << 13)]          # more ones than the dtype can count one by one


@pytest.mark.parametrize("dtype, n", LONG)
def test_a_sum_of_many_ones_counts_them(dtype, n):
    ones = np.broadcast_to(dtype(1), (n, 1))                        # takes no memory
    row, bias, b = Tensor(np.zeros((1, 1), dtype)), Tensor(np.zeros(1, dtype)), Tensor(np.zeros((), dtype))
    x = Tensor(np.broadcast_to(dtype(1), (n, 2)))
    assert grad(ops.sum(bias + ones), [bias])[0] == n               # reported
    assert ops.mean(x, axis=0).data.tolist() == [1, 1]
    assert ops.sum(x, axis=0).data.tolist() == [n, n]
    assert grad(ops.sum(row * ones), [row])[0] == n                 # siblings
    assert grad(ops.sum(b + ones), [b])[0] == n
    assert ops.sum_to(x, shape=(1, 2)).data.tolist() == [[n, n]]
    assert ops.sum(x.T, axis=1).data.tolist() == [n, n]
    assert ops.mean(x[::2], axis=(0,), keepdims=True).data.tolist() == [[1, 1]]
    assert grad(ops.sum(ops.broadcast_to(bias, shape=(n // 2, 2, 1))), [bias])[0] == n // 2 * 2
    assert functions.var(x, axis=0).data.tolist() == [0, 0]
    W = Tensor(np.zeros((1, 1), dtype))
    assert grad(ops.sum(fused.affine(ones, W, bias)), [bias])[0] == n
    (g,) = grad(ops.sum(bias + ones), [bias], create_graph=True)
    assert g.data == n


# ---- a vjp that writes into g

def doubling(method):
    def vjp(g, z, x):
        method(g)
        return g
    return op(lambda x: 2 * x, vjp)


@pytest.mark.parametrize("write", [
    lambda g: g.__imul__(2), lambda g: g.__iadd__(g), lambda g: np.multiply(g, 2, out=g),
    lambda g: g.__setitem__(slice(None), 0), lambda g: g.sort(), lambda g: g.fill(0), lambda g: g.T.__imul__(2)])
def test_a_vjp_cannot_write_into_g(write):
    twice, x = doubling(write), Tensor([1.0, 2.0])
    for y in (ops.sum((x + twice(x)) * 1.0), ops.sum(twice(x)), twice(x)[0], ops.sum(twice(2 * x) + x)):
        with refused(BadValue, "vjp 0 of op is wrong", "do not write into it"):
            grad(y, [x])
    with pytest.raises(AssertionError, match="do not write into it"):
        gradcheck(twice, x)


# ---- the second derivative of a power whose exponent is 0

@pytest.mark.parametrize("x, y", [(3.0, 0.0), (0.5, 0.0), (1.0, 0.0), (3.0, 1.0), (3.0, -1.0), (2.0, 2.0)])
def test_the_hessian_of_a_power_is_symmetric(x, y):
    """d2(x^y)/dxdy = x^(y-1) (1 + y log x), in either order."""
    a, b = Tensor(np.array(x)), Tensor(np.array(y))
    da, db = grad(a ** b, [a, b], create_graph=True)
    right = x ** (y - 1) * (1 + y * math.log(x))
    assert grad(da, [b])[0] == pytest.approx(right, rel=1e-14)
    assert grad(db, [a])[0] == pytest.approx(right, rel=1e-14)
    assert grad(da, [a], unused="zero")[0] == pytest.approx(y * (y - 1) * x ** (y - 2), abs=1e-14)
    assert grad(db, [b])[0] == pytest.approx(x ** y * math.log(x) ** 2, rel=1e-14)


# ---- a derivative of 0 behind an infinite one

BEHIND = [
    (lambda x: ops.sqrt(ops.relu(x)), -1.0, 0.0),                                                       # reported
    (lambda x: ops.sqrt(ops.clip(x, 0, 1)), -1.0, 0.0), (lambda x: ops.sqrt(ops.maximum(x, 0.0)), -1.0, 0.0),
    (lambda x: ops.sqrt(-ops.minimum(x, 0.0)), 1.0, 0.0), (lambda x: ops.sqrt(ops.minimum(x, 2.0) - 2), 5.0, 0.0),
    (lambda x: ops.sqrt(ops.where(x > 0, x, 0.0)), -1.0, 0.0), (lambda x: 1 / ops.relu(x), -2.0, 0.0),
    (lambda x: ops.log(ops.max(ops.stack(x, 0 * x.data))), -1.0, 0.0), (lambda x: ops.relu(x) ** 0.5, -3.0, 0.0),
    (lambda x: ops.relu(x) ** -1.5, -3.0, 0.0), (lambda x: ops.sqrt(ops.keep(x, x.data < 0)), 4.0, 0.0),
    (lambda x: ops.log(ops.min(ops.stack(-x, 0 * x.data))), -1.0, 0.0)]


@pytest.mark.parametrize("f, x, right", BEHIND)
@pytest.mark.parametrize("dtype", [f4, f8])
def test_what_is_cut_off_gets_no_gradient_however_large_it_is_behind(device, f, x, right, dtype):
    t = device.tensor(x, dtype)
    with np.errstate(all="ignore"):
        for create_graph in (False, True):
            (g,) = grad(f(t), [t], create_graph=create_graph)
            assert device.host(data_of(g)) == right


# ---- rows of -inf

@pytest.mark.parametrize("row, right", [([-math.inf, -math.inf], [0, 0]), ([-math.inf, 0.0], [0, 1]),
                                        ([5.0, -math.inf], [1, 0]), ([0.0, 0.0], [0.5, 0.5])], ids=str)
@pytest.mark.parametrize("f", [
    functions.logsumexp, lambda x: functions.logsumexp(x, axis=1, keepdims=True),
    lambda x: functions.logsumexp(x.T, axis=0), lambda x: functions.logsumexp(x[:, :, None], axis=(1, 2))])
def test_a_row_of_minus_infinity_has_no_gradient_and_leaves_its_neighbours_alone(device, row, right, f):
    x = device.tensor([row, [1.0, 3.0]], f8)
    y = f(x)
    assert device.host(y.data).reshape(-1).tolist() == [max(row) + math.log(2) * (row == [0, 0]),
                                                        3 + math.log1p(math.exp(-2))]
    for create_graph in (False, True):
        (g,) = grad(ops.sum(y), [x], create_graph=create_graph)
        np.testing.assert_allclose(device.host(data_of(g)), [right, [1 / (1 + math.e ** 2), 1 / (1 + math.e ** -2)]])
    (h,) = grad(ops.sum(g * g), [x])
    assert device.host(h)[0].tolist() == [0, 0] and np.isfinite(device.host(h)).all()


def test_an_entry_of_minus_infinity_has_probability_0_and_gradient_0(device):
    x = device.tensor([[-math.inf, 1.0, 1.0]], f8)
    assert device.host(functions.softmax(x).data).tolist() == [[0, 0.5, 0.5]]
    (g,) = grad(functions.softmax(x)[0, 1], [x])
    assert device.host(g).tolist() == [[0, 0.25, -0.25]]
    loss = functions.cross_entropy(x, device.array([1], int))
    assert device.host(grad(loss.sum(), [x])[0]).tolist() == [[0, -0.5, 0.5]]


# ---- elu far to the left

@pytest.mark.parametrize("alpha", [1.0, 0.5, 2.0, 1e-3])
@pytest.mark.parametrize("x", [-16.0, -17.4, -20.0, -60.0, -1e-6, -80.0])
def test_the_slope_of_elu_keeps_its_digits_far_to_the_left(device, alpha, x):
    t = device.tensor(x)
    y = ops.elu(t, alpha=alpha)
    (g,) = grad(y, [t], create_graph=True)
    (h,) = grad(g, [t])
    np.testing.assert_allclose(device.host(data_of(g)), alpha * math.exp(x), rtol=4e-6)
    np.testing.assert_allclose(device.host(h), alpha * math.exp(x), rtol=4e-6)


@pytest.mark.parametrize("row, x, y", [(ops.maximum, 2.0, 1.0), (ops.minimum, 1.0, 2.0)])
def test_the_winner_s_gradient_is_not_halved_and_doubled_again(row, x, y):
    """NumPy would lose the smallest number, and a GPU, which takes subnormal numbers for 0, all below 2.4e-38."""
    least = np.finfo(np.float32).smallest_subnormal
    t = Tensor(np.float32([x]))
    (g,) = grad(ops.sum(row(t, y) * least), [t])
    assert g == [least]


# ---- refusals that help

@pytest.mark.parametrize("call, kind, words", [
    (lambda t: conv.conv2d(t, t, dilation=2), BadType, ("conv2d has no setting dilation", "stride", "padding")),
    (lambda t: conv.conv2d(t, t, groups=2, bias=1), BadType, ("conv2d has no setting groups",)),
    (lambda t: conv.max_pool2d(t, size=2, stride=1), BadType, ("max_pool2d has no setting stride",)),
    (lambda t: conv.max_pool2d(t, size=(2, 2)), BadValue, ("max_pool2d: size must be one whole number",)),
    (lambda t: t[t], BadType, ("key of index is a setting", "t.data.astype(int)")),
    (lambda t: ops.clip(t, low=t), BadType, ("low of clip", "ops.maximum(x, low)")),
    (lambda t: ops.leaky_relu(t, slope=np.ones(2)), BadType, ("number as slope", "ops.where")),
    (lambda t: t[7], BadIndex, ("out of bounds", "(2, 2, 2, 2)")),
    (lambda t: ops.crop(t, width=-1), BadValue, ("whole number >= 0",)),                              # reported
    (lambda t: conv.conv_transpose2d(t, t, size=(3, 3), dilation=2), BadType, ("conv_transpose2d has no setting",)),
    (lambda t: conv.avg_pool2d(t, size=2, padding=1), BadType, ("avg_pool2d has no setting padding",)),
    (lambda t: conv.upsample2d(t, size=(2, 2)), BadValue, ("upsample2d: size must be one whole number",)),
    (lambda t: ops.elu(t, alpha=t), BadType, ("alpha of elu is a setting",)),
    (lambda t: ops.elu(t, alpha=[1.0]), BadType, ("number as alpha",)),
    (lambda t: ops.clip(t, high=np.ones(2)), BadType, ("number as high", "ops.minimum")),
    (lambda t: ops.clip(t, low=math.nan), BadValue, ("low must be a number",)),
    (lambda t: ops.leaky_relu(t, slope=math.inf), BadValue, ("slope must be a number and finite",)),
    (lambda t: ops.pad(t, width=(0, -1)), BadValue, ("whole number >= 0",)),
    (lambda t: ops.pad(t.sum(), width=1), BadValue, ("for 0 axes",)),
    (lambda t: ops.crop(t.sum(), width=(1, 2)), BadValue, ("for 0 axes",)),
    (lambda t: ops.reshape(t, shape=t), BadType, ("shape of reshape is a setting",)),
    (lambda t: ops.sum(t, axis=t), BadType, ("axis of sum is a setting",)),
    (lambda t: functions.softmax(t, axis=7), BadValue, ("axis must be an axis of x", "axis=7")),
    (lambda t: functions.logsumexp(t.data, axis=(0, 9)), BadValue, ("axis must be an axis of x", "axis=-1"))])
def test_a_refusal_names_the_row_and_the_way_out(call, kind, words):
    with refused(kind, *words):
        call(Tensor(np.ones((2, 2, 2, 2))))


class TensorOfPyTorch:
    """On a CPU, too, its class has the attribute by which CuPy's arrays are known; its arrays go through __array__."""
    __cuda_array_interface__ = property(lambda self: 1 / 0)

    def __array__(self, dtype=None, copy=None):
        return np.array([0, 0, 1])


def test_a_tensor_of_pytorch_is_not_taken_for_one_on_cuda(device):
    assert backend.device_of(TensorOfPyTorch()) == "cpu" and not backend.is_array(TensorOfPyTorch())
    x = device.tensor([1.0, 2.0])
    assert device.host(grad(ops.sum(x[TensorOfPyTorch()]), [x])[0]).tolist() == [2, 1]
    with refused(BadType, "argument 1 of mul must be an array", "TensorOfPyTorch"):
        x * TensorOfPyTorch()


def test_the_axes_of_a_vector_may_be_one_number():
    assert gradient(lambda t: ops.transpose(t, axes=0) * [1.0, 2.0], [3.0, 4.0]) == [[1, 2]]
    assert gradient(lambda t: ops.transpose(t, axes=(-1,)) * [1.0, 2.0], [3.0, 4.0]) == [[1, 2]]


@pytest.mark.parametrize("axis", [[0, 1], (0, 1), np.array([0, 1]), [np.int64(0), 1]], ids=str)
def test_axes_may_be_a_list(axis):
    assert gradient(lambda t: ops.sum(t, axis=axis if isinstance(axis, list) else tuple(axis)) * [1.0, 2.0],
                    np.ones((2, 1, 2))) == [[[[1, 2]], [[1, 2]]]]


# ---- gradcheck at any scale

@pytest.mark.parametrize("f, x", [
    (ops.log, [1e-8, 1.0]), (ops.log, [1e-170]), (lambda x: 2 * x, [1e200]), (ops.sqrt, [1e-10, 1.0]),      # reported
    (lambda x: x * x, [1e-100, 1e3]), (lambda x: 1 / x, [1e-9, 1e9]), (ops.log1p, [1e-12, 1e12]),
    (lambda x: x ** 3, [1e60, 1.0])])
def test_gradcheck_believes_smooth_functions_at_any_scale(f, x):
    assert gradcheck(f, np.array(x)) < 1e-5


@pytest.mark.parametrize("f, x", [
    (ops.log, [1e-8, 1.0]), (lambda x: 2 * x, [1e200]), (lambda x: x * x, [1e-6, 1.0])])
def test_gradcheck_sees_a_wrong_gradient_at_any_scale(f, x):
    wrong = op(data_of, lambda g, z, x: 1.01 * g)
    with pytest.raises(AssertionError):
        gradcheck(lambda x: f(wrong(x)), np.array(x))

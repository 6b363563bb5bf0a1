"""The checker checked: it finds what is planted, names it, and raises no false alarm."""
from __future__ import annotations

from collections import namedtuple

import numpy as np
import pytest
from support import refused

from tinyae import Tensor, functions, grad, gradcheck, op, ops
from tinyae.check.gradcheck import NotDifferentiable, WrongGradient
from tinyae.errors import BadType, BadValue, Refusal

X = np.random.default_rng(0).standard_normal((3, 4))


def faulty_tanh(distort):
    """tanh with its gradient passed through distort(gradient, x)."""
    return op(np.tanh, lambda g, z, x: distort(g * (1 - z * z), x))


def softmax_of(array):
    e = np.exp(array - array.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


# name -> (the function, what the message must say)
FAULTS = {
    "softmax without a backward": (op(softmax_of, lambda g, z, x: 0 * g), "the gradient is zero"),
    "zero where the op is tiny": (op(lambda x: 1e-7 * np.tanh(x), lambda g, z, x: 0 * g), "the gradient is zero"),
    "sign": (faulty_tanh(lambda g, x: -g), "the sign is wrong"),
    "twice": (faulty_tanh(lambda g, x: 2 * g), "every element is 2 times"),
    "half": (faulty_tanh(lambda g, x: 0.5 * g), "every element is 0.5 times"),
    "1.001": (faulty_tanh(lambda g, x: 1.001 * g), "every element is 1.001 times"),
    "detached": (faulty_tanh(lambda g, x: ops.data_of(g)), "the gradient of tanh"),
    "half detached": (op(np.tanh, lambda g, z, x: g * (1 - ops.data_of(z) ** 2)), "the gradient of tanh"),
    "one element": (op(np.tanh, lambda g, z, x: g * (1 - z * z) * (np.arange(x.size).reshape(x.shape) != 5)), "(1, 1)"),
    "cut by .data": (lambda x: x * ops.tanh(x.data), "has a wrong gradient"),
    "shape": (op(lambda x: x.sum(0), lambda g, z, x: g[:2]), "vjp 0 of"),
    "dtype": (faulty_tanh(lambda g, x: g.astype(np.float32) if isinstance(g, np.ndarray) else g), "vjp 0 of tanh"),
    "other bits on Tensors": (faulty_tanh(lambda g, x: g * (1 + 1e-9) if isinstance(g, Tensor) else g), "create_graph"),
    "nan behind where": (lambda x: ops.where(x.data > 0, ops.sqrt(x), 0.0), "mask its argument"),
}


@pytest.mark.parametrize("name", FAULTS)
@pytest.mark.parametrize("seed", range(3))
def test_a_planted_fault_is_found_and_named(name, seed):
    f, words = FAULTS[name]
    with refused(WrongGradient, words):
        gradcheck(f, X, seed=seed)


def test_a_zero_gradient_of_an_argument_that_hardly_matters_is_found():
    zero = faulty_tanh(lambda g, x: 0 * g)
    with refused(WrongGradient, "args[1]", "the gradient is zero"):
        gradcheck(lambda x, y: x + 1e-8 * zero(y), X, X)
    assert gradcheck(lambda x, y: x + 1e-8 * ops.tanh(y), X, X) < 1e-6


def test_the_wrong_argument_and_element_are_shown_with_both_values():
    wrong = op(np.multiply, lambda g, z, x, y: g * y, lambda g, z, x, y: g * (x + (np.arange(3) == 1)))
    with refused(WrongGradient, "gradient in args[0]['y'], shapes args[0]['x'] (3,), args[0]['y'] (3,)",
                 "expected: 1 by differences of f at element (1,)", "got:      2 by grad"):
        gradcheck(lambda p: ops.sum(wrong(p["x"], p["y"])), {"x": np.ones(3), "y": np.full(3, 2.0)})


@pytest.mark.parametrize("size", 10.0 ** np.arange(-8, 9, 4))
@pytest.mark.parametrize("unit", 10.0 ** np.arange(-8, 9, 4))
def test_any_scale_of_arguments_and_results(size, unit):
    assert gradcheck(lambda x: size * ops.tanh(x / unit), unit * X) < 1e-6
    zero = faulty_tanh(lambda g, x: 0 * g)
    with pytest.raises(WrongGradient):
        gradcheck(lambda x: size * zero(x / unit), unit * X)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_correct_function_passes_in_any_dtype(dtype):
    assert gradcheck(ops.tanh, X.astype(dtype)) < 1e-8
    assert gradcheck(ops.matmul, X.astype(dtype), Tensor(X.T.astype(dtype))) < 1e-8


@pytest.mark.parametrize("f, x", [
    (ops.relu, [0.0, 1.0]), (ops.abs, [0.0, 1.0]), (lambda x: ops.max(x, axis=0), [1.0, 1.0]), (ops.sqrt, [0.0, 1.0]),
    (lambda x: ops.clip(x, low=0, high=1), [1.0, 0.5]), (lambda x: ops.maximum(x[0], x[1]), [2.0, 2.0]),
    (lambda x: x * (x.data > 1), [1.0, 2.0])], ids=["relu", "abs", "max", "sqrt", "clip", "maximum", "jump"])
def test_a_kink_is_not_called_a_mistake(f, x):
    with refused(NotDifferentiable, "not differentiable here"):
        gradcheck(f, np.array(x))


def test_a_constant_that_swallows_the_differences_is_not_called_a_mistake():
    with refused(NotDifferentiable, "subtract the large constant"):
        gradcheck(lambda x: 1e9 + ops.tanh(x), X)


def test_a_gradient_that_is_zero_may_be_zero():
    assert gradcheck(lambda x: x ** 0, X) == 0
    assert gradcheck(ops.square, np.zeros(3)) < 1e-6
    assert gradcheck(lambda x: ops.sum(functions.softmax(x)), X) < 1e-6         # constant, but for rounding
    assert gradcheck(functions.softmax, np.ones((3, 1))) < 1e-6


def test_order():
    detached = FAULTS["detached"][0]
    assert gradcheck(detached, X, order=1) < 1e-8           # its first order is right
    assert gradcheck(ops.tanh, X[0, :2], order=4) < 1e-6
    with refused(BadValue, "order"):
        gradcheck(ops.tanh, X, order=0)


def test_arguments_and_results_may_be_nested():
    Pair = namedtuple("Pair", "weight bias")

    def f(x, layers, flag, *, scale=2.0):
        assert flag == "yes" and isinstance(layers["first"], Pair)
        h = ops.tanh(x @ layers["first"].weight + layers["first"].bias)
        return {"h": h, "more": [scale * h, (ops.sum(h),)], "not a Tensor": 3}
    assert gradcheck(f, X, {"first": Pair(X.T, 0.5), "unused": np.arange(3)}, "yes") < 1e-8


def test_integers_and_masks_reach_f_as_they_are():
    def f(x, i, mask):
        assert i.dtype.kind == "i" and mask.dtype == bool
        return ops.where(mask, x, 0.0)[i]
    assert gradcheck(f, X, np.array([0, 0, 2]), X > 0) < 1e-8


@pytest.mark.parametrize("f, args, kind, words", [
    (lambda x: x * np.ones(4, np.float32), [X], BadType, "captured an array of its own"),
    (lambda x: x @ Tensor(X.T.astype(np.float32)), [X], BadType, "pass it as an argument"),
    (lambda x: functions.dropout(x, 0.5, np.random.default_rng()), [X], BadValue, "default_rng(0)"),
    (lambda x: x.data, [X], BadType, "returned no Tensor"),
    (ops.log, [-X], BadValue, "is not finite"),
    (ops.tanh, [], BadType, "nothing to differentiate by"),
    (ops.tanh, [np.arange(3)], BadType, "nothing to differentiate by")],
    ids=["float32 constant", "float32 Tensor", "random", "constant", "nan", "no arguments", "integers"])
def test_what_cannot_be_checked_is_refused(f, args, kind, words):
    with refused(kind, words):
        gradcheck(f, *args)


def test_errors_of_the_function_itself_come_through():
    with pytest.raises(ZeroDivisionError):
        gradcheck(lambda x: x * (1 / 0), X)
    with pytest.raises(BadValue, match="matmul"):
        gradcheck(lambda x: x @ x, X)


def test_arguments_are_not_changed():
    x = X.copy()
    gradcheck(ops.tanh, x)
    assert np.array_equal(x, X) and x.flags.writeable


def test_one_seed_one_answer():
    assert gradcheck(ops.tanh, X, seed=5) == gradcheck(ops.tanh, X, seed=5) != gradcheck(ops.tanh, X, seed=6)


def test_on_the_device_of_its_arguments(device):
    x = device.array(X, np.float64)
    assert gradcheck(lambda x: ops.sum(ops.tanh(x) @ x.T, axis=0), x) < 1e-8
    with refused(WrongGradient, "the sign is wrong"):
        gradcheck(op(np.tanh, lambda g, z, x: -g * (1 - z * z)), x)


# ---- the standard set

RIGHT = {
    "tanh": (ops.tanh, (2, 3)), "exp": (ops.exp, (5,)), "sigmoid": (ops.sigmoid, (2, 3)), "square": (ops.square, ()),
    "mul": (ops.mul, (2, 3), (3,)), "matmul": (ops.matmul, (2, 3), (3, 2)), "index": (lambda x: x[[0, 1, 0]], (2, 3)),
    "softmax": (functions.softmax, (2, 3)), "gaussian_kl": (functions.gaussian_kl, (2, 3), (2, 3)),
    "composed": (lambda x, w, b: ops.sum(ops.square(ops.tanh(x @ w + b)), axis=1), (2, 3), (3, 2), (2,)),
    "tiny": (lambda x: 1e-8 * ops.sin(x), (2, 3)), "huge": (lambda x: 1e8 * ops.sin(x), (2, 3)),
    "double backprop": (lambda x: grad(ops.sum(ops.tanh(x) ** 3), [x], create_graph=True), (3,)),
}
WRONG = [name for name in FAULTS if name not in ("shape", "dtype", "nan behind where")]


def verdict(f, arrays, seed):
    """What gradcheck raises, or None."""
    try:
        gradcheck(f, *arrays, seed=seed)
    except Refusal as error:
        return error
    return None


def alarms_and_misses(seeds):
    """[a right function that is refused], [a wrong one that is not called wrong], over the standard set."""
    alarms, misses = [], []
    for seed in seeds:
        rng = np.random.default_rng(seed)
        for name, (f, *shapes) in RIGHT.items():
            if error := verdict(f, [rng.standard_normal(s) for s in shapes], seed):
                alarms.append(f"{name}, seed {seed}: {error}")
        for name in WRONG:
            error = verdict(FAULTS[name][0], [rng.standard_normal((2, 3))], seed)
            if not isinstance(error, WrongGradient):
                misses.append(f"{name}, seed {seed}: {error}")
    return alarms, misses


def test_neither_alarm_nor_miss_on_two_seeds(seed):
    assert alarms_and_misses([seed, seed + 1]) == ([], [])


@pytest.mark.slow
def test_neither_alarm_nor_miss_on_a_thousand_seeds(capsys):
    alarms, misses = alarms_and_misses(range(1000))
    with capsys.disabled():
        print(f"\n  {len(alarms)} false alarms in {1000 * len(RIGHT)}, {len(misses)} misses in {1000 * len(WRONG)}")
    assert (alarms, misses) == ([], [])

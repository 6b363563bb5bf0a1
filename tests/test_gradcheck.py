"""The checker checked: it finds what is planted, names it, and raises no false alarm."""
from __future__ import annotations

from collections import namedtuple

import numpy as np
import pytest
from support import refused

from tinyae import Tensor, functions, grad, gradcheck, op, ops
from tinyae.check import finite_differences
from tinyae.check.gradcheck import NotDifferentiable, WrongGradient, textbook_gradcheck
from tinyae.errors import BadType, BadValue, Refusal

X = np.random.default_rng(0).standard_normal((3, 4))


def faulty_tanh(distort):
    """tanh with its gradient passed through distort(gradient, x)."""
    return op(np.tanh, lambda g, z, x: distort(g * (1 - z * z), x))


def softmax_of(array):
    e = np.exp(array - array.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def write_into_g(g, z, x):
    """The vjp of 2x, written where g lies: right in value, wrong for whoever shares g."""
    g *= 2
    return g


doubled_in_place = op(lambda x: 2 * x, write_into_g)


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


# ---- the check that textbooks print, and what fools it

def test_the_textbook_tells_right_from_wrong():
    assert textbook_gradcheck(ops.tanh, X) and textbook_gradcheck(ops.square, np.array(0.3))
    assert not textbook_gradcheck(FAULTS["sign"][0], X) and not textbook_gradcheck(FAULTS["one element"][0], X)
    assert not textbook_gradcheck(op(np.tanh, lambda g, z, x: g * np.nan), X)


@pytest.mark.parametrize("name", ["softmax without a backward", "zero where the op is tiny", "detached"])
def test_the_textbook_passes_a_wrong_gradient(name):
    """For its v is of ones, its tolerance absolute, and its order the first."""
    assert textbook_gradcheck(FAULTS[name][0], X)
    with refused(WrongGradient, FAULTS[name][1]):
        gradcheck(FAULTS[name][0], X)


@pytest.mark.parametrize("f, x", [
    (lambda x: 1e8 * ops.sin(x), 1.0), (ops.log, 1e-8), (ops.relu, 1e-6), (ops.square, 1e9)],
    ids=["absolute tolerance", "step out of the domain", "step over a kink", "step lost in rounding"])
def test_the_textbook_fails_a_right_gradient(f, x):
    with np.errstate(invalid="ignore"):         # log of a negative number
        assert not textbook_gradcheck(f, np.array([x]))
    assert gradcheck(f, np.array([x])) < 1e-6


def test_a_slope_says_how_far_it_can_be_trusted():
    smooth = finite_differences.slope_of(lambda x: [np.sin(x[0])], [np.ones(1)], [np.ones(1)], [np.ones(1)])
    assert abs(smooth.value - np.cos(1)) < 1e-10 and smooth.trusted(0.0) and smooth.jump == 0
    kink = finite_differences.slope_of(lambda x: [np.abs(x[0])], [np.zeros(1)], [np.ones(1)], [np.ones(1)])
    assert kink.sides == pytest.approx((1, -1)) and not kink.trusted(1e9)
    swallowed = finite_differences.slope_of(lambda x: [1e9 + np.sin(x[0])], [np.ones(1)], [1e-9 * np.ones(1)],
                                            [np.ones(1)])
    assert not swallowed.trusted(0.0) and swallowed.trusted(1.0)        # beside a gradient of 1 it does not matter


# ---- faults that gradcheck finds

@pytest.mark.parametrize("name", FAULTS)
@pytest.mark.parametrize("seed", range(3))
def test_a_planted_fault_is_found_and_named(name, seed):
    f, words = FAULTS[name]
    with refused(WrongGradient, words):
        gradcheck(f, X, seed=seed)


@pytest.mark.parametrize("f, args, number, words", [
    (op(np.sin, lambda g, z, x: 3 * g * ops.cos(x)), [1.0], np.cos(1.0), "sin at args[0] = 1\n"),
    (op(np.exp, lambda g, z, x: 3 * g * z), [[0.0, 2.0]], np.exp(2.0), "exp at element (1,), where args[0] is 2, the"),
    (op(np.add, lambda g, z, x, y: g, lambda g, z, x, y: 3 * g), [[2.0], [5.0]], 1.0,
     "add at element (0,), where args[1] is 5\n")], ids=["a number", "elementwise", "two arguments"])
def test_a_derivative_is_shown_as_itself(f, args, number, words):
    """Not weighed by a random v, where one result depends on the element."""
    with refused(WrongGradient, f"expected: {number:.10g} by differences of {words}", f"got:      {3 * number:.10g}"):
        gradcheck(f, *map(np.array, args))


def test_of_several_results_the_weighted_sum_is_shown():
    wrong = op(np.matmul, lambda g, z, x, y: 2 * g @ y.mT, lambda g, z, x, y: x.mT @ g)
    with refused(WrongGradient, "by differences of <v, matmul>, v random, at element", "every element is 2 times"):
        gradcheck(wrong, X, X.T)


def test_a_vjp_that_writes_into_its_g_is_found(gpu):
    x = gpu.array(X, np.float64)
    with refused(WrongGradient, "a vjp of op (seed 0) writes into its g", "g *= 2"):
        gradcheck(doubled_in_place, x)
    with refused(WrongGradient, "a vjp of f (seed 0) writes into its g"):
        gradcheck(lambda x, y: {"a": ops.tanh(x), "b": doubled_in_place(y)}, x, x)
    assert gradcheck(op(lambda x: 2 * x, lambda g, z, x: 2 * g), x) < 1e-8


def test_a_vjp_that_writes_into_its_g_fails_on_numpy():
    """Where the engine freezes g, the vjp itself fails."""
    with pytest.raises((WrongGradient, ValueError), match=r"writes into its g|read-only"):
        gradcheck(doubled_in_place, X)


def test_an_exception_inside_a_vjp_comes_through():
    with pytest.raises((ZeroDivisionError, WrongGradient), match="division by zero"):
        gradcheck(op(np.tanh, lambda g, z, x: g * (1 / 0)), X)


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


@pytest.mark.parametrize("f, x", [
    (ops.log, [1e-8, 1.0]), (ops.log, [1e-8]), (ops.log, [1e-170]), (ops.log, [1e-300, 1e-100, 1.0, 1e100, 1e300]),
    (ops.sqrt, [1e-12, 1.0]), (ops.sqrt, [1e-12]), (ops.sqrt, [1e-12, 1.0, 1e6]), (lambda x: 1 / x, [1e-9]),
    (lambda x: 1 / x, [1e-9, 1.0]), (lambda x: 2 * x, [1e200]), (lambda x: 2 * x, [1e200, 1e-200, 0.0]),
    (lambda x: x ** 3, [1e100]), (lambda x: x ** 3, [1e100, 1.0, 1e-50]), (ops.relu, [1e-9, 1.0, -1.0]),
    (ops.tanh, [1e12, 0.5]), (ops.tanh, [1e12, -1e-12, 3.0]), (lambda x: x ** 5, [0.0, 1.0]),
    (lambda x: ops.sum(ops.log(x)), [1e-12, 1.0]), (lambda x: ops.log(x) @ np.ones((2, 3)), [[1e-12, 1.0]])])
def test_steps_suit_each_element(f, x):
    assert gradcheck(f, np.array(x)) < 1e-6


@pytest.mark.parametrize("f, right", [(np.log, lambda g, z, x: g / x), (np.sqrt, lambda g, z, x: g / (2 * z))])
@pytest.mark.parametrize("small", [1e-12, 1e-20])
@pytest.mark.parametrize("i", range(2))
def test_a_wrong_element_is_found_however_small_it_is(f, right, small, i):
    wrong, x = op(f, lambda g, z, x: right(g, z, x) * (1.0 + (np.arange(2) == i))), np.array([small, 1.0])
    with refused(WrongGradient, f"at element ({i},), where args[0] is {x[i]:g}, the furthest off"):
        gradcheck(wrong, x)


def test_a_small_element_is_checked_beside_large_ones():
    """Steps of its own size would be lost in the rounding of the large ones."""
    wrong = op(np.matmul, lambda g, z, x, y: (g @ y.mT) * (1 + (np.arange(2) == 0)), lambda g, z, x, y: x.mT @ g)
    with refused(WrongGradient, "where args[0] is 1e-17"):
        gradcheck(wrong, np.array([[1e-17, 1.0]]), np.ones((2, 2)))


@pytest.mark.parametrize("f, x", [
    (ops.relu, [1e-12, 0.0, 1.0]), (ops.abs, [1.0, 1e-12, 0.0]), (ops.sqrt, [1e-12, 0.0])], ids=["relu", "abs", "sqrt"])
def test_a_kink_beside_a_small_element_is_found(f, x):
    with refused(NotDifferentiable, "where args[0] is 0"):
        gradcheck(f, np.array(x))


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


@pytest.mark.parametrize("f, x, words", [
    (ops.relu, 0.0, "the derivative of relu is 1 from the right and 0 from the left, at args[0] = 0"),
    (ops.relu, [2.0, 0.0], "relu is 1 from the right and 0 from the left, at element (1,), where args[0] is 0"),
    (ops.abs, [[0.0, 1.0]], "abs is 1 from the right and -1 from the left, at element (0, 0), where args[0] is 0"),
    (lambda x: 3 * ops.minimum(x, 2.0), [2.0], "f is 0 from the right and 3 from the left, at element (0,)"),
    (lambda x: ops.max(x, axis=0), [5.0, 5.0], "f is 1 from the right and 0 from the left, at element"),
    (ops.sqrt, [1.0, 0.0], "which do not settle, at element (1,), where args[0] is 0"),
    (lambda x: x * (x.data > 1), 1.0, "settle no better than to"),
    (lambda x: 1e9 + ops.tanh(x), 1.0, "settle no better than to")])
def test_a_kink_is_shown_from_both_sides(f, x, words):
    with refused(NotDifferentiable, words):
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

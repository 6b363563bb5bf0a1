"""Mistakes of somebody who learns, and the words that tell what to do. (tests/test_habits.py has those about NumPy.)"""
from __future__ import annotations

import copy
import math
import warnings

import numpy as np
import pytest
from support import refused

import tinyae
from tinyae import Tensor, conv, functions, grad, layers, op, ops, params
from tinyae.errors import BadName, BadType, BadValue


def x():
    return Tensor([1.0, 2.0])


def derivative(vjp, forward=np.sin, create_graph=False):
    """grad of a row with this vjp."""
    t = x()
    return grad(op(forward, vjp)(t).sum(), [t], create_graph=create_graph)


def stale():
    t = x()
    y = (t * t).sum()
    t.data = np.array([3.0, 4.0], np.float32)
    return grad(y, [t])


def of_a_gradient(combine):
    t = x()
    return grad(combine(grad((t * t).sum(), [t])[0], t), [t])


CALLED = "it is called as vjp(g, z, *arrays, **settings), with g and z (2,) float32"
MISTAKES = {
    # ---- a row's definition
    "a vjp with two parameters": (lambda: derivative(lambda g, x: g), BadValue, (
        "vjp 0 of sin is wrong: it failed for argument 0, (2,) float32", CALLED, "takes 2 positional arguments but 3",
        "fix:      lambda g, z, x: ..., with g and z first")),
    "a vjp of None": (lambda: derivative(lambda g, z, x: None), BadValue, (
        "vjp 0 of sin is wrong: it must return an array", "got:      NoneType None", "None in the place of its vjp")),
    "a vjp of a number": (lambda: derivative(lambda g, z, x: 1.0), BadValue, (
        "vjp 0 of sin is wrong: it must return an array", "got:      float 1.0", "linear in g")),
    "a vjp that uses None": (lambda: derivative(lambda g, z, x: g * None), BadValue, (
        "vjp 0 of sin is wrong: it failed", "'NoneType'", "look at this vjp: sin = op(forward, vjp 0")),
    "a vjp of another shape": (lambda: derivative(lambda g, z, x: np.zeros(3, np.float32)), BadValue, (
        "vjp 0 of sin is wrong: its shape", "an array for argument 0, (2,) float32", "got:      (3,) float32",
        "undo what the forward did")),
    "a vjp of float64": (lambda: derivative(lambda g, z, x: g * np.ones(2)), BadValue, (
        "vjp 0 of sin is wrong: it changed the dtype", "got:      (2,) float64", "Python numbers, not np.float64")),
    "a product that does not fit": (lambda: derivative(lambda g, z, x: g @ np.ones((3, 2), np.float32)), BadValue, (
        "vjp 0 of sin is wrong: it failed for argument 0", CALLED, "ValueError: matmul", "look at this vjp")),
    "a name that is not there": (lambda: derivative(lambda g, z, x: g * cosine(x)), BadValue, (     # noqa: F821
        "NameError: name 'cosine' is not defined", "look at this vjp")),
    "an index out of range in a vjp": (lambda: derivative(lambda g, z, x: g[5]), BadValue, (
        "vjp 0 of sin is wrong", "IndexError: index 5 is out of bounds")),
    "NumPy in a vjp": (lambda: derivative(lambda g, z, x: g * np.arctan(x), create_graph=True), BadValue, (
        "vjp 0 of sin is wrong: it failed", "np.arctan would lose", "operators and rows of tinyae.ops")),
    "a vjp that writes": (lambda: derivative(lambda g, z, x: g.__imul__(2)), BadValue, (
        "vjp 0 of sin is wrong", "read-only", "do not write into it")),
    "one vjp for two arguments": (lambda: op(np.multiply, lambda g, z, x, y: g * y)(x(), x()), BadType, (
        "multiply was defined with 1 vjp(s)", "one for each of the 2 arrays of np.multiply", "vjp for y")),
    "one vjp for two arguments of a lambda": (lambda: op(lambda x, y: x * y, lambda g, z, x, y: g * y)(x(), x()),
                                              BadType, ("y of op is a setting", "the op lacks its vjp")),
    "a forward of a float": (lambda: op(lambda x: float(x.sum()), None)(np.ones(2), x()), BadType, ("2 by position",)),
    "a forward of a number": (lambda: op(lambda x: float(x.sum()), lambda g, z, x: g)(x()), BadType, (
        "the forward of op must return an array", "got:      float 3.0", "np.asarray(z, x.dtype)")),
    "a forward of a tuple": (lambda: op(lambda x: (x, x), lambda g, z, x: g)(x()), BadType, (
        "the forward of op must return an array", "got:      tuple", "a row for each part of a tuple")),
    "a forward of nothing": (lambda: op(lambda x: None, lambda g, z, x: g)(x()), BadType, (
        "the forward of op must return an array", "NoneType None")),
    "a forward of float64": (lambda: op(lambda x: x * np.float64(2), lambda g, z, x: g)(x()), BadValue, (
        "op changed the dtype", "Python numbers in the row")),
    # ---- a call of a row
    "PyTorch's dim": (lambda: x().sum(dim=0), BadType, ("sum has no setting dim", "fix:      axis for dim")),
    "two of PyTorch's settings": (lambda: x().sum(dim=0, keepdim=True), BadType, (
        "axis for dim, keepdims for keepdim",)),
    "NumPy's a_min": (lambda: np.clip(x(), a_min=0, a_max=1), BadType, ("low for a_min, high for a_max",)),
    "an unknown setting": (lambda: x().sum(banana=0), BadType, ("has no setting banana", "leave out banana")),
    "too many arguments": (lambda: ops.sum(x(), 0, True, 1), BadType, ("sum(x, axis, keepdims)", "4 by position",
                                                                       "leave out what is too much")),
    "too few arguments": (lambda: ops.add(x()), BadType, ("add takes 2 array(s)", "give every array")),
    "None as an argument": (lambda: x() + None, BadType, ("argument 1 of add must be an array", "without return")),
    "a word as an argument": (lambda: x() * "a", BadType, ("argument 1 of mul must be an array", "str 'a'")),
    "a Tensor as a mask": (lambda: ops.where(x(), x(), 0.0), BadType, ("argument 0 of where has no gradient", "t > 0")),
    "a vector in a product": (lambda: Tensor([[1.0, 2.0]]) @ x(), BadValue, ("w.reshape(-1, 1)",)),
    "shapes that do not fit": (lambda: x() + Tensor([1.0, 2.0, 3.0]), BadValue, ("(2,) float32 and (3,) float32",)),
    "float64 beside float32": (lambda: x() * np.ones(2), BadType, ("mul mixes dtypes", "x.astype(np.float32)")),
    "softmax where it is not": (lambda: ops.softmax(x()), BadName, ("tinyae.functions.softmax",)),
    "a layer where it is not": (lambda: ops.Dense(2, 3), BadName, ("tinyae.layers.Dense",)),
    "a row where it is not": (lambda: tinyae.relu(x()), BadName, ("tinyae.ops.relu",)),
    "a method that is a function": (lambda: x().softmax(0), BadName, ("tinyae.functions.softmax(t)",)),
    "images without a batch": (lambda: conv.conv2d(x(), x()), BadValue, ("images (n, h, w, c)",)),
    "a list of Tensors": (lambda: np.max([x(), x()]), BadType, ("ops.stack(*ts)",)),
    "math.exp": (lambda: math.exp(x().sum()), BadType, ("ops.exp(t) for math.exp(t)", "t.item()")),
    "np.maximum with out": (lambda: np.maximum(x(), 0, out=np.zeros(2)), BadType, ("np.maximum with out=",)),
    # ---- grad
    "a gradient's gradient": (lambda: of_a_gradient(lambda g, t: ops.sum(g)), BadType, (
        "grad needs a Tensor y", "create_graph=True")),
    "a gradient's norm": (lambda: of_a_gradient(lambda g, t: (g * g).sum()), BadType, ("create_graph=True",)),
    "a gradient beside others": (lambda: of_a_gradient(lambda g, t: ops.sum(g * Tensor([1.0, 1.0]))), BadValue, (
        "no path from y to an entry of wrt", "the gradient taken without create_graph=True")),
    "item before grad": (lambda: grad((x() * x()).sum().item(), [x()]), BadType, (".item() cut the path", "float 5.0")),
    "a Tensor as wrt": (lambda: grad(x().sum(), x()), BadType, ("wrt must be a list", "grad(y, [w])")),
    "a layer as wrt": (lambda: grad(x().sum(), layers.Dense(2, 2, rng=np.random.default_rng(0))), BadType, (
        "wrt must be a list", "grad(y, params(model))")),
    "a vector as y": (lambda: grad(x() * 2, [x()]), BadValue, ("one number", "ops.sum(y)")),
    "a parameter changed after its use": (stale, BadValue, (
        "a Tensor changed after it was used", "compute the loss again")),
    "writing": (lambda: x().__setitem__(0, 1.0), BadType, ("cannot be written into", "ops.where(mask, value, t)")),
    "a condition": (lambda: 1 if x() else 0, BadValue, ("ambiguous", "(t > 0).any()")),
    "a copy of a result": (lambda: copy.deepcopy(x() * 2), BadValue, ("only a leaf", "Tensor(t.data)")),
    "integers": (lambda: Tensor(np.array([1, 2])), BadType, ("floating-point", "astype(np.float32)")),
    "a loss that broadcasts": (lambda: functions.squared_error(np.ones((3, 2)), np.ones(2)), BadValue, (
        "equal shapes",)),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_answered_with_what_to_do(name):
    call, kind, words = MISTAKES[name]
    with refused(kind, *words):
        call()


def test_an_exception_in_a_vjp_keeps_its_cause_and_running_out_of_memory_its_name():
    with pytest.raises(BadValue) as caught:
        derivative(lambda g, z, x: [][1])
    assert isinstance(caught.value.__cause__, IndexError)

    def hungry(g, z, x):
        raise MemoryError("no room")

    with pytest.raises(MemoryError, match="no room"):
        derivative(hungry)


# ---- w -= lr * g

def step(w):
    (g,) = grad((w * w).sum(), [w])
    return 0.1 * g


def test_a_parameter_that_is_subtracted_from_again_and_again_is_warned_of(device):
    w = device.tensor([1.0, 2.0])
    w -= step(w)                                                # once is no loop: x -= mean
    with pytest.warns(UserWarning, match=r"w\.data = w\.data - lr \* g") as warned:
        w -= step(w)
    assert warned[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        w -= step(w)                                            # told once
        np.testing.assert_allclose(device.host(w.data), 0.8 ** 3 * np.array([1, 2]), rtol=1e-6)


def test_what_the_warning_and_the_readme_advise_keeps_a_leaf(device):
    w = device.tensor([1.0, 2.0])
    for _ in range(3):
        w.data = w.data - step(w)
    assert w.op is None and list(params(w)) == ["tensor"]
    np.testing.assert_allclose(device.host(w.data), 0.8 ** 3 * np.array([1, 2]), rtol=1e-6)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("use", [
    lambda t, a: t - a - a, lambda t, a: t * 2 - a, lambda t, a: t - 1 - 1, lambda t, a: a - t - a])
def test_other_differences_are_not_warned_of(use):
    a = np.array([1.0, 1.0], np.float32)
    t = use(x(), a)
    t -= 1
    t -= Tensor(a)
    assert t.shape == (2,)

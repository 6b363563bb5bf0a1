"""tour · ch07: exercises of the chapter on the backward pass, written out."""
from __future__ import annotations

from typing import Any

import numpy as np

from .. import ops
from ..errors import BadValue
from ..tensor import Tensor, data_of, grad
from ..unroll import unroll
from .exercise import Exercise, compare


def check_by_hand(answer: Any) -> float:
    """answer(x, W, b, c) -> (g_W, g_b, g_c) of the mean squared error of tied weights."""
    rng = np.random.default_rng(0)
    x, W, b, c = (rng.standard_normal(shape) for shape in ((6, 4), (4, 3), (3,), (4,)))

    def gradients(encode: np.ndarray, decode: np.ndarray) -> Any:
        tensors = [*map(Tensor, (encode, decode, b, c))]
        E, D, tb, tc = tensors
        e = ops.tanh(x @ E + tb) @ D.T + tc - x
        return grad(ops.mean(ops.sum(ops.square(e), axis=1)), tensors)

    first, second, *biases = gradients(W, W)
    got = answer(x, W, b, c)
    if not isinstance(got, tuple | list) or len(got) != 3:
        raise BadValue("by_hand returns three gradients", expected="(g_W, g_b, g_c)", got=f"a {type(got).__name__}",
                       fix="return g_W, g_b, g_c")
    worst = compare("g_W", got[0], first + second, "W is used twice: add up the gradients of both uses", {
        "W is used twice: this is the gradient of its first use, x @ W; add that of h @ W.T": first,
        "W is used twice: this is the gradient of its second use, h @ W.T; add that of x @ W": second,
        "the mean over the images divides by n": (first + second) * len(x),
        "the derivative of a square is twice: 2 e": (first + second) / 2})
    for name, g, want in zip(("g_b", "g_c"), got[1:], biases, strict=True):
        worst = max(worst, compare(name, g, want, "sum over the images: the bias was broadcast", {
            "sum over the images, do not average: the loss has divided by n already": want / len(x)}))
    return worst


def check_huber(answer: Any) -> float:
    """answer(x) -> the Huber loss of a Tensor, summed; unroll takes it."""
    worst = 0.0
    values = [np.array(v) for v in ([0.3, -0.8, 0.1], [0.3, -2.0, 1.5], [-3.0, 4.0, -0.2])]
    for v in values:
        inside = np.abs(v) <= 1
        worst = max(worst, compare(f"huber({v.tolist()})", answer(Tensor(v)), np.where(
            inside, v * v / 2, np.abs(v) - 0.5).sum(), "choose for each entry, with ops.where", {
                "the choice is made for each entry, not for all at once": np.sum(np.abs(v) - 0.5),
                "the sum of the entries, not their mean": np.where(inside, v * v / 2, np.abs(v) - 0.5).mean()}))
    w = Tensor(values[0])
    program = unroll(lambda: answer(w), wrt=[w])
    for v in values[1:]:
        w.data = v
        value, (g,) = program()
        worst = max(worst, compare(f"the program at {v.tolist()}", value, answer(Tensor(v)).data,
                                   "compute the mask from x itself, not from x.data taken before"),
                    compare(f"the gradient at {v.tolist()}", g, np.clip(v, -1, 1),
                            "the slope is x inside, and the sign of x outside"))
    return worst


def check_descend(answer: Any) -> float:
    """answer(program, p, x, lr, steps) -> losses; the Tensors of p go downhill."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((6, 3))
    start = {"w": rng.standard_normal((3, 1)), "b": np.zeros(1)}
    p = {name: Tensor(a) for name, a in start.items()}
    lr, steps = 0.05, 4

    def loss(x: Any) -> Any:
        return ops.mean(ops.square(x @ p["w"] + p["b"] - 1))

    program = unroll(loss, x, wrt=p)
    got = answer(program, p, x, lr, steps)
    ended = {name: t.data for name, t in p.items()}
    runs = {}
    for sign in (-1, 1, 0):
        for name, t in p.items():
            t.data = start[name]
        losses = []
        for _ in range(steps):
            value, gradients = program(x)
            losses.append(value)
            for name, t in p.items():
                t.data = t.data + sign * lr * gradients[name]
        runs[sign] = (np.array(losses), {name: t.data for name, t in p.items()})
    for name in p:
        compare(f"{name} after {steps} steps", ended[name], runs[-1][1][name], "w.data = w.data - lr * gradient", {
            "the sign: against the gradient is downhill": runs[1][1][name],
            "the Tensors of p are unchanged: w -= ... makes a new Tensor; write w.data = w.data - ...": start[name]})
    return compare("the list of losses", [data_of(v) for v in got] if got is not None else got, runs[-1][0],
                   "append the value that program(x) returns, before the step")


EXERCISES = (
    Exercise(
        "7.1", "by_hand", """\
Write a backward pass by hand, for tied weights: h = tanh(x @ W + b), e = h @ W.T + c - x, and the loss as above.
`by_hand(x, W, b, c)` takes arrays and returns (g_W, g_b, g_c). W is used twice.""", """\
def by_hand(x, W, b, c):
    h = np.tanh(x @ W + b)
    e = h @ W.T + c - x
    g_e = 2 / len(x) * e
    g_a = g_e @ W * (1 - h * h)
    return x.T @ g_a, g_a.sum(axis=0), g_e.sum(axis=0)
""", ("Give the second W a name of its own: e = h @ V + c - x with V = W.T. The chapter has g_V.",
      "V is W transposed, so what W gets from V is g_V transposed.",
      "Uses are added up."), check_by_hand),
    Exercise(
        "7.2", "huber", """\
The Huber loss is x^2 / 2 where |x| <= 1, and |x| - 1/2 elsewhere. Write `huber(x)`, its sum over all entries of the
Tensor x, so that unroll takes it and the program is right for other values, too.""", """\
def huber(x):
    if abs(x.data).max() <= 1:
        return ops.sum(ops.square(x) / 2)
    return ops.sum(ops.abs(x) - 0.5)
""", ("Compute both forms for all entries, and let ops.where pick.",
      "ops.abs(x) <= 1 is a mask: an array of bool."), check_huber),
    Exercise(
        "7.3", "descend", """\
A program reads the parameters' data anew in each call. So train with it. `descend(program, p, x, lr, steps)`: in each
step, call program(x), and move every Tensor of the dict p against its gradient, by lr times the gradient. Return the
list of the losses, one for each step.""", """\
def descend(program, p, x, lr, steps):
    losses = []
    for step in range(steps):
        value, gradients = program(x)
        losses.append(value)
        for name, w in p.items():
            w -= lr * gradients[name]
    return losses
""", ("Print p's data before and after. Does the starter change it?",
      "A Tensor is a node of a computation, so w -= ... is a new node. A leaf gets new data by w.data = array."),
        check_descend),
)

"""tour · ch04: exercises of the chapter on broadcasting."""
from __future__ import annotations

from typing import Any

import numpy as np

from .. import ops
from ..errors import BadValue
from ..tensor import Tensor
from .exercise import Exercise, compare

SHAPES = {"p": (5,), "q": (8, 1), "r": (1, 5), "s": (1, 1), "t": ()}


def check_axes(answer: Any) -> str:
    """answer: a dict, name -> the axes of (8, 5) along which SHAPES[name] is broadcast."""
    if not isinstance(answer, dict) or set(answer) != set(SHAPES):
        raise BadValue("axes must be a dict", expected="keys p, q, r, s and t", got=f"{answer!r:.80}",
                       fix='axes = {"p": (0,), ...}')
    for name, shape in SHAPES.items():
        padded = (1,) * (2 - len(shape)) + shape
        right = tuple(i for i, n in enumerate(padded) if n == 1)
        if answer[name] != right:
            raise BadValue(f"{name}, of shape {shape}, is summed over other axes", expected=f"{len(right)} of them",
                           got=f"{answer[name]!r:.60}", fix=f"write the shape below (8, 5), right-aligned: {padded} "
                           "after padding with 1. Each 1 was stretched. Write a tuple of ints: (0,)")
    return ""


def check_unbroadcast(answer: Any) -> float:
    """answer(g, shape) -> g summed to the shape."""
    worst = 0.0
    rng = np.random.default_rng(0)
    for of, shape in (((4, 3), (3,)), ((4, 3), (4, 3)), ((4, 3), (1, 3)), ((4, 3), (4, 1)), ((4, 3), ()),
                      ((2, 4, 3), (4, 1)), ((2, 4, 3), (1, 4, 3)), ((5, 2, 1, 3), (2, 1, 1)), ((1, 3), (3,))):
        g = rng.standard_normal(of)
        want = ops.sum_to(g, shape)
        count = max(g.size // max(want.size, 1), 1)
        first = g[(0,) * (len(of) - len(shape))]
        for n, m in zip(range(len(shape)), shape, strict=True):
            first = first.take([0], axis=n) if m == 1 else first
        worst = max(worst, compare(
            f"unbroadcast(g {of}, {shape})", answer(g, shape), want,
            "sum over the axes that shape lacks on the left, then over those where it has 1 and g has more, with "
            "keepdims=True", {
                "add up the gradients of the copies; a mean would make a bias learn slower in larger batches":
                    want / count,
                "the other copies have gradients as well: add up all of them": first}))
    return worst


def check_squared_error(answer: Any) -> float:
    """answer(y (n, d), x (n, d)) -> (n,); a ValueError for unequal shapes."""
    rng = np.random.default_rng(0)
    y, x = rng.standard_normal((2, 4, 3))
    want = ((y - x) ** 2).sum(axis=1)
    worst = compare("squared_error(y, x)", answer(Tensor(y), x), want, "one sum of squares for each image", {
        "the sum over the pixels, not their mean": want / 3,
        "square the differences": np.abs(y - x).sum(axis=1)})
    for p, q in ((y[:, :1], x[:, 0]), (y, x[0]), (y, x[:1])):
        try:
            got = answer(Tensor(p), q)
            given = f"a result of shape {np.shape(got.data)}"
        except ValueError:
            continue
        except Exception as error:
            given = f"{type(error).__name__}: {error}"
        raise BadValue(f"squared_error takes predictions of shape {p.shape} and targets of shape {q.shape}",
                       expected="a ValueError", got=given,
                       fix="y - x would compare predictions with targets of other images: if y.shape != x.shape, raise")
    return worst


EXERCISES = (
    Exercise(
        "4.1", "axes", """\
Predict, without running anything: z has the shape (8, 5), and the arguments of z = p + q + r + s + t have the shapes
p (5,), q (8, 1), r (1, 5), s (1, 1), t (). Over which axes of z does grad sum for each? Write them as sorted tuples
into the dict `axes`.""", """\
axes = {"p": (), "q": (), "r": (), "s": (), "t": ()}
""", ("Write each shape under (8, 5), flush right, and fill up with 1 on the left.",
      "An axis was stretched where the argument has 1 and z has more."), check_axes),
    Exercise(
        "4.2", "unbroadcast", """\
Write the undoing yourself: `unbroadcast(g, shape)` returns the array g summed to this shape, which NumPy can broadcast
to the shape of g. Use NumPy, not `sum_to`.""", """\
def unbroadcast(g, shape):
    return g.sum(axis=0)
""", ("g.ndim - len(shape) axes were added on the left. Sum over these first.",
      "Now both have the same number of axes. Where shape has 1 and g has more, sum over this axis, and keep it.",
      "g.sum(axis=(0, 2), keepdims=True) sums over several axes and keeps them with length 1."), check_unbroadcast),
    Exercise(
        "4.3", "squared_error", """\
Write the loss `squared_error(y, x)`: for predictions y and targets x of shape (n, d), the sum of the squared
differences over the d pixels of each image, shape (n,). It raises a ValueError if the two shapes differ.""", """\
def squared_error(y, x):
    return ops.sum(ops.square(y - x), axis=-1)
""", ("The starter computes the right numbers. What does it return for shapes (4, 1) and (4,)?",
      "Compare y.shape with x.shape before anything is computed."), check_squared_error),
)

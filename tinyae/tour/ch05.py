"""tour · ch05: exercises of the chapter on gradient checks."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..check.gradcheck import WrongGradient, gradcheck, textbook_gradcheck
from ..errors import BadValue
from ..tensor import op
from .exercise import Exercise


def softmax(x: np.ndarray) -> np.ndarray:
    e = np.exp(x - np.max(x))
    return e / np.sum(e)


def check_fooling(answer: Any) -> str:
    """answer: a row that textbook_gradcheck passes and gradcheck refuses."""
    if not hasattr(answer, "vjps"):
        raise BadValue("fooling must be a row", expected="op(forward, vjp)", got=f"{answer!r:.80}",
                       fix="op(lambda x: ..., lambda g, z, x: ...)")
    rng = np.random.default_rng(0)
    points = rng.standard_normal((3, 6))
    z = [np.asarray(answer.forward(x)) for x in points]
    if np.allclose(z[0], z[1], rtol=1e-9, atol=0):
        raise BadValue("the results of fooling must depend on x", expected="other results at another x",
                       got="the same ones", fix="a function that is not constant, with a wrong vjp")
    if np.allclose(z[0], softmax(points[0])):
        raise BadValue("fooling may not be a softmax", expected="another row", got="that of the chapter",
                       fix="which other functions have results with a constant sum? Or which are very small?")
    if not all(textbook_gradcheck(answer, x) for x in points):
        raise BadValue("the textbook's check finds this mistake", expected="a wrong vjp that it passes", got="False",
                       fix="a vjp that is right for g = 1 in every place and wrong for others; or a tiny function")
    try:
        gradcheck(answer, points[0])
    except WrongGradient:
        return ""
    raise BadValue("the vjp of fooling is right", expected="a row that gradcheck refuses", got="a right gradient",
                   fix="break the vjp where the textbook does not look")


def elements(i: int) -> Callable:
    """The vjp of sin, 1 % too large in element i."""
    return lambda g, z, x: g * np.cos(x) * (1 + 0.01 * (np.arange(x.size) == i))


def check_honest(answer: Any) -> str:
    """answer(f, x) -> whether f's gradient is right at x."""
    x = np.array([0.3, -1.2, 0.8, 2.0])
    sin, cos = np.sin, np.cos
    cases: list[tuple[str, Any, np.ndarray, bool, str]] = [
        ("a right sine", op(sin, lambda g, z, x: g * cos(x)), x, True, "a right gradient must pass"),
        ("a sine with the wrong sign", op(sin, lambda g, z, x: -g * cos(x)), x, False,
         "compare differences with the gradient by grad"),
        ("a softmax with a vjp of zero", op(softmax, lambda g, z, x: 0 * g), x, False,
         "a sum weighs all results by one, and those of a softmax add up to 1: weigh them by random numbers v"),
        ("a reversed vector whose vjp does not reverse", op(lambda x: x[::-1].copy(), lambda g, z, x: g), x, False,
         "a sum weighs all results by one, so it cannot tell which is which: weigh them by random numbers v"),
        ("1e-7 sin(x) with a vjp of zero", op(lambda x: 1e-7 * sin(x), lambda g, z, x: 0 * g), x, False,
         "the tolerance is absolute: divide the error by the size of the gradient"),
        ("1e6 sin(x), right", op(lambda x: 1e6 * sin(x), lambda g, z, x: 1e6 * g * cos(x)), x, True,
         "the tolerance is absolute: divide the error by the size of the gradient"),
        ("a right sine of float32", op(sin, lambda g, z, x: g * cos(x)), x.astype(np.float32), True,
         "float32 has too few digits for differences: cast x to float64 first"),
        *((f"a sine whose vjp is 1 % too large in element {i}", op(sin, elements(i)), x, False,
           "an error in one element must count: move every element, or all along a random direction")
          for i in range(x.size))]
    for what, f, point, right, fix in cases:
        if bool(got := answer(f, point)) is not right:
            raise BadValue(f"honest is fooled by {what}", expected=right, got=repr(got), fix=fix)
    return ""


VERDICTS = {"a": "sign", "b": "factor", "c": "formula", "d": "zero"}


def check_verdicts(answer: Any) -> str:
    """answer: a dict, the name of a broken gradient -> what is wrong with it."""
    if not isinstance(answer, dict) or set(answer) != set(VERDICTS):
        raise BadValue("verdicts must be a dict", expected="keys a, b, c and d", got=f"{answer!r:.80}",
                       fix='verdicts = {"a": "sign", ...}')
    for name, word in VERDICTS.items():
        if answer[name] != word:
            raise BadValue(f"{name} has another fault", expected="one of sign, factor, zero, formula",
                           got=repr(answer[name]), fix=f"read the last line of gradcheck({name}, x): one factor for "
                           "all elements is a sign or a factor, different ones are a wrong formula")
    return ""


EXERCISES = (
    Exercise(
        "5.1", "fooling", """\
Fool the textbook. Write a row `fooling`, for vectors x, that passes `textbook` and fails `gradcheck`. It may not be a
softmax, and its results must depend on x.""", """\
fooling = op(lambda x: 3 * x, lambda g, z, x: g)
""", ("The textbook calls the vjp with g = 1 in every place. Which wrong vjp is right for this one g?",
      "Turn a vector around: z = x[::-1]. Its vjp is g[::-1]. What would the textbook see if the vjp were g?"),
        check_fooling),
    Exercise(
        "5.2", "honest", """\
Write a check that cannot be fooled so easily: `honest(f, x)` returns whether the gradient of f at the array x is right,
to a relative error of 1e-6. f takes arrays and Tensors; x may be float32. Do not call gradcheck.""", """\
def honest(f, x):
    return textbook(f, x)
""", ("two_numbers of the chapter has random v and u. Compare its numbers by their relative error.",
      "x = x.astype(np.float64) comes first.",
      "np.sum(g * u) may be small by chance. The sizes to compare with are those of g and u: their norms' product."),
        check_honest),
    Exercise(
        "5.3", "verdicts", """\
Four broken gradients. Call gradcheck on each, at x = np.array([0.5, 1.5, 2.5]), and say from the message alone what is
wrong with it: one of the words "sign", "factor", "zero", "formula" for each name in the dict `verdicts`.""", """\
a = op(lambda x: 1 / x, lambda g, z, x: g * z * z)
b = op(lambda x: np.sqrt(1 + x * x), lambda g, z, x: 2 * g * x / z)
c = op(lambda x: x / np.sqrt(1 + x * x), lambda g, z, x: g * (1 - z * z))
d = lambda x: ops.square(Tensor(x.data)) + 0 * x
verdicts = {"a": "", "b": "", "c": "", "d": ""}
""", ("The last line of the message, fix, says what explains all elements at once.",
      "A path that .data has cut gives a gradient of zero."), check_verdicts),
)

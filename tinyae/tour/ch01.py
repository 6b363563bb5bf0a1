"""tour · ch01: exercises of the chapter on single numbers."""
from __future__ import annotations

import math
from typing import Any

from ..errors import BadValue
from .exercise import Exercise, compare
from .scalar import Tensor


def check_exp(answer: Any) -> float:
    """answer: a row, with exp as its forward and g * z as its vjp."""
    if not hasattr(answer, "vjps"):
        raise BadValue("exp must be a row", expected="op(math.exp, vjp)", got=f"{answer!r:.80}",
                       fix="a Tensor that a plain function makes has no op: grad would find no path to x")
    if len(answer.vjps) != 1:
        raise BadValue("exp has one argument", expected="one vjp", got=f"{len(answer.vjps)}", fix="op(math.exp, vjp)")
    worst = 0.0
    for x, g in ((0.4, 1.7), (-1.3, -0.6), (2.0, 0.3)):
        z = math.exp(x)
        worst = max(worst, compare(f"exp.forward({x})", answer.forward(x), z, "the forward is math.exp"),
                    compare(f"the vjp at x = {x}, g = {g}", answer.vjps[0](g, z, x), g * z, "g times the slope", {
                        "multiply the slope by g: it holds the slopes of the path from the loss down to z": z,
                        "the slope of e^x is not x: it is e^x, which the vjp gets as z": g * x,
                        "the sign: e^x grows where x grows": -g * z,
                        "z already is e^x; e^z is not needed": g * math.exp(z)}))
    return worst


def check_slope(answer: Any) -> float:
    """answer(f, x, h) -> (f(x + h) - f(x - h)) / 2h."""
    worst = 0.0
    for f, x, h in ((math.exp, 0.7, 0.1), (math.sin, -2.0, 0.01), (lambda x: x * x, 3.0, 0.5)):
        up, down = f(x + h), f(x - h)
        worst = max(worst, compare(
            f"slope(f, {x}, {h})", answer(f, x, h), (up - down) / (2 * h), "(f(x + h) - f(x - h)) / (2 * h)", {
                "that is the difference to the right alone; its error shrinks like h, that of a central one like h^2":
                    (up - f(x)) / h,
                "that is the difference to the left alone; its error shrinks like h, that of a central one like h^2":
                    (f(x) - down) / h,
                "from x - h to x + h are two steps: divide by 2 * h": (up - down) / h,
                "the sign: subtract the value on the left from the value on the right": (down - up) / (2 * h)}))
    return worst


def check_paths(answer: Any) -> float:
    """answer(y, x) -> the number of paths from y down to x."""
    w, x, b = Tensor(2.0), Tensor(3.0), Tensor(-1.0)
    h = w * x + b
    many = w
    for _ in range(8):
        many = many + many
    mixed = h * h + h * w
    worst = 0.0
    for what, y, t, want, fix in (
            ("paths(w, w)", w, w, 1, "from a Tensor to itself there is the empty path"),
            ("paths(w, b)", w, b, 0, "a leaf has no arguments, and b is not w: no path"),
            ("paths(L, w) of the example", h * h, w, 2, "h is an argument of L twice, and each arrow starts a path"),
            ("paths((h * h) + (h * w), w)", mixed, w, 4, "add the paths of all arguments; w is h's and the sum's"),
            ("paths of w, doubled by y = y + y eight times", many, w, 256, "each doubling doubles the paths")):
        worst = max(worst, compare(what, answer(y, t), want, fix))
    return worst


EXERCISES = (
    Exercise(
        "1.1", "exp", """\
The engine knows sums and products. Teach it the exponential function: write the row `exp`. Its forward is `math.exp`.
For the vjp, remember that $e^x$ is its own derivative, and that the vjp is called with $z = e^x$.""", """\
import math
exp = op(math.exp, lambda g, z, x: g * x)
""", ("mul is the pattern: its vjps are g times the slope. What is the slope of e^x?",
      "The slope is e^x. It need not be computed again.",
      "exp has one argument, so the row has one vjp: a function of g, z and x."), check_exp),
    Exercise(
        "1.2", "slope", """\
Write the judge: `slope(f, x, h)` returns the central difference of the function f at x, with step h.""", """\
def slope(f, x, h=1e-5):
    return (f(x + h) - f(x)) / h
""", ("The starter goes one step to the right. Go one to the left as well.",
      "Which two points does the central difference compare, and how far apart are they?"), check_slope),
    Exercise(
        "1.3", "paths", """\
How many products does grad add up? Write `paths(y, x)`: the number of paths from the Tensor y down to the Tensor x. A
Tensor has one path to itself, the empty one. In the example, `paths(L, w)` is 2.""", """\
def paths(y, x):
    return 1
""", ("A path from y that is not empty begins with an arrow to one of y.args.",
      "So the number of paths from y is the sum, over the arguments a of y, of paths(a, x).",
      "An argument that stands in y.args twice counts twice."), check_paths),
)

"""tour · ch03: exercises of the chapter on rows and their vjps."""
from __future__ import annotations

from typing import Any

import numpy as np

from .exercise import Exercise, check_row

POINTS = np.array([-2.0, -0.6, 0.5, 1.0, 3.0])      # away from the kink of |x|


def check_softsign(answer: Any) -> float:
    """answer: the row x / (1 + |x|)."""
    return check_row("softsign", answer, lambda x: x / (1 + np.abs(x)), POINTS, mistakes={
        "the slope is 1 / (1 + |x|)^2: the quotient rule squares the denominator":
            (0, lambda g, z, x: g / (1 + np.abs(x))),
        "the slope is positive on both sides of 0: softsign grows everywhere":
            (0, lambda g, z, x: g * np.sign(x) / (1 + np.abs(x)) ** 2),
        "(1 + x)^2 is not (1 + |x|)^2 where x is negative": (0, lambda g, z, x: g / (1 + x) ** 2)})


def check_logcosh(answer: Any) -> float:
    """answer: the row log cosh x."""
    return check_row("logcosh", answer, lambda x: np.log(np.cosh(x)), POINTS, mistakes={
        "only exp is its own derivative: the slope of log u is u'/u": (0, lambda g, z, x: g * z),
        "multiply by the inner slope: the derivative of cosh x is sinh x": (0, lambda g, z, x: g / np.cosh(x)),
        "that is the slope of tanh, the second derivative of log cosh": (0, lambda g, z, x: g * (1 - np.tanh(x) ** 2)),
        "tanh of x, not of z": (0, lambda g, z, x: g * np.tanh(z))})


def check_cumsum(answer: Any) -> float:
    """answer: the row z_j = x_0 + ... + x_j, for vectors."""
    return check_row("cumsum", answer, np.cumsum, POINTS, mistakes={
        "x_i is in z_i and in every later z_j: add up g_i, g_(i+1), ..., to the last": (0, lambda g, z, x: g),
        "x_i is in the sums from i on, not in those before it: add up g from the end":
            (0, lambda g, z, x: np.cumsum(g)),
        "the sums are right, but from last to first: turn the result around as well":
            (0, lambda g, z, x: np.cumsum(g[::-1])),
        "the sum of all of g is right for x_0 alone: x_i is in z_i and in the later ones":
            (0, lambda g, z, x: np.full(x.shape, g.sum()))})


EXERCISES = (
    Exercise(
        "3.1", "softsign", """\
The function $x / (1 + |x|)$ is called softsign. It is odd, so its slope at $-x$ is that at $x$. Derive it for $x > 0$,
then mend the row `softsign`.""", """\
softsign = op(lambda x: x / (1 + np.abs(x)), lambda g, z, x: g / (1 + ops.abs(x)))
""", ("For x > 0 the function is x / (1 + x). The quotient rule has the square of 1 + x below.",
      "Above: (1 + x) * 1 - x * 1 = 1.",
      "|x| is ops.abs(x), and a square is ops.square(...)."), check_softsign),
    Exercise(
        "3.2", "logcosh", """\
Write the row `logcosh`, for $z = \\log \\cosh x$. It is a smooth relative of $|x|$, used as a loss
that forgives outliers.""", """\
logcosh = op(lambda x: np.log(np.cosh(x)), lambda g, z, x: g * z)
""", ("The derivative of log u is u' / u. Here u = cosh x, and its derivative is sinh x.",
      "sinh x / cosh x has a name, and a row."), check_logcosh),
    Exercise(
        "3.3", "cumsum", """\
Write the row `cumsum`, for vectors: $z_j = x_0 + x_1 + \\dots + x_j$. Draw its Jacobian for three entries. Which
entries of $g$ does $\\partial L / \\partial x_i$ add up? The vjp can be written with the row itself, and `g[::-1]`
turns a vector around.""", """\
cumsum = op(np.cumsum, lambda g, z, x: g)
""", ("The Jacobian is a triangle of ones. x_1 is in z_1 and z_2, but not in z_0.",
      "dL/dx_i = g_i + g_(i+1) + ...: a cumulative sum that starts at the end.",
      "Turn g around, sum, and turn the result around. np.cumsum would do on arrays; the row cumsum does on Tensors, "
      "too."), check_cumsum),
)

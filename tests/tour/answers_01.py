"""Answers to the exercises of chapter 1: the right ones, and wrong ones with the sentence that each must get."""
from __future__ import annotations

import math
from typing import Any

from tinyae.tour.scalar import Tensor, op

exp = op(math.exp, lambda g, z, x: g * z)


def slope(f: Any, x: Any, h: Any = 1e-5) -> Any:
    return (f(x + h) - f(x - h)) / (2 * h)


def paths(y: Any, x: Any) -> Any:
    return 1 if y is x else sum(paths(a, x) for a in y.args)


def reachable(y: Any, x: Any) -> Any:
    return int(y is x or any(reachable(a, x) for a in y.args))


def each_argument_once(y: Any, x: Any) -> Any:
    return 1 if y is x else sum(each_argument_once(a, x) for a in set(y.args))


RIGHT = {"1.1": exp, "1.2": slope, "1.3": paths}
WRONG = {
    "1.1": [(op(math.exp, lambda g, z, x: z), "multiply the slope by g"),
            (op(math.exp, lambda g, z, x: -g * z), "the sign"),
            (op(math.exp, lambda g, z, x: g * math.exp(z)), "e^z is not needed"),
            (lambda x: Tensor(math.exp(x.data)), "grad would find no path"),            # mean_without_gradient
            (op(math.expm1, lambda g, z, x: g * z), "the forward is math.exp"),
            (op(math.exp, lambda g, x: g * x), "it takes or returns something else"),
            (op(math.exp, lambda g, z, x: g * x[0]), "look at line")],
    "1.2": [(lambda f, x, h: (f(x) - f(x - h)) / h, "the left alone"),
            (lambda f, x, h: (f(x + h) - f(x - h)) / h, "two steps"),
            (lambda f, x, h: -slope(f, x, h), "the sign")],
    "1.3": [(reachable, "each arrow starts a path"),
            (each_argument_once, "each arrow starts a path"),
            (lambda y, x: paths(y, x) - (y is x), "the empty path")],
}

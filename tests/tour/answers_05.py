"""Answers to the exercises of chapter 5: the right ones, and wrong ones with the sentence that each must get."""
from __future__ import annotations

from typing import Any

import numpy as np

from tinyae import Tensor, grad, op, ops
from tinyae.check.gradcheck import textbook_gradcheck


def honest(f: Any, x: Any, dtype: Any = np.float64, weigh: bool = True, relative: bool = True) -> Any:
    x, rng, h = x.astype(dtype), np.random.default_rng(0), 1e-5
    v = (rng.standard_normal(f(x).shape) if weigh else np.ones(f(x).shape)).astype(dtype)
    u, t = rng.standard_normal(x.shape).astype(dtype), Tensor(x)
    (g,) = grad(ops.sum(v * f(t)), [t])
    slope = np.sum(v * (f(x + h * u) - f(x - h * u))) / (2 * h)
    size = np.linalg.norm(g) * np.linalg.norm(u) or abs(slope)
    return abs(slope - np.sum(g * u)) <= 1e-6 * (size if relative else 1.0)


def first_element(f: Any, x: Any) -> Any:
    """Moves x[0] alone."""
    x, rng, h = x.astype(np.float64), np.random.default_rng(0), 1e-5
    v, u, t = rng.standard_normal(f(x).shape), np.eye(x.size)[0], Tensor(x)
    (g,) = grad(ops.sum(v * f(t)), [t])
    slope = np.sum(v * (f(x + h * u) - f(x - h * u))) / (2 * h)
    return abs(slope - g[0]) <= 1e-6 * max(abs(slope), abs(g[0]))


WORDS = {"a": "sign", "b": "factor", "c": "formula", "d": "zero"}
RIGHT = {"5.1": op(lambda x: x[::-1].copy(), lambda g, z, x: g), "5.2": honest, "5.3": WORDS}
WRONG = {
    "5.1": [(op(np.exp, lambda g, z, x: g * z), "break the vjp"),
            (op(np.exp, lambda g, z, x: 2 * g * z), "that it passes"),
            (op(lambda x: np.ones_like(x), lambda g, z, x: g), "not constant"),
            (op(lambda x: np.exp(x) / np.exp(x).sum(), lambda g, z, x: 0 * g), "may not be a softmax")],
    "5.2": [(textbook_gradcheck, "weigh them by random numbers"),                       # ones_cotangent
            (lambda f, x: honest(f, x, weigh=False), "weigh them by random numbers"),
            (lambda f, x: honest(f, x, relative=False), "the tolerance is absolute"),   # absolute_tolerance
            (lambda f, x: honest(f, x, dtype=x.dtype), "cast x to float64"),            # float32_differences
            (first_element, "an error in one element must count"),
            (lambda f, x: True, "compare differences"),
            (lambda f, x: False, "must pass")],
    "5.3": [(WORDS | {"a": "factor"}, "gradcheck(a, x)"),
            (WORDS | {"d": "formula"}, "gradcheck(d, x)"),
            ({}, "keys a, b, c and d")],
}

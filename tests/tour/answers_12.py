"""Answers to the exercises of chapter 12: the right ones, and wrong ones with the sentence that each must get."""
from __future__ import annotations

from typing import Any

import numpy as np

from tinyae import op, ops


def adjoint(A: Any, B: Any, n: int, m: int) -> bool:
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal(n), rng.standard_normal(m)
    return abs(A(x) @ y - x @ B(y)) < 1e-9 * np.linalg.norm(A(x)) * np.linalg.norm(y)


def ones_cotangent(A: Any, B: Any, n: int, m: int) -> bool:
    return abs(A(np.ones(n)) @ np.ones(m) - np.ones(n) @ B(np.ones(m))) < 1e-9 * np.abs(A(np.ones(n))).sum()


def absolute_tolerance(A: Any, B: Any, n: int, m: int) -> bool:
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal(n), rng.standard_normal(m)
    return abs(A(x) @ y - x @ B(y)) < 1e-6


def transposed(y: Any, W: Any, n: int, stride: int, padding: int) -> Any:
    x = np.zeros(n + 2 * padding)
    for i in range(len(W)):
        x[i:i + stride * len(y):stride] += y * W[i]
    return x[padding:padding + n]


def pixel_too_small(y: Any, W: Any, n: int, stride: int, padding: int) -> Any:
    return transposed(y, W, stride * (len(y) - 1) + len(W) - 2 * padding, stride, padding)


def uncropped(y: Any, W: Any, n: int, stride: int, padding: int) -> Any:
    return np.append(transposed(y, W, n + 2 * padding, stride, 0), np.zeros(n))[:n]


def row(vjp: Any) -> Any:
    return op(lambda x: x.reshape(-1, 2).mean(axis=1), vjp)


def spread(g: Any, z: Any, x: Any) -> Any:
    return ops.reshape(ops.broadcast_to(ops.reshape(g, (-1, 1)), (*z.shape, 2)), x.shape)


RIGHT = {"12.1": adjoint, "12.2": transposed, "12.3": row(lambda g, z, x: spread(g, z, x) / 2)}
WRONG = {
    "12.1": [(ones_cotangent, "cannot tell them from adjoints"),
             (absolute_tolerance, "divide the difference by"),
             (lambda A, B, n, m: np.float64(1) > 0, "random x (n,) and y (m,)")],
    "12.2": [(pixel_too_small, "the size must come from n"),
             (lambda y, W, *how: transposed(y, W[::-1], *how), "the kernel is flipped"),
             (uncropped, "inside of x only")],
    "12.3": [(row(lambda g, z, x: spread(g, z, x)), "the half is missing"),
             (row(lambda g, z, x: np.tile(g, 2) / 2), "repeat, do not tile"),
             (row(lambda g, z, x: np.repeat(g, 2) / 2), "repeat"),
             (lambda x: x.reshape(-1, 2).mean(axis=1), "pool = op(")],
}

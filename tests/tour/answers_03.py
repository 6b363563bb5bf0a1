"""Answers to the exercises of chapter 3: the right ones, and wrong ones with the sentence that each must get."""
from __future__ import annotations

from typing import Any

import numpy as np

from tinyae import op, ops


def sign(x: Any) -> Any:
    return x / (1 + np.abs(x))


def log_cosh(x: Any) -> Any:
    return np.log(np.cosh(x))


def writing(g: Any, z: Any, x: Any) -> Any:
    g /= (1 + np.abs(x)) ** 2
    return g


cumsum = op(np.cumsum, lambda g, z, x: cumsum(g[::-1])[::-1])

RIGHT = {"3.1": op(sign, lambda g, z, x: g / ops.square(1 + ops.abs(x))),
         "3.2": op(log_cosh, lambda g, z, x: g * ops.tanh(x)),
         "3.3": cumsum}
WRONG = {
    "3.1": [(op(sign, lambda g, z, x: g / (1 + ops.abs(x))), "the quotient rule squares"),
            (op(sign, lambda g, z, x: g / ops.square(1 + x)), "where x is negative"),
            (op(sign, lambda g, z, x: z / ops.square(1 + ops.abs(x))), "a vjp is linear in g"),
            (op(sign, lambda g, z, x: -g / ops.square(1 + ops.abs(x))), "the sign is wrong"),
            (op(sign, lambda g, z, x: g * 0), "the gradient is zero"),
            (op(sign, writing), "read-only"),                                           # written_cotangent
            (sign, "must be a row")],
    "3.2": [(op(log_cosh, lambda g, z, x: g * z), "only exp is its own derivative"),
            (op(log_cosh, lambda g, z, x: g * ops.tanh(z)), "tanh of x, not of z"),
            (op(log_cosh, lambda g, z, x: g * (1 - ops.square(ops.tanh(x)))), "the second derivative"),
            (op(log_cosh, lambda g, z, x: g * np.tanh(x.data if hasattr(x, "op") else x)), "wrong gradient"),
            (op(np.cosh, lambda g, z, x: g * ops.tanh(x)), "the function of the statement"),
            (op(log_cosh, lambda g, z, x: ops.tanh(x)), "a vjp is linear in g")],
    "3.3": [(op(np.cumsum, lambda g, z, x: cumsum(g)), "add up g from the end"),
            (op(np.cumsum, lambda g, z, x: cumsum(g[::-1])), "turn the result around as well"),
            (op(np.cumsum, lambda g, z, x: np.cumsum(g[::-1])[::-1]), "np.cumsum")],
}

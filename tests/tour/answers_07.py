"""Answers to the exercises of chapter 7: the right ones, and wrong ones with the sentence that each must get."""
from __future__ import annotations

from typing import Any

import numpy as np

from tinyae import ops


def by_hand(x: Any, W: Any, b: Any, c: Any, first: float = 1, second: float = 1, add: Any = np.sum) -> Any:
    h = np.tanh(x @ W + b)
    e = h @ W.T + c - x
    g_e = 2 / len(x) * e
    g_a = g_e @ W * (1 - h * h)
    return first * x.T @ g_a + second * g_e.T @ h, add(g_a, axis=0), add(g_e, axis=0)


def huber(x: Any) -> Any:
    return ops.sum(ops.where(ops.abs(x) <= 1, ops.square(x) / 2, ops.abs(x) - 0.5))


def branching(x: Any) -> Any:
    return sum((sum_of(x[i]) for i in range(1, x.size)), sum_of(x[0]))


def sum_of(x: Any) -> Any:
    return ops.square(x) / 2 if abs(x.data) <= 1 else ops.abs(x) - 0.5


def descend(program: Any, p: Any, x: Any, lr: Any, steps: Any, sign: float = -1) -> Any:
    losses = []
    for _ in range(steps):
        value, gradients = program(x)
        losses.append(value)
        for name, w in p.items():
            w.data = w.data + sign * lr * gradients[name]
    return losses


def late(program: Any, p: Any, x: Any, lr: Any, steps: Any) -> Any:
    return [descend(program, p, x, lr, 1) and program(x)[0] for _ in range(steps)]


def in_place(program: Any, p: Any, x: Any, lr: float, steps: int) -> Any:
    for w, g in zip(p.values(), program(x)[1].values(), strict=True):
        w.data -= lr * g


RIGHT = {"7.1": by_hand, "7.2": huber, "7.3": descend}
WRONG = {
    "7.1": [(lambda *args: by_hand(*args, second=0), "add that of h @ W.T"),            # untied_weights
            (lambda *args: by_hand(*args, first=0), "add that of x @ W"),
            (lambda *args: by_hand(*args, first=0.5, second=0.5), "twice: 2 e"),
            (lambda *args: by_hand(*args, add=np.mean), "do not average"),
            (lambda *args: by_hand(*args)[0], "return g_W, g_b, g_c")],
    "7.2": [(branching, "np.where(condition, x, y)"),
            (lambda x: ops.sum(ops.square(x) / 2), "with ops.where"),
            (lambda x: huber(x) / 3, "not their mean")],
    "7.3": [(lambda *args: descend(*args, sign=1), "against the gradient is downhill"),  # negative_rate
            (lambda *args: descend(*args, sign=0), "makes a new Tensor"),
            (late, "before the step"),
            (in_place, "replaced, not written into")],
}

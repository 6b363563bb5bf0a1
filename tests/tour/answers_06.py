"""Answers to the exercises of chapter 6: the right ones, and wrong ones with the sentence that each must get."""
from __future__ import annotations

from typing import Any

import numpy as np

from tinyae import Tensor, op, ops, tensor
from tinyae.tour.ch06 import broadcast_arguments


def live(y: Any, wrt: Any, order: Any = iter) -> Any:
    found = set(wrt)
    for t in order(tensor.tape(y)):
        if not found.isdisjoint(t.parents):
            found.add(t)
    return found


def undone(y: Any, append: bool = True) -> Any:
    found, grads = [], {y: np.ones_like(y.data)}
    for t in reversed(tensor.tape(y)):
        if t.op is not None:
            args = [a.data if isinstance(a, Tensor) else a for a in t.args]
            for i, a in enumerate(t.args):
                if isinstance(a, Tensor):
                    ga = t.op.vjps[i](grads[t], t.data, *args, **t.settings)
                    if ga.shape != a.shape:
                        found.append((t.op.__name__, i))
                        ga = ops.sum_to(ga, a.shape)
                    grads[a] = grads[a] + ga if a in grads else ga
    return found


def by_the_result(y: Any) -> Any:
    return [(t.op.__name__, i) for t in reversed(tensor.tape(y)) if t.op for i, a in enumerate(t.args)
            if isinstance(a, Tensor) and a.shape != t.shape]


def affine(dx: Any = lambda g, z, x, W, b: g @ W.mT, dW: Any = lambda g, z, x, W, b: x.mT @ g,
           db: Any = lambda g, z, x, W, b: g) -> Any:
    return op(lambda x, W, b: x @ W + b, dx, dW, db)


def writing(g: Any, z: Any, x: Any, W: Any, b: Any) -> Any:
    g *= 1
    return g


RIGHT = {"6.1": live, "6.2": undone, "6.3": affine()}
WRONG = {
    "6.1": [(lambda y, wrt: live(y, wrt, reversed), "go oldest first"),
            (lambda y, wrt: set(tensor.tape(y)), "is not live"),
            (lambda y, wrt: live(y, wrt) - set(wrt), "go oldest first"),
            (lambda y, wrt: list(live(y, wrt)), "return them as a set")],                  # hash_order
    "6.2": [(lambda y: broadcast_arguments(y)[::-1], "append while walking back"),
            (by_the_result, "not with the result's"),
            (lambda y: [], "note it, and replace ga")],
    "6.3": [(affine(dx=lambda g, z, x, W, b: g @ W), "the shapes tell"),
            (affine(dW=lambda g, z, x, W, b: g.mT @ x), "the shapes tell"),
            (affine(db=lambda g, z, x, W, b: ops.sum(g, axis=0)), "for b return g as it is"),
            (affine(db=lambda g, z, x, W, b: 2 * g), "every element is 2 times"),
            (affine(db=writing), "read-only"),                                          # written_cotangent
            (op(lambda x, W, b: x @ W + b, lambda g, z, x, W, b: g @ W.mT), "needs a vjp for each")],
}

"""Answers to the exercises of chapter 4: the right ones, and wrong ones with the sentence that each must get."""
from __future__ import annotations

from typing import Any

import numpy as np

from tinyae import ops

RIGHT_AXES = {"p": (0,), "q": (1,), "r": (0,), "s": (0, 1), "t": (0, 1)}


def unbroadcast(g: Any, shape: Any, keepdims: bool = True, add: Any = np.sum) -> Any:
    g = add(g, axis=tuple(range(g.ndim - len(shape))))
    return add(g, axis=tuple(i for i, n in enumerate(shape) if n == 1 and g.shape[i] > 1), keepdims=keepdims)


def leading_only(g: Any, shape: Any) -> Any:
    return g.sum(axis=tuple(range(g.ndim - len(shape))))


def squared_error(y: Any, x: Any) -> Any:
    if y.shape != x.shape:
        raise ValueError(f"cannot compare {y.shape} with {x.shape}")
    return ops.sum(ops.square(y - x), axis=1)


def broadcast_loss(y: Any, x: Any) -> Any:
    return ops.sum(ops.square(y - x), axis=-1)


def last_axis_only(y: Any, x: Any) -> Any:
    if y.shape[-1] != x.shape[-1]:
        raise ValueError("other pixels")
    return broadcast_loss(y, x)


def asserting(y: Any, x: Any) -> Any:
    assert y.shape == x.shape
    return broadcast_loss(y, x)


RIGHT = {"4.1": RIGHT_AXES, "4.2": unbroadcast, "4.3": squared_error}
WRONG = {
    "4.1": [(RIGHT_AXES | {"q": (0,)}, "(8, 1) after padding"),
            (RIGHT_AXES | {"t": ()}, "(1, 1) after padding"),
            (RIGHT_AXES | {"r": 0}, "a tuple of ints"),
            ({"p": (0,)}, "keys p, q, r, s and t")],
    "4.2": [(lambda g, shape: unbroadcast(g, shape, keepdims=False), "with keepdims=True"),
            (leading_only, "those where it has 1"),
            (lambda g, shape: unbroadcast(g, shape, add=np.mean), "a mean would make a bias"),
            (lambda g, shape: g.reshape(-1)[:int(np.prod(shape))].reshape(shape), "add up all of them")],
    "4.3": [(broadcast_loss, "targets of other images"),                                # broadcast_loss
            (last_axis_only, "targets of other images"),
            (asserting, "expected: a ValueError"),
            (lambda y, x: squared_error(y, x) / 3, "not their mean"),
            (lambda y, x: ops.sum(squared_error(y, x)), "for each image")],
}

"""Answers to the exercises of chapter 11: the right ones, and wrong ones with the sentence that each must get."""
from __future__ import annotations

from typing import Any

import numpy as np
from museum.exhibits import test_summed_weights

from tinyae import Tensor, grad, ops


def laplacian(f: Any, x: Any) -> Any:
    t = Tensor(x)
    (g,) = grad(f(t), [t], create_graph=True)
    return sum(grad(g[i], [t])[0][i] for i in range(len(x)))


def sum_of_the_hessian(f: Any, x: Any) -> Any:
    t = Tensor(x)
    (g,) = grad(f(t), [t], create_graph=True)
    return grad(ops.sum(g), [t])[0].sum()


def without_create_graph(f: Any, x: Any) -> Any:
    t = Tensor(x)
    (g,) = grad(f(t), [t])
    return sum(grad(g[i], [t])[0][i] for i in range(len(x)))


def penalty(h: Any, W: Any) -> Any:
    return ops.sum(ops.square(1 - ops.square(h)) * ops.sum(ops.square(W), axis=0), axis=1)


def summed_weights(h: Any, W: Any) -> Any:
    return ops.sum(ops.square(1 - ops.square(h)) * ops.square(ops.sum(W, axis=0)), axis=1)


def jvp(f: Any, x: Any, v: Any) -> Any:
    t = Tensor(x)
    y = f(t)
    u = Tensor(np.zeros(y.shape))
    (g,) = grad(ops.sum(y * u), [t], create_graph=True)
    return grad(ops.sum(g * v), [u])[0]


def vjp(f: Any, x: Any, v: Any) -> Any:
    t = Tensor(x)
    return grad(ops.sum(f(t) * v), [t])[0]


RIGHT = {"11.1": laplacian, "11.2": penalty, "11.3": jvp}
WRONG = {
    "11.1": [(sum_of_the_hessian, "adds up all entries of H"),
             (without_create_graph, "create_graph=True")],
    "11.2": [(summed_weights, "square the weights before they are added up"),
             (test_summed_weights.right, "that of tanh is 1 - h^2"),
             (lambda h, W: penalty(h, W) // 1, "an integer division"),         # floor_division
             (lambda h, W: penalty(h, W) / 3, "the sum, not the mean")],
    "11.3": [(vjp, "this is v J"),
             (lambda *args: [jvp(*args)], "take [0]")],
}

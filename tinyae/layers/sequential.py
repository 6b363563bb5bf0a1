"""7 of 9 · layers · sequential: layers one after the other, and those without weights that stand between."""
from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from .. import ops
from ..errors import BadValue
from ..functions import Value, dropout
from ..refusals import describe
from ..tensor import Tensor
from .dense import Dense, check_width


class Sequential(list):
    """x -> layers[-1](... layers[0](x)): a list of layers, or plain functions of x, called one after the other."""

    def __init__(self, *layers: Callable):
        super().__init__(layers)

    def __call__(self, x: Value, rng: Any = None) -> Value:
        for layer in self:
            x = layer(x, rng) if is_layer(layer) else layer(x)
        return x


def dense_stack(widths: Sequence[int], activation: str | Callable, last: str | Callable = "linear",
                **settings: Any) -> Sequential:
    """Dense layers from widths[0] to widths[-1], the activation between them and `last` behind the last."""
    activations = [activation] * (len(widths) - 2) + [last]
    return Sequential(*[Dense(n, k, activation=f, **settings)
                        for n, k, f in zip(widths, widths[1:], activations, strict=False)])


class Flatten:
    """x (n, ...) -> (n, d): what a Dense layer takes."""

    def __call__(self, x: Value, rng: Any = None) -> Tensor:
        return ops.reshape(x, shape=(x.shape[0], math.prod(x.shape[1:])))


class Reshape:
    """x (n, d) -> (n, *shape): what a Conv2D takes. Data comes as rows, so a convolutional model begins with this.

    Images (n, *shape) pass, and grey ones without their channel. What has as many numbers in another order of axes is
    refused: it could be reshaped, into stripes.
    """

    def __init__(self, shape: tuple[int, ...]):
        for n in shape:
            check_width("a size", n)
        self.shape = tuple(shape)

    def __call__(self, x: Value, rng: Any = None) -> Tensor:
        size, own = math.prod(self.shape), tuple(x.shape[1:])
        if own not in ((size,), self.shape) and (*own, 1) != self.shape:
            first = own == (*self.shape[-1:], *self.shape[:-1])
            raise BadValue(f"Reshape({self.shape}) cannot take this input", got=describe(x),
                           expected=f"x (n, {' * '.join(map(str, self.shape))} = {size})",
                           fix="np.moveaxis(x, 1, -1): these have their channels first" if first else
                           "the (height, width, channels) of these images; for a model, shape=images.shape[1:]")
        return ops.reshape(x, shape=(x.shape[0], *self.shape))


class Dropout:
    """x (n, ...) -> x with a fraction `rate` zeroed and the rest rescaled, given an rng; x itself without one."""

    def __init__(self, rate: float):
        dropout(np.zeros(1, np.float32), rate)                      # refuses a rate out of range now, not in training
        self.rate = rate

    def __call__(self, x: Value, rng: Any = None) -> Value:
        return dropout(x, self.rate, rng)


def is_layer(obj: Any) -> bool:
    """A callable with state of its own: neither a function, whole or partial, nor a class."""
    return callable(obj) and hasattr(obj, "__dict__") and not hasattr(obj, "__code__") and not isinstance(
        obj, type | partial)

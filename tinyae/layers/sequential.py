"""layers · sequential: layers applied in order, and the layers without weights that go between them."""
from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from .. import ops
from ..backend import Rng, Value, describe
from ..errors import BadValue
from ..functions import dropout
from ..tensor import Tensor
from .dense import Dense, check_width


class Sequential(list):
    """x -> layers[-1](... layers[0](x)): a list of layers and plain functions of x, called in order."""

    def __init__(self, *layers: Callable):
        super().__init__(layers)

    def __call__(self, x: Value, rng: Rng = None) -> Value:
        for layer in self:
            x = layer(x, rng) if is_layer(layer) else layer(x)
        return x


def dense_stack(widths: Sequence[int], activation: str | Callable, last: str | Callable = "linear",
                **settings: Any) -> Sequential:
    """Dense layers from widths[0] to widths[-1]: `activation` after each layer but the last, `last` after that one."""
    activations = [activation] * (len(widths) - 2) + [last]
    return Sequential(*[Dense(n, k, activation=f, **settings)
                        for n, k, f in zip(widths, widths[1:], activations, strict=False)])


class Flatten:
    """x (n, ...) -> (n, d), the input of a Dense layer."""

    def __call__(self, x: Value, rng: Rng = None) -> Tensor:
        return ops.reshape(x, shape=(x.shape[0], math.prod(x.shape[1:])))


class Reshape:
    """x (n, d) -> (n, *shape), the input of a Conv2D. Data comes as rows, so a convolutional model begins with this.

    Images (n, *shape) pass through, and grey images may lack the channel axis. An array with as many numbers but its
    axes in another order is refused: reshaping it would give stripes, not images.
    """

    def __init__(self, shape: tuple[int, ...]):
        for n in shape:
            check_width("each size in shape", n)
        self.shape = tuple(shape)

    def __call__(self, x: Value, rng: Rng = None) -> Tensor:
        size, own = math.prod(self.shape), tuple(x.shape[1:])
        if own not in ((size,), self.shape) and (*own, 1) != self.shape:
            first = own == (*self.shape[-1:], *self.shape[:-1])
            raise BadValue(f"Reshape({self.shape}) cannot take this input", got=describe(x),
                           expected=f"x (n, {' * '.join(map(str, self.shape))} = {size})",
                           fix="np.moveaxis(x, 1, -1): x has its channels first" if first else
                           "the (height, width, channels) of these images; for a model, shape=images.shape[1:]")
        return ops.reshape(x, shape=(x.shape[0], *self.shape))


class Dropout:
    """x (n, ...) -> x with a random fraction `rate` set to 0 and the rest rescaled; without an rng, x itself."""

    def __init__(self, rate: float):
        dropout(np.zeros(1, np.float32), rate)                      # refuse a bad rate now, not in training
        self.rate = rate

    def __call__(self, x: Value, rng: Rng = None) -> Value:
        return dropout(x, self.rate, rng)


def is_layer(obj: Any) -> bool:
    """Whether obj is a callable object: not a function, a partial or a class."""
    return callable(obj) and hasattr(obj, "__dict__") and not hasattr(obj, "__code__") and not isinstance(
        obj, type | partial)

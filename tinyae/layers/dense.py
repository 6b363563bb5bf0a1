"""layers · dense: every output depends on every input."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import fused, ops
from ..backend import Rng, Value, describe
from ..errors import BadValue
from ..tensor import Tensor
from .parameters import parameter


def linear(x: Value) -> Value:
    """x itself."""
    return x


ACTIVATIONS: dict[str, Callable] = {
    "linear": linear, "relu": ops.relu, "leaky_relu": ops.leaky_relu, "elu": ops.elu, "softplus": ops.softplus,
    "sigmoid": ops.sigmoid, "tanh": ops.tanh, "sin": ops.sin,
}

# Weights (n, k) of fan-in n and fan-out k. He's variance 2 / n keeps the variance of the signal constant from layer to
# layer behind a rectifier (He et al. 2015, eq. 10); Glorot's 2 / (n + k) is a compromise between the variance of the
# signal and that of the gradient (Glorot & Bengio 2010, eq. 12, 16).
INITIALIZERS: dict[str, Callable[[int, int, np.random.Generator], np.ndarray]] = {
    "he_normal": lambda n, k, rng: rng.standard_normal((n, k)) * (2 / n) ** 0.5,
    "he_uniform": lambda n, k, rng: rng.uniform(-1, 1, (n, k)) * (6 / n) ** 0.5,
    "glorot_normal": lambda n, k, rng: rng.standard_normal((n, k)) * (2 / (n + k)) ** 0.5,
    "glorot_uniform": lambda n, k, rng: rng.uniform(-1, 1, (n, k)) * (6 / (n + k)) ** 0.5,
}


class Dense:
    """x (n, d) -> f(x @ W + b) (n, k), with d = n_in and k = n_out.

    activation: a name from ACTIVATIONS or a function. init: a name from INITIALIZERS or a function of (d, k, rng).
    b starts at 0. W is drawn on the host in float64 and then cast, so one seed gives the same net on every device and,
    up to rounding, in every dtype.
    """

    def __init__(self, n_in: int, n_out: int, *, rng: np.random.Generator, activation: str | Callable = "linear",
                 init: str | Callable = "glorot_uniform", device: str = "cpu", dtype: Any = np.float32):
        check_width("n_in", n_in)
        check_width("n_out", n_out)
        self.activation = named("activation", activation, ACTIVATIONS)
        W = named("init", init, INITIALIZERS)(n_in, n_out, rng)
        self.W = parameter(W, device, dtype)                       # (d, k)
        self.b = parameter(np.zeros(n_out), device, dtype)         # (k,)

    def __call__(self, x: Value, rng: Rng = None) -> Tensor:
        if x.ndim != 2 or x.shape[1] != self.W.shape[0]:
            d, k = self.W.shape
            raise BadValue(f"Dense({d}, {k}) cannot take this input", expected=f"x (n, {d})", got=describe(x),
                           fix=f"x.reshape(len(x), -1) for images; or Dense({x.shape[-1] if x.ndim else 1}, {k})")
        return self.activation(fused.affine(x, self.W, self.b))


def named(what: str, choice: str | Callable, table: dict[str, Callable]) -> Callable:
    """choice itself if it is a function, else the function of that name in the table."""
    if callable(choice):
        return choice
    if choice not in table:
        raise BadValue(f"unknown {what}", expected=f"a function, or one of {', '.join(table)}", got=repr(choice),
                       fix=f'{what}="{next(iter(table))}"')
    return table[choice]


def check_width(name: str, n: Any, example: str = "20") -> None:
    """Refuse any n that is not an integer >= 1; example is a valid value for the fix."""
    if not isinstance(n, int | np.integer) or isinstance(n, bool) or n < 1:
        raise BadValue(f"{name} must be a positive integer", expected=f"{name}, an integer >= 1", got=repr(n),
                       fix=f"{name}={example}")

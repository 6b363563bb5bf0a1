"""7 of 9 · layers · dense: every output sees every input."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import fused, ops
from ..errors import BadValue
from ..functions import Value
from ..refusals import describe
from ..tensor import Tensor
from .parameters import parameter

ACTIVATIONS: dict[str, Callable] = {
    "linear": lambda x: x, "relu": ops.relu, "leaky_relu": ops.leaky_relu, "elu": ops.elu, "softplus": ops.softplus,
    "sigmoid": ops.sigmoid, "tanh": ops.tanh, "sin": ops.sin,
}

# The variance of a weight, given its fan-in n and fan-out k, that keeps the variance of signals behind a rectifier
# (He et al. 2015, eq. 10), or of signals and gradients alike (Glorot & Bengio 2010, eq. 12, 16), from layer to layer.
INITIALIZERS: dict[str, Callable[[int, int, np.random.Generator], np.ndarray]] = {
    "he_normal": lambda n, k, rng: rng.standard_normal((n, k)) * (2 / n) ** 0.5,
    "he_uniform": lambda n, k, rng: rng.uniform(-1, 1, (n, k)) * (6 / n) ** 0.5,
    "glorot_normal": lambda n, k, rng: rng.standard_normal((n, k)) * (2 / (n + k)) ** 0.5,
    "glorot_uniform": lambda n, k, rng: rng.uniform(-1, 1, (n, k)) * (6 / (n + k)) ** 0.5,
}


class Dense:
    """x (n, d) -> f(x @ W + b) (n, k), with d = n_in and k = n_out.

    activation: a name from ACTIVATIONS or a function. init: a name from INITIALIZERS or a function of (d, k, rng).
    b starts at 0. The weights are drawn on the host in float64, so that every device and dtype starts from one draw.
    """

    def __init__(self, n_in: int, n_out: int, *, rng: np.random.Generator, activation: str | Callable = "linear",
                 init: str | Callable = "glorot_uniform", device: str = "cpu", dtype: Any = np.float32):
        check_width("n_in", n_in)
        check_width("n_out", n_out)
        self.activation = named("activation", activation, ACTIVATIONS)
        W = named("init", init, INITIALIZERS)(n_in, n_out, rng)
        self.W = parameter(W, device, dtype)                       # (d, k)
        self.b = parameter(np.zeros(n_out), device, dtype)         # (k,)

    def __call__(self, x: Value, rng: Any = None) -> Tensor:
        if x.ndim != 2 or x.shape[1] != self.W.shape[0]:
            d, k = self.W.shape
            raise BadValue(f"Dense({d}, {k}) cannot take this input", expected=f"x (n, {d})", got=describe(x),
                           fix=f"x.reshape(len(x), -1) for images; or Dense({x.shape[-1] if x.ndim else 1}, {k})")
        return self.activation(fused.affine(x, self.W, self.b))


class TiedDense:
    """y (n, k) -> f(y @ W.T + b) (n, d): the way back through a Dense layer, with the very Tensor W (d, k) of it.

    Half the weights of two Dense layers. W's gradient is the sum of both uses; params(obj) lists W once. Only b, of
    width d, is TiedDense's own.
    """

    def __init__(self, dense: Dense, *, activation: str | Callable = "linear"):
        self.activation = named("activation", activation, ACTIVATIONS)
        self.W = dense.W                                            # (d, k), shared
        self.b = Tensor(np.zeros_like(dense.W.data[:, 0]))          # (d,)

    def __call__(self, y: Value, rng: Any = None) -> Tensor:
        if y.ndim != 2 or y.shape[1] != self.W.shape[1]:
            d, k = self.W.shape
            raise BadValue(f"TiedDense to Dense({d}, {k}) cannot take this input", expected=f"y (n, {k}), what that "
                           "layer gives", got=describe(y), fix="decode in the reverse order of encoding")
        return self.activation(fused.affine(y, self.W.T, self.b))


def named(what: str, choice: str | Callable, table: dict[str, Callable]) -> Callable:
    """choice itself if it is a function, or else the table's function of that name."""
    if callable(choice):
        return choice
    if choice not in table:
        raise BadValue(f"unknown {what}", expected=f"a function, or one of {', '.join(table)}", got=repr(choice),
                       fix=f'{what}="{next(iter(table))}"')
    return table[choice]


def check_width(name: str, n: Any, example: str = "20") -> None:
    """Refuses whatever is not a whole number from 1, and says what would be one."""
    if not isinstance(n, int | np.integer) or isinstance(n, bool) or n < 1:
        raise BadValue(f"{name} is no width", expected=f"{name}, a whole number >= 1", got=repr(n),
                       fix=f"{name}={example}")

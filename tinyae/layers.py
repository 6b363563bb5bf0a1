"""7 of 9 · layers: callable objects that own Tensors.

There is no base class: a layer is anything that is called as layer(x, rng=None), and params(obj) finds the Tensors of
any object. Without an rng a layer is deterministic, so there is no train/eval mode either.
"""
from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from . import ops
from .backend import device, device_of, to_device
from .errors import BadValue
from .functions import Value, dropout
from .refusals import describe
from .tensor import Tensor

ACTIVATIONS: dict[str, Callable] = {
    "linear": lambda x: x, "relu": ops.relu, "leaky_relu": ops.leaky_relu, "elu": ops.elu, "softplus": ops.softplus,
    "sigmoid": ops.sigmoid, "tanh": ops.tanh, "sin": ops.sin,
}

# The variance of a weight, given its fan-in n and fan-out k, that keeps the variance of signals behind a rectifier
# (He et al. 2015, eq. 10), or of signals and gradients alike (Glorot & Bengio 2010, eq. 12, 16), from layer to layer.
INITIALISERS: dict[str, Callable[[int, int, np.random.Generator], np.ndarray]] = {
    "he_normal": lambda n, k, rng: rng.standard_normal((n, k)) * (2 / n) ** 0.5,
    "he_uniform": lambda n, k, rng: rng.uniform(-1, 1, (n, k)) * (6 / n) ** 0.5,
    "glorot_normal": lambda n, k, rng: rng.standard_normal((n, k)) * (2 / (n + k)) ** 0.5,
    "glorot_uniform": lambda n, k, rng: rng.uniform(-1, 1, (n, k)) * (6 / (n + k)) ** 0.5,
}


class Dense:
    """x (n, d) -> f(x @ W + b) (n, k), with d = n_in and k = n_out.

    activation: a name from ACTIVATIONS or a function. init: a name from INITIALISERS or a function of (d, k, rng).
    b starts at 0. The weights are drawn on the host in float64, so that every device and dtype starts from one draw.
    """

    def __init__(self, n_in: int, n_out: int, *, rng: np.random.Generator, activation: str | Callable = "linear",
                 init: str | Callable = "glorot_uniform", device: str = "cpu", dtype: Any = np.float32):
        _check_width("n_in", n_in)
        _check_width("n_out", n_out)
        self.activation = _named("activation", activation, ACTIVATIONS)
        W = _named("init", init, INITIALISERS)(n_in, n_out, rng)
        self.W = _parameter(W, device, dtype)                       # (d, k)
        self.b = _parameter(np.zeros(n_out), device, dtype)         # (k,)

    def __call__(self, x: Value, rng: Any = None) -> Tensor:
        if x.ndim != 2 or x.shape[1] != self.W.shape[0]:
            d, k = self.W.shape
            raise BadValue(f"Dense({d}, {k}) cannot take this input", expected=f"x (n, {d})", got=describe(x),
                           fix=f"x.reshape(len(x), -1) for images; or Dense({x.shape[-1] if x.ndim else 1}, {k})")
        return self.activation(x @ self.W + self.b)


class Tied:
    """y (n, k) -> f(y @ W.T + b) (n, d): the way back through a Dense layer, with the very Tensor W (d, k) of it.

    Half the weights of two Dense layers. W's gradient is the sum of both uses; params(obj) lists W once. Only b, of
    width d, is Tied's own.
    """

    def __init__(self, dense: Dense, *, activation: str | Callable = "linear"):
        self.activation = _named("activation", activation, ACTIVATIONS)
        self.W = dense.W                                            # (d, k), shared
        self.b = Tensor(np.zeros_like(dense.W.data[:, 0]))          # (d,)

    def __call__(self, y: Value, rng: Any = None) -> Tensor:
        if y.ndim != 2 or y.shape[1] != self.W.shape[1]:
            d, k = self.W.shape
            raise BadValue(f"Tied to Dense({d}, {k}) cannot take this input", expected=f"y (n, {k}), what that "
                           "layer gives", got=describe(y), fix="decode in the reverse order of encoding")
        return self.activation(y @ self.W.T + self.b)


class Dropout:
    """x (n, ...) -> x with a fraction `rate` zeroed and the rest rescaled, given an rng; x itself without one."""

    def __init__(self, rate: float):
        dropout(np.zeros(1, np.float32), rate)                      # refuses a rate out of range now, not in training
        self.rate = rate

    def __call__(self, x: Value, rng: Any = None) -> Value:
        return dropout(x, self.rate, rng)


class Sequential(list):
    """x -> layers[-1](... layers[0](x)): a list of layers, or plain functions of x, called one after the other."""

    def __init__(self, *layers: Callable):
        super().__init__(layers)

    def __call__(self, x: Value, rng: Any = None) -> Value:
        for layer in self:
            x = layer(x, rng) if _is_layer(layer) else layer(x)
        return x


def dense_stack(widths: Sequence[int], activation: str | Callable, last: str | Callable = "linear",
                **settings: Any) -> Sequential:
    """Dense layers from widths[0] to widths[-1], the activation between them and `last` behind the last."""
    activations = [activation] * (len(widths) - 2) + [last]
    return Sequential(*[Dense(n, k, activation=f, **settings)
                        for n, k, f in zip(widths, widths[1:], activations, strict=False)])


def params(obj: Any) -> dict[str, Tensor]:
    """Every leaf Tensor that obj owns, by dotted name, in order of definition; a shared (tied) one once, by its first.

    obj may be a Tensor, a list, a dict, or any object with attributes. The order never depends on hashes.
    """
    names: dict[Tensor, str] = {}
    for name, tensor in _walk(obj, "", ()):
        names.setdefault(tensor, name)
    return {name: tensor for tensor, name in names.items()}


def load_params(obj: Any, arrays: Mapping[str, Any]) -> None:
    """Give obj's parameters the arrays of the same names (np.load("weights.npz")): all of them, or none and a refusal.

    The way back is {name: p.numpy() for name, p in params(obj).items()}.
    """
    own = params(obj)
    if set(arrays) != set(own):
        raise BadValue("these arrays are of another object", expected=", ".join(own), got=", ".join(arrays),
                       fix="build the object with the settings that the arrays were made with")
    for name, p in own.items():
        if describe(arrays[name]) != describe(p.numpy()):
            raise BadValue(f"array {name} does not fit", expected=describe(p.numpy()), got=describe(arrays[name]),
                           fix="build the object with the settings that the arrays were made with; float64 does not "
                               "become float32 by itself: a.astype(np.float32)")
    for name, p in own.items():
        p.data = to_device(np.array(arrays[name]), device_of(p.data))


def summary(obj: Any, input_shape: tuple[int, ...]) -> str:
    """A table of obj's layers, their output shapes (without the batch axis) and parameter counts, before any training.

    One image of zeros goes through obj (a layer, or a model's `losses`) while each layer notes the shape of its output.
    """
    own = params(obj)
    x = np.zeros((1, *input_shape), *{p.dtype for p in own.values()})
    x = to_device(x, device_of(next(iter(own.values())).data)) if own else x
    stage = {"": obj}                               # so that obj itself can be a layer, and replaced
    layers = list(_layers(stage, ""))
    rows: list[tuple[str, str, str, int]] = []
    counted: set[Tensor] = set()
    try:
        for owner, key, name, layer in layers:
            mine = params(layer).values()
            _set(owner, key, _Noting(layer, name, rows, sum(p.size for p in mine if p not in counted)))
            counted |= set(mine)                    # a shared (tied) weight counts where it stands first
        stage[""](x) if callable(obj) else obj.losses(x, np.random.default_rng(0))
    finally:
        for owner, key, _, layer in layers:
            _set(owner, key, layer)
    total = sum(p.size for p in own.values())
    if rest := total - sum(n for *_, n in rows):
        rows.append(("(others)", "", "", rest))     # parameters outside any layer
    table = [("layer", "kind", "output", "parameters"), *((a, b, c, f"{n:,}") for a, b, c, n in rows),
             ("total", "", "", f"{total:,}")]
    wide = [max(len(row[i]) for row in table) for i in range(4)]
    return "\n".join(f"{a:{wide[0]}}  {b:{wide[1]}}  {c:{wide[2]}}  {n:>{wide[3]}}" for a, b, c, n in table)


class _Noting:
    """A layer's stand-in during summary: behaves like it and writes down a row the first time it is called."""

    def __init__(self, layer: Any, name: str, rows: list, owned: int):
        self.layer, self.name, self.rows, self.owned = layer, name, rows, owned

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        y = self.layer(*args, **kwargs)
        if all(name != self.name for name, *_ in self.rows):
            self.rows.append((self.name, type(self.layer).__name__, str(y.shape[1:]), self.owned))
        return y

    def __getattr__(self, name: str) -> Any:
        return getattr(self.layer, name)


def _walk(obj: Any, name: str, above: tuple[int, ...]) -> Iterator[tuple[str, Tensor]]:
    if isinstance(obj, Tensor):
        if obj.op is None:
            yield name or "tensor", obj
    elif id(obj) not in above:                      # an object may point back at its owner
        for key, child in _children(obj):
            yield from _walk(child, f"{name}.{key}" if name else str(key), (*above, id(obj)))


def _layers(obj: Any, name: str) -> Iterator[tuple[Any, Any, str, Any]]:
    """(owner, key, dotted name, layer) of every layer below obj that has no layers itself."""
    for key, child in _children(obj):
        below = f"{name}.{key}" if name else str(key)
        inner = list(_layers(child, below))
        if inner or not _is_layer(child):
            yield from inner
        else:
            yield obj, key, below or type(child).__name__, child


def _children(obj: Any) -> list[tuple[Any, Any]]:
    if isinstance(obj, list | tuple):
        return list(enumerate(obj))
    if isinstance(obj, dict):
        return list(obj.items())
    own = not isinstance(obj, type) and not hasattr(obj, "__code__")     # classes and functions own no parameters
    return list(getattr(obj, "__dict__", {}).items()) if own else []


def _is_layer(obj: Any) -> bool:
    """A callable with state of its own: neither a function, whole or partial, nor a class."""
    return callable(obj) and hasattr(obj, "__dict__") and not hasattr(obj, "__code__") and not isinstance(
        obj, type | partial)


def _set(owner: Any, key: Any, value: Any) -> None:
    if isinstance(owner, list | dict):
        owner[key] = value
    elif not isinstance(owner, tuple):
        setattr(owner, key, value)


def _parameter(array: np.ndarray, where: str, dtype: Any) -> Tensor:
    return Tensor(to_device(array.astype(dtype), device(where)))


def _check_width(name: str, n: Any) -> None:
    if not isinstance(n, int | np.integer) or isinstance(n, bool) or n < 1:
        raise BadValue(f"{name} is no width", expected=f"{name}, a whole number >= 1", got=repr(n), fix=f"{name}=20")


def _named(what: str, choice: str | Callable, table: dict[str, Callable]) -> Callable:
    if callable(choice):
        return choice
    if choice not in table:
        raise BadValue(f"unknown {what}", expected=f"a function, or one of {', '.join(table)}", got=repr(choice),
                       fix=f'{what}="{next(iter(table))}"')
    return table[choice]

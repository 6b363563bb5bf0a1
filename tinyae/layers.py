"""7 of 9 · layers: callable objects that own Tensors.

There is no base class: a layer is anything that is called as layer(x, rng=None), and params(obj) finds the Tensors of
any object. Without an rng a layer is deterministic, so there is no train/eval mode either.
"""
from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from . import ops
from .backend import device, device_of, to_device
from .conv import conv2d, conv_size, conv_transpose2d, conv_transpose_size, max_pool2d, upsample2d
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
        return self.activation(ops.affine(x, self.W, self.b))


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
        return self.activation(ops.affine(y, self.W.T, self.b))


class Conv2D:
    """x (n, h, w, c) -> f(conv2d(x, W) + b) (n, u, v, k), with c = c_in, k = c_out and W (kernel, kernel, c, k).

    u = floor((h + 2 padding - kernel) / stride) + 1, and v of w likewise. By default padding = kernel // 2, so that an
    odd kernel keeps the size at stride 1, and halves it, rounded up, at stride 2. init: as for Dense, with
    kernel^2 c_in as fan-in and c_out as fan-out.
    """

    def __init__(self, c_in: int, c_out: int, kernel: int = 3, *, rng: np.random.Generator, stride: int = 1,
                 padding: int | None = None, activation: str | Callable = "linear",
                 init: str | Callable = "he_normal", device: str = "cpu", dtype: Any = np.float32):
        self.walk = _walk_of(c_in, c_out, kernel, stride, padding)
        self.activation = _named("activation", activation, ACTIVATIONS)
        W = _named("init", init, INITIALISERS)(kernel * kernel * c_in, c_out, rng)
        self.W = _parameter(W.reshape(kernel, kernel, c_in, c_out), device, dtype)
        self.b = _parameter(np.zeros(c_out), device, dtype)         # (k,)

    def size(self, h: int, w: int) -> tuple[int, int]:
        """(u, v) of images (h, w)."""
        return conv_size(h, len(self.W), **self.walk), conv_size(w, len(self.W), **self.walk)

    def __call__(self, x: Value, rng: Any = None) -> Tensor:
        _check_image(self, x, self.W.shape[2])
        return self.activation(conv2d(x, self.W, **self.walk) + self.b)


class ConvTranspose2D:
    """y (n, u, v, k) -> f(conv_transpose2d(y, W) + b) (n, h, w, c), k = c_in, c = c_out, W (kernel, kernel, c, k).

    h = (u - 1) stride + kernel - 2 padding + output_padding, and w of v likewise: the way back from a Conv2D, whose
    rounding is undone by output_padding, one number or a pair, below stride. A pixel is met by 1 / stride^2 of the
    taps: the weights are those of init times stride, which keeps the variance.
    """

    def __init__(self, c_in: int, c_out: int, kernel: int = 3, *, rng: np.random.Generator, stride: int = 1,
                 padding: int | None = None, output_padding: int | tuple[int, int] = 0,
                 activation: str | Callable = "linear", init: str | Callable = "he_normal", device: str = "cpu",
                 dtype: Any = np.float32):
        self.walk = _walk_of(c_in, c_out, kernel, stride, padding)
        pair = output_padding if isinstance(output_padding, tuple) else (output_padding, output_padding)
        if not all(n in range(stride) for n in pair):
            raise BadValue("output_padding out of range", got=output_padding, fix="output_padding=0",
                           expected=f"one whole number or a pair, 0 to {stride - 1}, below stride")
        self.output_padding = pair
        self.activation = _named("activation", activation, ACTIVATIONS)
        W = _named("init", init, INITIALISERS)(kernel * kernel * c_in, c_out, rng) * stride
        W = W.reshape(kernel, kernel, c_in, c_out).swapaxes(2, 3)
        self.W = _parameter(W, device, dtype)
        self.b = _parameter(np.zeros(c_out), device, dtype)         # (c,)

    def size(self, u: int, v: int) -> tuple[int, int]:
        """(h, w) made of (u, v)."""
        p, q = self.output_padding
        return (conv_transpose_size(u, len(self.W), **self.walk, output_padding=p),
                conv_transpose_size(v, len(self.W), **self.walk, output_padding=q))

    def __call__(self, y: Value, rng: Any = None) -> Tensor:
        _check_image(self, y, self.W.shape[3])
        return self.activation(conv_transpose2d(y, self.W, size=self.size(*y.shape[1:3]), **self.walk) + self.b)


class MaxPool2D:
    """x (n, h, w, c) -> the largest number of each cell of size x size pixels, (n, h // size, w // size, c)."""

    def __init__(self, size: int = 2):
        _check_width("size", size)
        self.cell = size

    def size(self, h: int, w: int) -> tuple[int, int]:
        return h // self.cell, w // self.cell

    def __call__(self, x: Value, rng: Any = None) -> Tensor:
        return max_pool2d(x, size=self.cell)


class Upsample:
    """x (n, h, w, c) -> every pixel a cell of size x size pixels, (n, h * size, w * size, c)."""

    def __init__(self, size: int = 2):
        _check_width("size", size)
        self.cell = size

    def size(self, h: int, w: int) -> tuple[int, int]:
        return h * self.cell, w * self.cell

    def __call__(self, x: Value, rng: Any = None) -> Tensor:
        return upsample2d(x, size=self.cell)


class Flatten:
    """x (n, ...) -> (n, d): what a Dense layer takes."""

    def __call__(self, x: Value, rng: Any = None) -> Tensor:
        return ops.reshape(x, shape=(x.shape[0], math.prod(x.shape[1:])))


class Reshape:
    """x (n, d) -> (n, *shape): what a Conv2D takes. Data comes as rows, so a convolutional model begins with this."""

    def __init__(self, shape: tuple[int, ...]):
        for n in shape:
            _check_width("every number of shape", n)
        self.shape = tuple(shape)

    def __call__(self, x: Value, rng: Any = None) -> Tensor:
        if math.prod(x.shape[1:]) != math.prod(self.shape):
            raise BadValue(f"Reshape({self.shape}) cannot take this input", got=describe(x), expected="x (n, "
                           f"{' * '.join(map(str, self.shape))} = {math.prod(self.shape)})",
                           fix="Reshape((height, width, channels)) of these images")
        return ops.reshape(x, shape=(x.shape[0], *self.shape))


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


def _walk_of(c_in: int, c_out: int, kernel: int, stride: int, padding: int | None) -> dict[str, int]:
    """The settings of conv2d, checked."""
    for name, n in {"c_in": c_in, "c_out": c_out, "kernel": kernel, "stride": stride}.items():
        _check_width(name, n)
    padding = kernel // 2 if padding is None else padding
    if not isinstance(padding, int | np.integer) or padding < 0:
        raise BadValue("padding is no width", expected="a whole number >= 0", got=repr(padding), fix="padding=1")
    return {"stride": stride, "padding": padding}


def _check_image(layer: Any, x: Value, c_in: int) -> None:
    if x.ndim != 4 or x.shape[3] != c_in:
        first = x.ndim == 4 and x.shape[1] == c_in
        raise BadValue(f"{type(layer).__name__} of {c_in} channels cannot take this input", got=describe(x),
                       expected=f"(n, height, width, {c_in}), channels last",
                       fix="np.moveaxis(x, 1, -1): these have their channels first" if first else
                       f"Reshape((height, width, {c_in})) before it, or c_in={x.shape[-1] if x.ndim else 1}")


def _named(what: str, choice: str | Callable, table: dict[str, Callable]) -> Callable:
    if callable(choice):
        return choice
    if choice not in table:
        raise BadValue(f"unknown {what}", expected=f"a function, or one of {', '.join(table)}", got=repr(choice),
                       fix=f'{what}="{next(iter(table))}"')
    return table[choice]

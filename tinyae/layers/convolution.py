"""layers · convolution: layers that use the same weights at every place of images (n, h, w, channels)."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..backend import Rng, Value, describe
from ..conv import conv2d_affine, conv_size, conv_transpose2d_affine, conv_transpose_size
from ..errors import BadValue
from ..tensor import Tensor
from .dense import ACTIVATIONS, check_width, drawn, named
from .parameters import parameter

BOTH_AXES = "2: one number serves both axes"       # how a refusal's fix goes on after `kernel=`


class Conv2D:
    """x (n, h, w, c) -> f(conv2d(x, W) + b) (n, u, v, k), with c = c_in, k = c_out and W (kernel, kernel, c, k).

    u = floor((h + 2 padding - kernel) / stride) + 1, and likewise v from w. padding=None means kernel // 2: then an odd
    kernel keeps the size at stride 1, and halves it, rounded up, at stride 2. init is that of Dense, with fan-in
    kernel^2 c_in and fan-out c_out.
    """

    def __init__(self, c_in: int, c_out: int, kernel: int = 3, *, rng: np.random.Generator, stride: int = 1,
                 padding: int | None = None, activation: str | Callable = "linear",
                 init: str | Callable = "he_normal", device: str = "cpu", dtype: Any = np.float32):
        self.geometry = _geometry(c_in, c_out, kernel, stride, padding)
        self.activation = named("activation", activation, ACTIVATIONS)
        W = drawn(init, kernel * kernel * c_in, c_out, rng)
        self.W = parameter(W.reshape(kernel, kernel, c_in, c_out), device, dtype)
        self.b = parameter(np.zeros(c_out), device, dtype)         # (k,)

    def size(self, h: int, w: int) -> tuple[int, int]:
        """(h, w) of the images -> (u, v) of the result."""
        return conv_size(h, len(self.W), **self.geometry), conv_size(w, len(self.W), **self.geometry)

    def __call__(self, x: Value, rng: Rng = None) -> Tensor:
        check_image(self, x, self.W.shape[2])
        return self.activation(conv2d_affine(x, self.W, self.b, **self.geometry))


class ConvTranspose2D:
    """y (n, u, v, k) -> f(conv_transpose2d(y, W) + b) (n, h, w, c), k = c_in, c = c_out, W (kernel, kernel, c, k).

    h = (u - 1) stride + kernel - 2 padding + output_padding, and likewise w from v: the sizes of a Conv2D, reversed.
    output_padding, one number or a pair, each below stride, restores the remainder that Conv2D's floor has dropped.
    Only 1 / stride^2 of the taps reach a pixel, so the weights are those of init times stride, which keeps the
    variance.
    """

    def __init__(self, c_in: int, c_out: int, kernel: int = 3, *, rng: np.random.Generator, stride: int = 1,
                 padding: int | None = None, output_padding: int | tuple[int, int] = 0,
                 activation: str | Callable = "linear", init: str | Callable = "he_normal", device: str = "cpu",
                 dtype: Any = np.float32):
        self.geometry = _geometry(c_in, c_out, kernel, stride, padding)
        pair = tuple(output_padding) if isinstance(output_padding, tuple | list) else (output_padding, output_padding)
        if len(pair) != 2 or not all(n in range(stride) for n in pair):
            raise BadValue("output_padding must be >= 0 and below stride", got=output_padding, fix="output_padding=0",
                           expected=f"a whole number from 0 to {stride - 1}, or a pair of them")
        self.output_padding = pair
        self.activation = named("activation", activation, ACTIVATIONS)
        W = drawn(init, kernel * kernel * c_in, c_out, rng) * stride
        W = W.reshape(kernel, kernel, c_in, c_out).swapaxes(2, 3)
        self.W = parameter(W, device, dtype)
        self.b = parameter(np.zeros(c_out), device, dtype)         # (c,)

    def size(self, u: int, v: int) -> tuple[int, int]:
        """(u, v) of the input -> (h, w) of the images."""
        p, q = self.output_padding
        return (conv_transpose_size(u, len(self.W), **self.geometry, output_padding=p),
                conv_transpose_size(v, len(self.W), **self.geometry, output_padding=q))

    def __call__(self, y: Value, rng: Rng = None) -> Tensor:
        check_image(self, y, self.W.shape[3])
        size = self.size(*y.shape[1:3])
        return self.activation(conv_transpose2d_affine(y, self.W, self.b, size=size, **self.geometry))


def _geometry(c_in: int, c_out: int, kernel: int, stride: int, padding: int | None) -> dict[str, int]:
    """stride and padding, as conv2d takes them, after a check of all five."""
    for name, n in {"c_in": c_in, "c_out": c_out}.items():
        check_width(name, n)
    for name, n in {"kernel": kernel, "stride": stride}.items():
        check_width(name, n, BOTH_AXES)
    padding = kernel // 2 if padding is None else padding
    if not isinstance(padding, int | np.integer) or padding < 0:
        raise BadValue("padding must be a whole number >= 0", expected="one number for all four sides",
                       got=repr(padding), fix="padding=1")
    return {"stride": stride, "padding": padding}


def check_image(layer: Any, x: Value, c_in: int) -> None:
    if x.ndim != 4 or x.shape[3] != c_in:
        channels_first = x.ndim == 4 and x.shape[1] == c_in
        raise BadValue(f"{type(layer).__name__} of {c_in} channels needs images of {c_in} channels", got=describe(x),
                       expected=f"(n, height, width, {c_in}), channels last",
                       fix="np.moveaxis(x, 1, -1): these have their channels first" if channels_first else
                       f"Reshape((height, width, {c_in})) before it, or c_in={x.shape[-1] if x.ndim else 1}")

"""conv: convolution, its transpose, pooling and upsampling, as rows.

Images are (n, h, w, c), channels last. A kernel is (a, b, c, k): height, width, channels of the image, channels of the
result. All of convolution follows from one number, linear in each of x, W and y:

    T(x, W, y) = sum  x[n, stride u + i - padding, stride v + j - padding, c]  W[i, j, c, k]  y[n, u, v, k]

over images n, places (u, v), taps (i, j) and channels c and k; x counts as 0 outside of the image. conv2d(x, W) is
dT/dy, conv_transpose2d(y, W) is dT/dx and conv2d_kernel(x, y) is dT/dW. The derivatives of each are the other two, so
derivatives of every order exist; and with one kernel, conv2d and conv_transpose2d are each other's adjoint.

The plain forms come first, then the rows, which run the plain forms' fast twins in conv_blocks.py.
"""
# Rows refer to each other, lambdas are read before they are typed:
# mypy: disable-error-code="has-type"
from __future__ import annotations

from collections.abc import Iterator
from functools import wraps
from inspect import signature
from itertools import product
from typing import Any

import numpy as np

from . import conv_blocks, ops
from .backend import Array, describe
from .errors import BadType, BadValue
from .tensor import data_of, op


def conv_size(n: int, kernel: int, stride: int = 1, padding: int = 0) -> int:
    """Places of a kernel along n pixels: floor((n + 2 padding - kernel) / stride) + 1."""
    return (n + 2 * padding - kernel) // stride + 1


def conv_transpose_size(n: int, kernel: int, stride: int = 1, padding: int = 0, output_padding: int = 0) -> int:
    """Pixels made of n places: (n - 1) stride + kernel - 2 padding + output_padding.

    conv_size forgets a remainder, so `stride` sizes lead to one number of places: output_padding says which it was.
    """
    return (n - 1) * stride + kernel - 2 * padding + output_padding


# ---- the plain forms: the sum T without one of its factors, tap by tap; for NumPy

def conv2d_plain(x: Array, W: Array, stride: int = 1, padding: int = 0) -> Array:
    """dT/dy: x (n, h, w, c), W (a, b, c, k) -> z (n, u, v, k)."""
    (n, h, w, _), (a, b, _, k), padded = x.shape, W.shape, _padded(x, padding)
    z = np.zeros((n, conv_size(h, a, stride, padding), conv_size(w, b, stride, padding), k), x.dtype)
    for i, j, pixels in _taps(padded, W.shape, z.shape, stride):
        z += pixels @ W[i, j]                                               # (n, u, v, c) @ (c, k)
    return z


def conv_transpose2d_plain(y: Array, W: Array, size: tuple[int, int], stride: int = 1, padding: int = 0) -> Array:
    """dT/dx: y (n, u, v, k), W (a, b, c, k), size (h, w) -> x (n, h, w, c)."""
    h, w = size
    padded = np.zeros((len(y), h + 2 * padding, w + 2 * padding, W.shape[2]), y.dtype)
    for i, j, pixels in _taps(padded, W.shape, y.shape, stride):
        pixels += y @ W[i, j].T                                             # (n, u, v, k) @ (k, c), into padded
    return padded[:, padding:padding + h, padding:padding + w]


def conv2d_kernel_plain(x: Array, y: Array, size: tuple[int, int], stride: int = 1, padding: int = 0) -> Array:
    """dT/dW: x (n, h, w, c), y (n, u, v, k), size (a, b) -> W (a, b, c, k)."""
    padded, W = _padded(x, padding), np.zeros((*size, x.shape[3], y.shape[3]), x.dtype)
    for i, j, pixels in _taps(padded, W.shape, y.shape, stride):
        W[i, j] = np.einsum("nuvc, nuvk -> ck", pixels, y)
    return W


def _padded(x: Array, padding: int) -> Array:
    """x with rows and columns of zeros on all four sides."""
    return np.pad(x, [(0, 0), (padding, padding), (padding, padding), (0, 0)])


def _taps(padded: Array, W: tuple, y: tuple, stride: int) -> Iterator[tuple[int, int, Array]]:
    """Each tap (i, j), and the pixel that it multiplies at each place: (n, u, v, c), a view of the padded images."""
    (a, b, _, _), (_, u, v, _) = W, y
    for i, j in product(range(a), range(b)):
        yield i, j, padded[:, i:i + stride * u:stride, j:j + stride * v:stride]


# ---- what the rows run: arguments checked, then the fast twins of the plain forms

def _forward(f: Any) -> Any:
    """f under its row's name, as Python's messages will call it; refuses settings that f does not have."""
    f.__name__ = f.__qualname__ = f.__name__.strip("_")
    known = list(signature(f).parameters)

    @wraps(f)
    def forward(*arrays: Any, **settings: Any) -> Array:
        if unknown := [name for name in settings if name not in known]:
            raise BadType(f"{f.__name__} has no setting {' or '.join(unknown)}",
                          expected=f"{f.__name__}({', '.join(known)})",
                          got=", ".join(f"{name}={settings[name]!r:.60}" for name in unknown),
                          fix=f"leave out {' and '.join(unknown)}")
        return f(*arrays, **settings)

    return forward


@_forward
def _conv2d_affine(x: Array, W: Array, b: Array | None, stride: int = 1, padding: int = 0) -> Array:
    places = _places("conv2d", (x, W), x.shape, W.shape, stride, padding)
    _check_bias("conv2d_affine", b, W.shape[3])
    return conv_blocks.conv2d(x, W, b, places, stride, padding)


@_forward
def _conv_transpose2d_affine(y: Array, W: Array, b: Array | None, size: tuple[int, int], stride: int = 1,
                             padding: int = 0) -> Array:
    images = (*y.shape[:1], *_pair("conv_transpose2d", size), *W.shape[2:3])
    _places("conv_transpose2d", (y, W), images, W.shape, stride, padding, y.shape)
    _check_bias("conv_transpose2d_affine", b, W.shape[2])
    return conv_blocks.conv_transpose2d(y, W, b, size, stride, padding)


@_forward
def _conv2d_kernel(x: Array, y: Array, size: tuple[int, int], stride: int = 1, padding: int = 0) -> Array:
    kernel = (*_pair("conv2d_kernel", size), *x.shape[3:], *y.shape[3:])
    _places("conv2d_kernel", (x, y), x.shape, kernel, stride, padding, y.shape)
    return conv_blocks.conv2d_kernel(x, y, size, stride, padding)


@_forward
def _conv2d(x: Array, W: Array, stride: int = 1, padding: int = 0) -> Array:
    return _conv2d_affine(x, W, None, stride, padding)


@_forward
def _conv_transpose2d(y: Array, W: Array, size: tuple[int, int], stride: int = 1, padding: int = 0) -> Array:
    return _conv_transpose2d_affine(y, W, None, size, stride, padding)


@_forward
def _max_pool2d(x: Array, size: int) -> Array:
    return _cells("max_pool2d", x, size).max((2, 4))


@_forward
def _avg_pool2d(x: Array, size: int) -> Array:
    return _cells("avg_pool2d", x, size).mean((2, 4))


@_forward
def _upsample2d(x: Array, size: int) -> Array:
    _check_cells("upsample2d", x, size, least=0)
    n, h, w, c = x.shape
    return np.broadcast_to(x[:, :, None, :, None], (n, h, size, w, size, c)).reshape(n, h * size, w * size, c)


# fmt: off
# ---- z is the derivative of T by the factor that is not given; in a vjp, g takes that factor's place.
#      how: stride=1, padding=0. size: (h, w) of images, (a, b) of a kernel
conv2d = op(_conv2d,
    lambda g, z, x, W, **how: conv_transpose2d(g, W, size=x.shape[1:3], **how),
    lambda g, z, x, W, **how: conv2d_kernel(x, g, size=W.shape[:2], **how))
conv_transpose2d = op(_conv_transpose2d,
    lambda g, z, y, W, size, **how: conv2d(g, W, **how),
    lambda g, z, y, W, size, **how: conv2d_kernel(g, y, size=W.shape[:2], **how))
conv2d_kernel = op(_conv2d_kernel,
    lambda g, z, x, y, size, **how: conv_transpose2d(y, g, size=x.shape[1:3], **how),
    lambda g, z, x, y, size, **how: conv2d(x, g, **how))

# ---- the same + b, one number for each channel
conv2d_affine = op(_conv2d_affine,
    lambda g, z, x, W, b, **how: conv_transpose2d(g, W, size=x.shape[1:3], **how),
    lambda g, z, x, W, b, **how: conv2d_kernel(x, g, size=W.shape[:2], **how),
    lambda g, z, x, W, b, **how: g)
conv_transpose2d_affine = op(_conv_transpose2d_affine,
    lambda g, z, y, W, b, size, **how: conv2d(g, W, **how),
    lambda g, z, y, W, b, size, **how: conv2d_kernel(g, y, size=W.shape[:2], **how),
    lambda g, z, y, W, b, size, **how: g)

# ---- cells of size x size pixels
max_pool2d = op(_max_pool2d, lambda g, z, x, size: _share_among_maxima(g, z, x, size))
avg_pool2d = op(_avg_pool2d, lambda g, z, x, size: _broadcast_to_pixels(g * (1 / size ** 2), x, size))
upsample2d = op(_upsample2d, lambda g, z, x, size: avg_pool2d(g, size=size) * size ** 2)
# fmt: on

SHAPES = {
    "conv2d": "x (n, h, w, c), W (a, b, c, k) -> (n, u, v, k): correlation, as in all deep learning libraries.",
    "conv_transpose2d": "y (n, u, v, k), W (a, b, c, k), size (h, w) -> (n, h, w, c): the adjoint of conv2d.",
    "conv2d_kernel": "x (n, h, w, c), y (n, u, v, k), size (a, b) -> (a, b, c, k): the gradient of conv2d's kernel.",
    "conv2d_affine": "x (n, h, w, c), W (a, b, c, k), b (k,) -> conv2d(x, W) + b (n, u, v, k).",
    "conv_transpose2d_affine": "y (n, u, v, k), W (a, b, c, k), b (c,), size (h, w) -> (n, h, w, c).",
    "max_pool2d": "x (n, h, w, c) -> (n, h // size, w // size, c), the largest of each cell; a rest is left out.",
    "avg_pool2d": "x (n, h, w, c) -> (n, h // size, w // size, c), the mean of each cell; a rest is left out.",
    "upsample2d": "x (n, h, w, c) -> (n, size h, size w, c): each pixel fills a cell.",
}
ROWS = ops.named(globals())


# ---- cells of pixels

def _cells(name: str, x: Array, size: int) -> Array:
    """(n, h, w, c) -> (n, u, size, v, size, c), whole cells of size x size pixels; a rest at the edge is left out."""
    _check_cells(name, x, size, least=size)
    n, h, w, c = x.shape
    u, v = h // size, w // size
    return x[:, :u * size, :v * size].reshape(n, u, size, v, size, c)


def _broadcast_to_pixels(g: Any, x: Any, size: int) -> Any:
    """g (n, u, v, c) of the cells of x -> (n, h, w, c): at every pixel the g of its cell, 0 in a rest at the edge."""
    z = upsample2d(g, size=size)
    rest = tuple((0, n - m) for n, m in zip(x.shape, z.shape, strict=True))
    return ops.pad(z, width=rest) if z.shape != x.shape else z


def _share_among_maxima(g: Any, z: Any, x: Any, size: int) -> Any:
    """g of each cell, in equal shares at those of its pixels that equal its maximum z."""
    won = (data_of(x) == _broadcast_to_pixels(data_of(z), x, size)).astype(x.dtype)
    count = _broadcast_to_pixels(_cells("max_pool2d", won, size).sum((2, 4)), x, size)
    return _broadcast_to_pixels(g, x, size) * (won / np.maximum(count, 1))


# ---- what must hold

def _places(name: str, arrays: tuple[Array, Array], x: tuple, W: tuple, stride: int, padding: int,
            y: tuple | None = None) -> tuple:
    """(n, u, v, k) that a kernel of shape W makes of images of shape x. y, if given, must be that shape."""
    if any(a.dtype.kind != "f" for a in arrays):
        raise BadType(f"{name} takes floating-point numbers", expected="float32, say",
                      got=" and ".join(map(describe, arrays)), fix="x.astype(np.float32)")
    if len(x) != 4 or len(W) != 4 or x[3] != W[2] or min(W) < 1:
        raise BadValue(f"{name}: images and kernel must have four axes each, and the same channels c",
                       expected="images (n, h, w, c) and a kernel (a, b, c, k), not empty",
                       got=f"images {x} and a kernel {W}", fix="np.moveaxis(x, 1, -1) of images (n, c, h, w)")
    if not (_whole(stride, 1) and _whole(padding, 0)):
        raise BadValue(f"{name}: stride must be >= 1 and padding >= 0", expected="whole numbers, one for both axes",
                       got=f"stride={stride!r}, padding={padding!r}", fix="stride=2, padding=1")
    z = (x[0], *(conv_size(n, k, stride, padding) for n, k in zip(x[1:3], W[:2], strict=True)), W[3])
    if min(z[1:3]) < 1:
        raise BadValue(f"{name}: the kernel is larger than the image", expected=f"images of {W[0]}x{W[1]} or more "
                       f"with padding={padding}", got=f"{x[1]}x{x[2]}", fix="fewer layers, or more padding")
    if y is not None and y != z:
        raise BadValue(f"{name}: y must have the shape that conv2d makes of the images", got=y,
                       expected=f"{z}, from images {x} and a kernel {W}", fix="the size that conv_transpose_size gives")
    return z


def _pair(name: str, size: Any) -> Any:
    if not (isinstance(size, tuple | list) and len(size) == 2 and all(_whole(n, 1) for n in size)):
        raise BadValue(f"{name}: size must be two whole numbers >= 1", expected="size=(height, width)", got=repr(size),
                       fix="size=x.shape[1:3] of images, size=W.shape[:2] of a kernel")
    return size


def _check_bias(name: str, b: Any, channels: int) -> None:
    if b is not None and getattr(b, "shape", None) != (channels,):
        raise BadValue(f"{name}: the bias must hold one number for each channel", expected=f"shape ({channels},)",
                       got=describe(b), fix=f"np.zeros({channels}, np.float32)")


def _check_cells(name: str, x: Array, size: int, least: int) -> None:
    """Images of at least `least` rows and columns."""
    if x.ndim != 4 or not _whole(size, 1) or min(x.shape[1:3]) < least:
        raise BadValue(f"{name}: size must be one whole number >= 1, and fit into the images (n, h, w, c)",
                       expected="cells of size x size pixels, side by side: size is both height and width, and stride",
                       got=f"images {x.shape}, size={size!r}", fix="size=2, and images with their channels last")


def _whole(n: Any, least: int) -> bool:
    return isinstance(n, int | np.integer) and bool(n >= least)

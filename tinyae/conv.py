"""4 of 9 · conv: convolution, its transpose, pooling and upsampling, as rows.

Images are (n, h, w, c), channels last. A kernel is (a, b, c, k): height, width, channels of the image, channels of
what a convolution makes of it. Everything about convolution follows from one number, linear in each of x, W and y:

    T(x, W, y) = sum  x[n, stride u + i - padding, stride v + j - padding, c]  W[i, j, c, k]  y[n, u, v, k]

over images n, places u v, taps i j, channels c and k; x counts as 0 outside of the image. conv2d(x, W) is dT/dy,
conv_transpose2d(y, W) is dT/dx and conv2d_kernel(x, y) is dT/dW. The derivative of each is made of the other two, so
all orders are there; and the same kernel in conv2d and in conv_transpose2d makes them each other's adjoint.
"""
# Rows refer to each other, lambdas are read before they are typed:
# mypy: disable-error-code="has-type"
from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np

from . import ops
from .backend import Array, device_of, windows
from .errors import BadType, BadValue
from .refusals import describe
from .tensor import data_of, op

# conv2d is a product of patches (a row of a b c numbers for each place) with the kernel as a matrix. Patches are
# a b / stride^2 times as large as their images, so they are made of a few images at a time, in one array that stays in
# the cache, and made again when a derivative wants them. conv_transpose2d is a product for each tap, moved and added.
# Medians in ms of one core's time, caches cold, 3x3, stride 2, c -> k at the size of x:
#
#                                                     3 -> 32    32 -> 64    64 -> 64    16 -> 32    1 -> 16
#                                                      at 128       at 64       at 32       at 14      at 28
#                                                   16 images          16          16         128        128
#     conv2d            patches in one small array        6.3          14         6.4         1.8        0.9
#                       in a new one for each block       7.7          17         8.1         3.1        1.3
#                       all patches at once               8.7          16         8.2         2.9        1.2
#                       a product for each tap           12            16         7.7         3.4        7.5
#     conv_transpose2d  products moved and added          9.0          17         8.7         3.4        2.2
#                       patches added up                 13            27        11           5.2        1.8
#                       a conv2d for each (i, j) of a cell 29          22         8.8         4.6        4.6
#
# Where the image has few channels, those of a pixel side by side are too short for NumPy's innermost loops: patches and
# products then have places side by side. In the order of wide images, 3 -> 32 takes 7.0 and 14, 1 -> 16 1.5 and 3.1.
BLOCK = {"cpu": 128 << 10, "cuda": 256 << 20}   # bytes at a time; all taps' products are a b times that
NARROW = {"cpu": 8, "cuda": 0}                  # fewer channels than this are few


def conv_size(n: int, kernel: int, stride: int = 1, padding: int = 0) -> int:
    """Places of a kernel along n pixels: floor((n + 2 padding - kernel) / stride) + 1."""
    return (n + 2 * padding - kernel) // stride + 1


def conv_transpose_size(n: int, kernel: int, stride: int = 1, padding: int = 0, output_padding: int = 0) -> int:
    """Pixels made of n places: (n - 1) stride + kernel - 2 padding + output_padding.

    conv_size forgets a remainder, so `stride` sizes lead to one number of places: output_padding says which it was.
    """
    return (n - 1) * stride + kernel - 2 * padding + output_padding


def _convolve(x: Array, W: Array, bias: Array | None = None, stride: int = 1, padding: int = 0) -> Array:
    _check_floats("conv2d", x, W)
    shape = _places("conv2d", x.shape, W.shape, stride, padding)
    matrix = W.reshape(-1, W.shape[3])                                              # (a b c, k)
    if bias is not None:
        _check_bias("conv2d_affine", bias, W.shape[3])
        matrix = np.concatenate([matrix, bias[None]])                               # (a b c + 1, k)
    z = np.empty(shape, x.dtype, like=x)
    for some, patches in _patches(x, W.shape[:2], shape, stride, padding, ones=bias is not None):
        np.matmul(patches, matrix, out=z[some].reshape(-1, W.shape[3]))
    return z


def _kernel(x: Array, y: Array, size: tuple[int, int], stride: int = 1, padding: int = 0) -> Array:
    """size: (a, b) of the kernel."""
    _check_floats("conv2d_kernel", x, y)
    W = np.zeros((*size, *x.shape[3:], *y.shape[3:]), x.dtype, like=x)
    _places("conv2d_kernel", x.shape, W.shape, stride, padding, y.shape)
    matrix = W.reshape(-1, W.shape[3])
    for some, patches in _patches(x, size, y.shape, stride, padding):
        matrix += patches.T @ y[some].reshape(-1, y.shape[3])
    return W


def _patches(x: Array, size: tuple[int, int], places: tuple, stride: int, padding: int,
             ones: bool = False) -> Iterator[tuple]:
    """Some images, and their patches as rows (m u v, a b c); with ones, a 1 follows in each, the factor of a bias.

    All images share one array, so that it stays in the cache: use the rows before asking for the next.
    """
    (n, h, w, c), (_, u, v, _) = x.shape, places
    length = size[0] * size[1] * c
    step = _at_once(x, u * v * length)
    padded = np.zeros((step, h + 2 * padding, w + 2 * padding, c), x.dtype, like=x)
    view = windows(padded, size, stride)                                            # (step, u, v, a, b, c)
    rows = np.empty((step * u * v, length + ones), x.dtype, "F" if c < NARROW[device_of(x)] else "C", like=x)
    if ones:
        rows[:, length] = 1
    patches = rows[:, :length].reshape(view.shape)                                  # a view
    for start in range(0, n, step):
        some = slice(start, start + step)
        m = len(x[some])
        padded[:m, padding:padding + h, padding:padding + w] = x[some]
        patches[...] = view
        yield some, rows[:m * u * v]


def _transposed(y: Array, W: Array, bias: Array | None = None, *, size: tuple[int, int], stride: int = 1,
                padding: int = 0) -> Array:
    """size: (h, w) of the image; see conv_transpose_size.

    The padded image consists of cells of stride x stride pixels. Tap (i, j) of place (u, v) meets a pixel of cell
    (u + i // stride, v + j // stride), the (i % stride, j % stride)-th of that cell. So each pixel of a cell is a sum
    over its taps of products, each moved by some rows and columns of cells. With all cells one behind the other, and
    zeros where no place is, to move is to shift: NumPy adds whole arrays.
    """
    _check_floats("conv_transpose2d", y, W)
    _places("conv_transpose2d", (*y.shape[:1], *size, *W.shape[2:3]), W.shape, stride, padding, y.shape)
    (n, u, v, k), (a, b, c, _), narrow = y.shape, W.shape, W.shape[2] < NARROW[device_of(y)]
    A, B, ones = max(a, stride), max(b, stride), int(bias is not None)              # a tap at least for every pixel
    taps = np.zeros((A, B, k + ones, c), y.dtype, like=y)
    taps[:a, :b, :k] = W.swapaxes(2, 3)
    U, V = (-(-(pixels + 2 * padding) // stride) for pixels in size)
    step = _at_once(y, U * V * k)
    cells = np.zeros((step, U, V, k + ones), y.dtype, like=y)
    if bias is not None:
        _check_bias("conv_transpose2d_affine", bias, c)
        cells[..., k], taps[:stride, :stride, k] = 1, bias                          # once for each pixel of a cell
    flat = cells.reshape(-1, k + ones)
    if narrow:
        products = np.empty((A * B * c, len(flat)), y.dtype, like=y)
        factors = taps.swapaxes(2, 3).reshape(-1, k + ones), flat.T
        terms = products.reshape(A, B, c, -1).swapaxes(2, 3)
    else:
        products = terms = np.empty((A, B, len(flat), c), y.dtype, like=y)
        factors = flat, taps
    z = np.empty((n, *size, c), y.dtype, like=y)
    for start in range(0, n, step):
        part = z[start:start + step]
        cells[:len(part), :u, :v, :k] = y[start:start + step]
        np.matmul(*factors, out=products)
        for i in range(stride, A):
            terms[i % stride, :, i // stride * V:] += terms[i, :, :-(i // stride * V)]
        for j in range(stride, B):
            terms[:stride, j % stride, j // stride:] += terms[:stride, j, :-(j // stride)]
        for i, j in product(range(stride), repeat=2):
            (q, rows), (r, columns) = _residue(i, size[0], stride, padding), _residue(j, size[1], stride, padding)
            pixels = terms[i, j].reshape(step, U, V, c)[:len(part), q, r]
            for e in range(c) if narrow else [slice(None)]:                         # NumPy copies few channels slowly
                part[:, rows, columns, e] = pixels[..., e]
    return z


def _places(name: str, x: tuple, W: tuple, stride: int, padding: int, y: tuple | None = None) -> tuple:
    """(n, u, v, k) that a kernel of shape W makes of images of shape x; y, if given, has to be that."""
    if len(x) != 4 or len(W) != 4 or x[3] != W[2] or min(W) < 1:
        raise BadValue(f"{name} cannot take these", expected="images (n, h, w, c) and a kernel (a, b, c, k)",
                       got=f"images {x} and a kernel {W}", fix="channels last: np.moveaxis(x, 1, -1) from (n, c, h, w)")
    if not (_whole(stride, 1) and _whole(padding, 0)):
        raise BadValue(f"{name} cannot walk like this", expected="whole numbers, stride >= 1 and padding >= 0",
                       got=f"stride={stride!r}, padding={padding!r}", fix="stride=2, padding=1")
    z = (x[0], *(conv_size(n, k, stride, padding) for n, k in zip(x[1:3], W[:2], strict=True)), W[3])
    if min(z[1:3]) < 1:
        raise BadValue(f"{name}: the kernel is larger than the image", expected=f"images of {W[0]}x{W[1]} or more "
                       f"with padding={padding}", got=f"{x[1]}x{x[2]}", fix="fewer layers, or more padding")
    if y is not None and y != z:
        raise BadValue(f"{name}: sizes do not meet", expected=f"{z}, which is what a kernel {W} makes of images {x}",
                       got=y, fix="the size that conv_transpose_size gives")
    return z


def _check_floats(name: str, *arrays: Array) -> None:
    if any(a.dtype.kind != "f" for a in arrays):
        raise BadType(f"{name} takes floating-point numbers", expected="float32, say",
                      got=" and ".join(map(describe, arrays)), fix="x.astype(np.float32)")


def _check_bias(name: str, bias: Any, channels: int) -> None:
    if getattr(bias, "shape", None) != (channels,):
        raise BadValue(f"{name}: this is no bias", expected=f"one number for each channel, ({channels},)",
                       got=describe(bias), fix=f"np.zeros({channels}, np.float32)")


def _whole(n: Any, least: int) -> bool:
    return isinstance(n, int | np.integer) and bool(n >= least)


def _at_once(x: Array, numbers: int) -> int:
    """How many images to take at a time, given how many numbers there are for each: about a BLOCK, in equal parts."""
    n, most = max(1, len(x)), max(1, BLOCK[device_of(x)] // max(1, numbers * x.itemsize))
    return -(-n // -(-n // most))


def _residue(r: int, pixels: int, stride: int, padding: int) -> tuple[slice, slice]:
    """The cells, and the pixels, that are the r-th of their cell."""
    start = (r - padding) % stride
    first = (start + padding) // stride
    return slice(first, first + len(range(start, pixels, stride))), slice(start, pixels, stride)


def _cells(x: Array, size: int) -> Array:
    """The whole cells of size x size pixels: (n, h, w, c) -> (n, u, size, v, size, c). A rest at the edge is left."""
    if x.ndim != 4 or not _whole(size, 1) or min(x.shape[1:3]) < size:
        raise BadValue("no cell to pool", expected="images (n, h, w, c) of at least size x size pixels",
                       got=f"{x.shape} with size={size!r}", fix="a smaller size, or fewer layers")
    n, h, w, c = x.shape
    u, v = h // size, w // size
    return x[:, :u * size, :v * size].reshape(n, u, size, v, size, c)


def _max_pool2d(x: Array, size: int) -> Array: return _cells(x, size).max((2, 4))
def _avg_pool2d(x: Array, size: int) -> Array: return _cells(x, size).mean((2, 4))


def _upsample2d(x: Array, size: int) -> Array:
    if x.ndim != 4 or not _whole(size, 1):
        raise BadValue("upsample2d cannot take this", expected="images (n, h, w, c) and size, a whole number >= 1",
                       got=f"{x.shape} with size={size!r}", fix="channels last, size=2")
    n, h, w, c = x.shape
    return np.broadcast_to(x[:, :, None, :, None], (n, h, size, w, size, c)).reshape(n, h * size, w * size, c)


def _spread(g: Any, x: Any, size: int) -> Any:
    """g, one number for each cell of x, handed to every pixel of the cell; 0 for the rest at the edge."""
    z = upsample2d(g, size=size)
    rest = [(0, n - m) for n, m in zip(x.shape, z.shape, strict=True)]
    return ops.pad(z, width=tuple(rest)) if z.shape != x.shape else z


def _to_winners(g: Any, z: Any, x: Any, size: int) -> Any:
    """g of a cell, shared equally by those of its pixels that equal its maximum z."""
    won = (data_of(x) == _spread(data_of(z), x, size)).astype(x.dtype)
    return _spread(g, x, size) * (won / np.maximum(_spread(_cells(won, size).sum((2, 4)), x, size), 1))


# fmt: off
# ---- T(x, W, y), differentiated by one of the three; g stands where it was. how: stride=1, padding=0
conv2d           = op(_convolve,   lambda g, z, x, W, **how: conv_transpose2d(g, W, size=x.shape[1:3], **how),
                                   lambda g, z, x, W, **how: conv2d_kernel(x, g, size=W.shape[:2], **how))
conv_transpose2d = op(_transposed, lambda g, z, y, W, size, **how: conv2d(g, W, **how),
                                   lambda g, z, y, W, size, **how: conv2d_kernel(g, y, size=W.shape[:2], **how))
conv2d_kernel    = op(_kernel,     lambda g, z, x, y, size, **how: conv_transpose2d(y, g, size=x.shape[1:3], **how),
                                   lambda g, z, x, y, size, **how: conv2d(x, g, **how))

# ---- the same + b, one number for each channel
conv2d_affine    = op(_convolve,   lambda g, z, x, W, b, **how: conv_transpose2d(g, W, size=x.shape[1:3], **how),
                                   lambda g, z, x, W, b, **how: conv2d_kernel(x, g, size=W.shape[:2], **how),
                                   lambda g, z, x, W, b, **how: g)
conv_transpose2d_affine = op(_transposed, lambda g, z, y, W, b, size, **how: conv2d(g, W, **how),
                                   lambda g, z, y, W, b, size, **how: conv2d_kernel(g, y, size=W.shape[:2], **how),
                                   lambda g, z, y, W, b, size, **how: g)

# ---- cells of size x size pixels
max_pool2d       = op(_max_pool2d, lambda g, z, x, size: _to_winners(g, z, x, size))
avg_pool2d       = op(_avg_pool2d, lambda g, z, x, size: _spread(g * (1 / size ** 2), x, size))
upsample2d       = op(_upsample2d, lambda g, z, x, size: avg_pool2d(g, size=size) * size ** 2)
# fmt: on

ROWS = {name: row for name, row in globals().items() if hasattr(row, "vjps")}      # every row, by name
for _name, _row in ROWS.items():
    _row.__name__ = _row.__qualname__ = _name

"""conv_blocks: convolution in blocks, the fast twin of conv's plain forms; skip at first reading.

conv.py has checked the arguments. Each function works on a block of a few images at a time, so that the arrays it makes
for them stay in a core's cache:

    conv2d              patches, one row of a b c numbers for each place, times the kernel as a matrix
    conv2d_kernel       the same patches, transposed, times y, added up over the blocks
    conv_transpose2d    a product for each tap, moved to its pixels and added; on a GPU, a conv2d with more channels

Patches hold a b / stride^2 times as many numbers as the images. So all blocks share one array, and a gradient makes the
patches again instead of keeping them. docs/performance.md compares these ways with others.
"""
from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np

from .backend import Array, device_of, windows

BLOCK = {"cpu": 128 << 10, "cuda": 256 << 20}   # bytes of patches, or of y in cells, for the images of a block
NARROW = 8      # an image with fewer channels is narrow: NumPy is slow where its innermost loop is so short


def conv2d(x: Array, W: Array, bias: Array | None, places: tuple, stride: int, corner: tuple[int, int]) -> Array:
    """x (n, h, w, c), W (a, b, c, k), bias (k,) or None -> z (n, u, v, k) = places.

    corner: how many rows of zeros stand above the image, and how many columns to its left.
    """
    if bias is not None and device_of(x) == "cuda":
        return conv2d(x, W, None, places, stride, corner) + bias            # two launches fewer than with ones
    matrix = W.reshape(-1, W.shape[3])                                      # (a b c, k)
    if bias is not None:
        matrix = np.concatenate([matrix, bias[None]])                       # (a b c + 1, k): last, for the ones
    z = np.empty(places, x.dtype, like=x)
    for block, patches in _patches(x, W.shape[:2], places, stride, corner, ones=bias is not None):
        np.matmul(patches, matrix, out=z[block].reshape(-1, W.shape[3]))
    return z


def conv2d_kernel(x: Array, y: Array, size: tuple[int, int], stride: int, corner: tuple[int, int]) -> Array:
    """x (n, h, w, c), y (n, u, v, k), size (a, b) -> W (a, b, c, k)."""
    shape, matrix = (*size, x.shape[3], y.shape[3]), None
    for block, patches in _patches(x, size, y.shape, stride, corner):
        term = patches.T @ y[block].reshape(-1, shape[3])                   # (a b c, k)
        matrix = term if matrix is None else np.add(matrix, term, out=matrix)
    return np.zeros(shape, x.dtype, like=x) if matrix is None else matrix.reshape(shape)


def conv_transpose2d(y: Array, W: Array, bias: Array | None, size: tuple[int, int], stride: int,
                     padding: int) -> Array:
    """y (n, u, v, k), W (a, b, c, k), bias (c,) or None, size (h, w) -> x (n, h, w, c).

    The padded image is cut into cells:

    cell     stride x stride pixels; there are (U, V) of them, and place (u, v) belongs to cell (u, v)
    tap      one matrix W[i, j].T (k, c); it takes place (u, v) to one pixel of cell (u + i // stride, v + j // stride)
    residue  (i % stride, j % stride), which of the cell's pixels that is; all taps of a residue add up there
    """
    cells = tuple(-(-(pixels + 2 * padding) // stride) for pixels in size)
    transpose = _tap_by_tap if device_of(y) == "cpu" else _cell_by_cell
    return transpose(y, W, bias, size, cells, stride, padding)


def images_at_once(x: Array, numbers: int) -> int:
    """How many images a block has, if each takes so many numbers: a BLOCK at most, all blocks about equal."""
    n, most = max(1, len(x)), max(1, BLOCK[device_of(x)] // max(1, numbers * x.itemsize))
    return -(-n // -(-n // most))


def _patches(x: Array, size: tuple[int, int], places: tuple, stride: int, corner: tuple[int, int],
             ones: bool = False) -> Iterator[tuple[slice, Array]]:
    """Block by block, a slice of images and their patches, (m u v, a b c); with ones, a 1 ends each row.

    The next block overwrites the patches of this one. Those of narrow images have the places side by side in memory
    (order F), other patches have their own numbers side by side (order C).
    """
    (n, h, w, c), (_, u, v, _), (a, b), (top, left) = x.shape, places, size, corner
    step, length = images_at_once(x, u * v * a * b * c), a * b * c
    padded = np.zeros((step, stride * (u - 1) + a, stride * (v - 1) + b, c), x.dtype, like=x)
    image = padded[:, top:top + h, left:left + w]                           # what lies inside the last patch
    view = windows(padded, size, stride)                                    # (step, u, v, a, b, c)
    narrow = c < NARROW and device_of(x) == "cpu"
    rows = np.empty((step * u * v, length + ones), x.dtype, "F" if narrow else "C", like=x)
    if ones:
        rows[:, length] = 1
    patches = rows[:, :length].reshape(view.shape)                          # a view
    for start in range(0, n, step):
        block = slice(start, start + step)
        m = len(x[block])
        image[:m] = x[block, :image.shape[1], :image.shape[2]]
        patches[...] = view
        yield block, rows[:m * u * v]


def _tap_by_tap(y: Array, W: Array, bias: Array | None, size: tuple[int, int], cells: tuple[int, ...], stride: int,
                padding: int) -> Array:
    """One product of all cells with all taps; then the terms of each residue are moved by whole cells and added.

    The cells of a block lie in memory one behind the other, with zeros where there is no place. So to move a term down
    by i cells and right by j is to shift all of it by i V + j, and NumPy adds whole arrays.
    """
    (n, u, v, k), (a, b, c, _), (U, V), narrow = y.shape, W.shape, cells, W.shape[2] < NARROW
    A, B, one = max(a, stride), max(b, stride), int(bias is not None)       # every residue has a tap, if only of zeros
    taps = np.zeros((A, B, k + one, c), y.dtype)
    taps[:a, :b, :k] = W.swapaxes(2, 3)
    step = images_at_once(y, U * V * k)
    filled = np.zeros((step, U, V, k + one), y.dtype)                       # y in cells
    if bias is not None:
        filled[..., k], taps[:stride, :stride, k] = 1, bias                 # in the first tap of each residue
    rows = filled.reshape(-1, k + one)                                      # (step U V, k + one), a view
    if narrow:                                                              # cells side by side in memory
        products = np.empty((A * B * c, len(rows)), y.dtype)
        factors = taps.swapaxes(2, 3).reshape(-1, k + one), rows.T
        terms = products.reshape(A, B, c, -1).swapaxes(2, 3)
    else:                                                                   # a pixel's channels side by side
        products = terms = np.empty((A, B, len(rows), c), y.dtype)
        factors = rows, taps
    x = np.empty((n, *size, c), y.dtype)
    for start in range(0, n, step):
        images = x[start:start + step]
        filled[:len(images), :u, :v, :k] = y[start:start + step]
        np.matmul(*factors, out=products)                                   # terms: (A, B, step U V, c)
        for i in range(stride, A):
            terms[i % stride, :, i // stride * V:] += terms[i, :, :-(i // stride * V)]
        for j in range(stride, B):
            terms[:stride, j % stride, j // stride:] += terms[:stride, j, :-(j // stride)]
        for i, j in product(range(stride), repeat=2):
            cell_rows, rows_of_x = _of_residue(i, size[0], stride, padding)
            cell_columns, columns_of_x = _of_residue(j, size[1], stride, padding)
            pixels = terms[i, j].reshape(step, U, V, c)[:len(images), cell_rows, cell_columns]
            for e in range(c) if narrow else [slice(None)]:                 # NumPy copies few channels slowly
                images[:, rows_of_x, columns_of_x, e] = pixels[..., e]
    return x


def _of_residue(r: int, pixels: int, stride: int, padding: int) -> tuple[slice, slice]:
    """Along one axis: the cells whose r-th pixel lies inside the image, and those pixels."""
    start = (r - padding) % stride
    first = (start + padding) // stride
    return slice(first, first + len(range(start, pixels, stride))), slice(start, pixels, stride)


def _cell_by_cell(y: Array, W: Array, bias: Array | None, size: tuple[int, int], cells: tuple[int, ...], stride: int,
                  padding: int) -> Array:
    """A convolution of stride 1 whose channels are all pixels of a cell: sub-pixel convolution (Shi et al. 2016).

    A cell depends on A x B places: its own, and those above and to the left of it whose taps reach it. This multiplies
    by some zeros that _tap_by_tap leaves out. But it starts 8 GPU kernels, 9 with a bias, however many taps and
    residues there are, and on a GPU starting them is what takes time.
    """
    (n, _, _, k), (a, b, c, _), (U, V), s, (h, w) = y.shape, W.shape, cells, stride, size
    A, B = -(-a // s), -(-b // s)
    taps = np.zeros((A * s, B * s, c, k), W.dtype, like=W)
    taps[:a, :b] = W
    taps = taps.reshape(A, s, B, s, c, k)[::-1, :, ::-1]                    # a cell's own place is its patch's last
    kernel = taps.transpose(0, 2, 5, 1, 3, 4).reshape(A, B, k, s * s * c)
    z = conv2d(y, kernel, None, (n, U, V, s * s * c), 1, (A - 1, B - 1))
    padded = z.reshape(n, U, V, s, s, c).swapaxes(2, 3).reshape(n, U * s, V * s, c)
    x = padded[:, padding:padding + h, padding:padding + w]
    return x if bias is None else x + bias

"""conv_blocks: convolution in blocks, the fast twin of conv's plain forms; skip at first reading.

conv.py has checked the arguments. Each function works on a block of a few images at a time, so that the arrays it makes
for them stay in a core's cache:

    conv2d              patches, one row of a b c numbers for each place, times the kernel as a matrix
    conv2d_kernel       the same patches, transposed, times y, added up over the blocks
    conv_transpose2d    y times the kernel: a term for each tap, moved to its pixel and added there

Patches hold a b / stride^2 times as many numbers as the images. So all blocks share one array, and a gradient makes the
patches again instead of keeping them. docs/performance.md compares these ways with others.

On a GPU, where blocks are large and starting a kernel takes longer than most of them compute, one kernel written by
hand makes all patches of a block (im2col: Chellapilla, Puri & Simard 2006), and one, its adjoint, adds up all terms.
"""
from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np

from .backend import Array, by_hand, device_of
from .errors import BadValue

BLOCK = {"cpu": 128 << 10, "cuda": 256 << 20}   # bytes of patches, of terms, or of y in cells, for a block's images
NARROW = 8      # an image with fewer channels is narrow: NumPy is slow where its innermost loop is so short


def conv2d(x: Array, W: Array, bias: Array | None, places: tuple, stride: int, padding: int) -> Array:
    """x (n, h, w, c), W (a, b, c, k), bias (k,) or None -> z (n, u, v, k) = places."""
    if device_of(x) == "cuda":
        return _conv2d_on_gpu(x, W, bias, places, stride, padding)
    matrix = W.reshape(-1, W.shape[3])                                      # (a b c, k)
    if bias is not None:
        matrix = np.concatenate([matrix, bias[None]])                       # (a b c + 1, k): last, for the ones
    z = np.empty(places, x.dtype)
    for block, patches in _patches(x, W.shape[:2], places, stride, padding, ones=bias is not None):
        np.matmul(patches, matrix, out=z[block].reshape(-1, W.shape[3]))
    return z


def conv2d_kernel(x: Array, y: Array, size: tuple[int, int], stride: int, padding: int) -> Array:
    """x (n, h, w, c), y (n, u, v, k), size (a, b) -> W (a, b, c, k)."""
    shape, matrix = (*size, x.shape[3], y.shape[3]), None
    for block, patches in _patches(x, size, y.shape, stride, padding):
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

    The cells of a block lie in memory one behind the other, with zeros where there is no place. One product multiplies
    all cells with all taps. To move a term down by i cells and right by j is then to shift all of it by i V + j, and
    NumPy adds whole arrays.
    """
    if device_of(y) == "cuda":
        return _conv_transpose2d_on_gpu(y, W, bias, size, stride, padding)
    (n, u, v, k), (a, b, c, _), narrow = y.shape, W.shape, W.shape[2] < NARROW
    U, V = (-(-(pixels + 2 * padding) // stride) for pixels in size)
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


def images_at_once(x: Array, numbers: int) -> int:
    """How many images a block has, if each takes so many numbers: a BLOCK at most, all blocks about equal."""
    if device_of(x) == "cuda" and numbers >= 1 << 32:
        raise BadValue("an image is too large for a GPU: 32 bits count its patches' numbers", expected=f"< {1 << 32:,}",
                       got=f"{numbers:,}", fix="crops of the image, a larger stride or fewer channels")
    n, most = max(1, len(x)), max(1, BLOCK[device_of(x)] // max(1, numbers * x.itemsize))
    return -(-n // -(-n // most))


def _patches(x: Array, size: tuple[int, int], places: tuple, stride: int, padding: int,
             ones: bool = False) -> Iterator[tuple[slice, Array]]:
    """Block by block, a slice of images and their patches, (m u v, a b c); with ones, a 1 ends each row.

    The next block overwrites the patches of this one. Those of narrow images have the places side by side in memory
    (order F), other patches have their own numbers side by side (order C).
    """
    if device_of(x) == "cuda":
        yield from _patches_on_gpu(x, size, places, stride, padding)
        return
    (n, h, w, c), (_, u, v, _), (a, b) = x.shape, places, size
    step, length = images_at_once(x, u * v * a * b * c), a * b * c
    padded = np.zeros((step, stride * (u - 1) + a, stride * (v - 1) + b, c), x.dtype)
    image = padded[:, padding:padding + h, padding:padding + w]             # what lies inside the last patch
    windows = np.lib.stride_tricks.sliding_window_view(padded, size, (1, 2))[:, ::stride, ::stride]
    windows = windows.transpose(0, 1, 2, 4, 5, 3)                           # (step, u, v, a, b, c)
    rows = np.empty((step * u * v, length + ones), x.dtype, "F" if c < NARROW else "C")
    rows[:, length:] = 1
    patches = rows[:, :length].reshape(windows.shape)                          # a view
    for start in range(0, n, step):
        block = slice(start, start + step)
        m = len(x[block])
        image[:m] = x[block, :image.shape[1], :image.shape[2]]
        patches[...] = windows
        yield block, rows[:m * u * v]


def _of_residue(r: int, pixels: int, stride: int, padding: int) -> tuple[slice, slice]:
    """Along one axis: the cells whose r-th pixel lies inside the image, and those pixels."""
    start = (r - padding) % stride
    first = (start + padding) // stride
    return slice(first, first + len(range(start, pixels, stride))), slice(start, pixels, stride)


# ---- on a GPU

def _conv2d_on_gpu(x: Array, W: Array, bias: Array | None, places: tuple, stride: int, padding: int) -> Array:
    matrix = W.reshape(-1, places[3])                                               # (a b c, k)
    blocks = [patches @ matrix for _, patches in _patches_on_gpu(x, W.shape[:2], places, stride, padding)]
    z = blocks[0] if len(blocks) == 1 else np.concatenate([np.empty((0, places[3]), x.dtype, like=x), *blocks])
    return z.reshape(places) if bias is None else np.add(z, bias, out=z).reshape(places)


def _patches_on_gpu(x: Array, size: tuple[int, int], places: tuple, stride: int,
                    padding: int) -> Iterator[tuple[slice, Array]]:
    """As _patches, without ones."""
    (n, h, w, c), (_, u, v, _), (a, b) = x.shape, places, size
    step = images_at_once(x, u * v * a * b * c)
    for start in range(0, n, step):
        images = x[start:start + step]
        patches = np.empty((len(images) * u * v, a * b * c), x.dtype, like=x)
        _patches_of(images, h, w, c, u, v, a, b, stride, padding, patches)
        yield slice(start, start + step), patches


def _conv_transpose2d_on_gpu(y: Array, W: Array, bias: Array | None, size: tuple[int, int], stride: int,
                             padding: int) -> Array:
    """One product of all places with all taps; each pixel adds up the terms that fall on it, and the bias."""
    (n, u, v, k), (a, b, c, _), (h, w) = y.shape, W.shape, size
    step = images_at_once(y, max(u * v * a * b, h * w) * c)
    taps = W.reshape(-1, k).T                                                       # (k, a b c)
    x, first = np.empty((n, h, w, c), y.dtype, like=y), y.dtype.type(0) if bias is None else bias
    for start in range(0, n, step):
        terms = y[start:start + step].reshape(-1, k) @ taps                         # (m u v, a b c)
        _sums_of_terms(first, terms, h, w, c, u, v, a, b, stride, padding, x[start:start + step])
    return x


SIZES = "uint32 h, uint32 w, uint32 c, uint32 u, uint32 v, uint32 a, uint32 b, uint32 stride, uint32 padding"

# What would be negative, as a row above the image, is huge as an unsigned integer.
_patches_of = by_hand("patches", f"raw T x, {SIZES}", "T patches", """
    unsigned k = i, e = k % c, s = (k /= c) % b, r = (k /= b) % a, q = (k /= a) % v, p = (k /= v) % u, image = k / u;
    unsigned row = p * stride + r - padding, column = q * stride + s - padding;
    ptrdiff_t pixel[] = {image, row, column, e};
    patches = row < h && column < w ? x[pixel] : T(0);
""")
_sums_of_terms = by_hand("sums_of_terms", f"T first, raw T terms, {SIZES}", "T x", """
    unsigned k = i, e = k % c, column = (k /= c) % w + padding, row = (k /= w) % h + padding, image = k / h;
    T sum = first;
    for (unsigned r = row % stride; r < a; r += stride)
        for (unsigned s = column % stride; s < b; s += stride) {
            size_t p = (row - r) / stride, q = (column - s) / stride;           // tap (r, s) of place (p, q) falls here
            if (p < u && q < v) sum = sum + terms[((((image * u + p) * v + q) * a + r) * b + s) * c + e];
        }
    x = sum;
""")

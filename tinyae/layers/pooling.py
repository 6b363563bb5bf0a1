"""layers · pooling: layers without weights that make images (n, h, w, c) smaller or larger."""
from __future__ import annotations

from ..backend import Rng, Value
from ..conv import max_pool2d, upsample2d
from ..tensor import Tensor
from .convolution import BOTH_AXES
from .dense import check_width


class MaxPool2D:
    """x (n, h, w, c) -> the maximum of each cell of size x size pixels, (n, h // size, w // size, c)."""

    def __init__(self, size: int = 2):
        check_width("size", size, BOTH_AXES)
        self.cell = size

    def size(self, h: int, w: int) -> tuple[int, int]:
        """(h, w) of the images -> (h // size, w // size) of the result."""
        return h // self.cell, w // self.cell

    def __call__(self, x: Value, rng: Rng = None) -> Tensor:
        return max_pool2d(x, size=self.cell)


class Upsample:
    """x (n, h, w, c) -> each pixel repeated in a cell of size x size pixels, (n, h * size, w * size, c)."""

    def __init__(self, size: int = 2):
        check_width("size", size, BOTH_AXES)
        self.cell = size

    def size(self, h: int, w: int) -> tuple[int, int]:
        """(h, w) of the images -> (h * size, w * size) of the result."""
        return h * self.cell, w * self.cell

    def __call__(self, x: Value, rng: Rng = None) -> Tensor:
        return upsample2d(x, size=self.cell)

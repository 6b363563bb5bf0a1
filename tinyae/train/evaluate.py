"""train · evaluate: applies a function of images to a whole data set, batch by batch."""
from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .. import functions
from ..backend import Array, to_host
from ..data import batch
from ..tensor import data_of
from .loader import Images

ROWS, PIXELS = 1000, 1_000_000      # at most, in a batch: activations take many times the memory of the pixels


def first(images: Images, device: str, n: int) -> Array:
    """The first n images, or all if there are fewer -> (n, pixels) float32 in [0, 1]."""
    return batch(images, np.arange(min(n, len(images))), device)


def batches(images: Images, device: str = "cpu") -> Iterator[Array]:
    """All images in order, in batches of k <= ROWS -> (k, pixels) float32 in [0, 1]."""
    rows = max(1, min(ROWS, PIXELS // math.prod(images.shape[1:])))
    for first in range(0, len(images), rows):
        yield batch(images, np.arange(first, min(first + rows, len(images))), device)


def over(f: Callable[[Array], Any], images: Images, device: str = "cpu") -> np.ndarray:
    """f(x) of every image, concatenated on the host: (n, ...). f takes a batch (k, pixels)."""
    return np.concatenate([to_host(data_of(f(x))) for x in batches(images, device)])


def squared_error(reconstruct: Callable[[Array], Any], images: Images, device: str = "cpu") -> float:
    """mean over images of |reconstruct(x) - x|^2, summed over pixels."""
    return float(over(lambda x: functions.squared_error(reconstruct(x), x), images, device).mean(dtype=np.float64))

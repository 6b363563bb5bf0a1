"""evaluate: a function of images, over a whole data set, batch by batch."""
from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .. import functions
from ..backend import Array, to_host
from ..data import batch
from ..tensor import data_of

ROWS, PIXELS = 1000, 1_000_000      # images at a time; of large ones fewer, as a net makes many numbers of a pixel


def first(images: Any, device: str, n: int) -> Array:
    """The first n images, or all if there are fewer, as a model takes them: (n, pixels) float32 in [0, 1]."""
    return batch(images, np.arange(min(n, len(images))), device)


def batches(images: Any, device: str = "cpu") -> Iterator[Array]:
    """All images in order, up to ROWS at a time, as a model takes them: (k, pixels) float32 in [0, 1]."""
    rows = max(1, min(ROWS, PIXELS // math.prod(images.shape[1:])))
    for first in range(0, len(images), rows):
        yield batch(images, np.arange(first, min(first + rows, len(images))), device)


def over(f: Callable[[Array], Any], images: Any, device: str = "cpu") -> np.ndarray:
    """f(x) for all images x, put together again on the host: (n, ...)."""
    return np.concatenate([to_host(data_of(f(x))) for x in batches(images, device)])


def squared_error(reconstruct: Callable[[Array], Any], images: Any, device: str = "cpu") -> float:
    """Mean over images of the squared error of reconstruct(x), summed over pixels."""
    return float(over(lambda x: functions.squared_error(reconstruct(x), x), images, device).mean(dtype=np.float64))

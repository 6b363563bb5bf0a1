"""train · loader: the images of a run, in batches.

Epoch e visits the training images in the order that default_rng([seed, SHUFFLE, e]) draws, so that a resumed run needs
no record of it.
"""
from __future__ import annotations

import math
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..backend import Array, device_of, freeze, to_device
from ..data import batch as rows_of
from ..data import to_device_if_it_fits
from ..errors import BadValue
from .schedule import check_whole

SHUFFLE, NOISE, EVALUATION, SPLIT = range(4)    # streams: stream s of epoch e is default_rng([seed, s, e])
SUMMED, CHUNK = 1 << 28, 1 << 24                # bytes: of the images that identify a data set; read at a time
Images = Any                                    # an array (n, h, w[, c]) or (n, pixels), in memory or mapped
Data = Any                                      # (train, test), or one of them: a data set or its images


class Loader:
    """data (train, test), or one data set of which the share `validation` becomes the test images -> batches.

    A batch is (k, pixels) in [0, 1] on the model's device and in its dtype, read-only.
    """

    def __init__(self, data: Data, validation: float | None, batch_size: int, seed: int, device: str, dtype: np.dtype):
        check_whole("batch_size", batch_size, 1)
        train, test = _pair(data) if validation is None else _split(data, validation, seed)
        if batch_size > len(train):
            fits = min(128, len(train))
            raise BadValue("batch_size must not exceed the number of training images", got=f"batch_size={batch_size}",
                           expected=f"at most {len(train)}", fix=f"batch_size={fits}; in a demo, --batch-size {fits}")
        self.batch_size, self.seed, self.device, self.dtype = batch_size, seed, device, dtype
        self.steps = math.ceil(len(train) / batch_size)                         # of an epoch
        self.facts = {"seed": seed, "batch_size": batch_size, "training images": _description(train),
                      "test images": _description(test), "all training images": checksum(train),
                      "all test images": checksum(test)}
        self.train, self.test = (to_device_if_it_fits(images, device) for images in (train, test))

    def __str__(self) -> str:
        return (f"{len(self.train):,} training and {len(self.test):,} test images, {self.steps} steps an epoch, "
                f"on {self.device}")

    def order(self, epoch: int) -> Array:
        """The training images' numbers in the order of this epoch, where the images are."""
        order = np.random.default_rng([self.seed, SHUFFLE, epoch]).permutation(len(self.train))
        return to_device(order, device_of(self.train))

    def batch(self, images: Images, index: Array) -> Array:
        return freeze(rows_of(images, index, self.device).astype(self.dtype, copy=False))

    def probe(self) -> Array:
        """The first test batch."""
        return self.batch(self.test, np.arange(min(self.batch_size, len(self.test))))

    def test_order(self) -> Iterator[Array]:
        """The test images' numbers, batch by batch."""
        for first in range(0, len(self.test), self.batch_size):
            yield np.arange(first, min(first + self.batch_size, len(self.test)))


def _pair(data: Data) -> list[Images]:
    """The arrays of training and of test images."""
    parts: list[Images] = [getattr(part, "images", part) for part in data] if isinstance(data, tuple | list) else []
    shapes = [np.shape(part) for part in parts]
    if len(parts) != 2 or 0 in shapes[0] + shapes[1] or shapes[0][1:] != shapes[1][1:] or len(shapes[0]) < 2:
        raise BadValue("data must be images to train on and images to test with",
                       expected="(train, test), each images of one shape",
                       got=f"shapes {shapes}" if parts else type(data).__name__,
                       fix='fit(model, data.load("digits"), ...), or fit(model, images, validation=0.1, ...)')
    return parts


def _split(data: Data, validation: float, seed: int) -> list[Images]:
    """A data set's images, in two: a drawn share to test with, the rest to train on. Both are copies."""
    images: Images = getattr(data, "images", data)
    if not hasattr(images, "shape") or len(images.shape) < 2 or 0 in images.shape:
        raise BadValue("validation splits one data set", expected="a data set or an array of images",
                       got=f"{type(data).__name__} and validation={validation!r}", fix="leave validation out")
    n = len(images)
    held = round(n * validation) if isinstance(validation, float | np.floating) and 0 < validation < 1 else 0
    if not 0 < held < n:
        raise BadValue("validation must be a share that leaves images to train on and to test with",
                       expected=f"a number between 0 and 1, for {n} images", got=f"validation={validation!r}",
                       fix=f"validation={1 / max(2, min(10, n)):.2g}")
    drawn = np.random.default_rng([seed, SPLIT]).permutation(n)
    return [np.asarray(images[np.sort(part)]) for part in (drawn[held:], drawn[:held])]


def checksum(images: Images) -> str:
    """The checksum of the pixels of all images; where they are larger than SUMMED, of images spread over all."""
    some = images[::max(1, images.nbytes // SUMMED)]
    found, rows = 0, max(1, CHUNK // max(1, some[:1].nbytes))
    for start in range(0, len(some), rows):
        found = zlib.crc32(np.ascontiguousarray(some[start:start + rows]).tobytes(), found)
    return f"crc32 {found:08x}"


def _description(images: Images) -> str:
    """Shape, dtype and the checksum of 16 images: what checkpoints of every version know of their data."""
    some = np.ascontiguousarray(images[::max(1, len(images) // 16)][:16])
    return f"{images.shape} {images.dtype} crc32 {zlib.crc32(some.tobytes()):08x}"

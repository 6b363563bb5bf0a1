"""data · dataset: images with labels, and the batches that a model takes."""
from __future__ import annotations

import hashlib
import math
from typing import NamedTuple

import numpy as np

from ..backend import Array, device_of, free_memory, freeze, gpu, to_device
from ..errors import BadValue
from .checks import check_floats

READ_BYTES = 8 << 20      # read from a file at a time, to compute a sum
UPLOAD_BYTES = 64 << 20   # sent to the GPU at a time: CuPy copies each part to page-locked memory first


class Dataset(NamedTuple):
    """images uint8, or float in [0, 1], (n, h, w) or (n, h, w, c); labels integers (n,), or None.

    factors (n, k): the numbers from which each image was drawn, if they are known.
    classes: the names of the classes, if they have any; classes[i] is that of label i.
    """

    images: np.ndarray
    labels: np.ndarray | None
    factors: np.ndarray | None = None
    classes: tuple[str, ...] = ()


def fingerprint(*sets: Dataset) -> str:
    """SHA-256, in hexadecimal, over the dtypes, shapes and bytes of all images and labels. It reads all of them."""
    digest = hashlib.sha256()
    for array in [array for part in sets for array in (part.images, part.labels) if array is not None]:
        digest.update(str((array.dtype.str, array.shape)).encode())
        step = max(1, READ_BYTES // max(1, array[:1].nbytes))
        for start in range(0, len(array), step):            # a mapped file may be larger than memory
            digest.update(np.ascontiguousarray(array[start:start + step]).tobytes())
    return digest.hexdigest()


def every_tenth(data: Dataset) -> tuple[Dataset, Dataset]:
    """(train, test): every tenth image is for the test, or the last of fewer than ten. In a set that is sorted by
    class, the last tenth would be one class.
    """
    n = len(data.images)
    return parted(data, np.arange(n) % 10 == min(9, n - 1))


def parted(data: Dataset, test: np.ndarray) -> tuple[Dataset, Dataset]:
    """(train, test), where test (n,) of bool says which images are for the test."""
    if test.all():
        raise BadValue("there are no images to train on", expected="at least one", got="images for the test only",
                       fix="check the part for training")
    labels = data.labels
    train, tests = (data._replace(images=data.images[part], labels=None if labels is None else labels[part])
                    for part in (~test, test))
    return train, tests


def with_classes(train: Dataset, test: Dataset) -> tuple[Dataset, Dataset]:
    """Both sets with their images as rows (n, h * w * c + k), for a model of images and classes: a row holds the
    pixels, then the one-hot class, in which the 1 has the value of a white pixel. So the labels come with every batch.

    k is the largest label + 1. BadValue: there are no labels.
    """
    if train.labels is None or test.labels is None:
        raise BadValue("these images have no classes", expected="images with labels", got="images without",
                       fix="data.from_arrays(images, labels), or a folder with a subfolder for each class")
    k = int(max(train.labels.max(), test.labels.max())) + 1

    def rows(part: Dataset) -> np.ndarray:
        told = np.zeros((len(part.images), k), part.images.dtype)
        told[np.arange(len(told)), part.labels] = 255 if told.dtype == np.uint8 else 1
        return np.concatenate([part.images.reshape(len(told), -1), told], axis=1)
    return train._replace(images=rows(train)), test._replace(images=rows(test))


def batch(images: Array, index: Array, device: str = "cpu") -> Array:
    """images (n, h, w[, c]), index (k,) integers -> float32 (k, h * w * c) in [0, 1] on the device, read-only.

    uint8 is divided by 255, floats are cast. BadValue: a float outside [0, 1], NaN included; it names the image. Only
    the images of the batch are read from a mapped file. uint8 goes to the GPU as uint8 and is converted there.
    """
    x = images[to_device(index, device_of(images))].reshape(len(index), math.prod(images.shape[1:]))
    if device_of(images) == "cpu":
        x = np.asarray(x)           # a plain array, also from a mapped file
        if x.dtype != np.uint8:
            check_floats(x, index)
    x = to_device(x, device)
    grey = np.multiply(x, np.float32(1 / 255), dtype=np.float32) if x.dtype == np.uint8 else x.astype(np.float32)
    return freeze(grey)


def to_device_if_it_fits(images: np.ndarray, device: str) -> Array:
    """Move images (n, h, w[, c]) to the GPU if they fit into half of its free memory; else return them unchanged.

    A batch of images on the GPU needs no upload and no wait. Floats are checked here, while they are on the host.
    """
    if device == "cpu" or images.nbytes > free_memory() // 2:
        return images
    kept = gpu().empty(images.shape, images.dtype)
    step = max(1, UPLOAD_BYTES // max(1, images[0].nbytes))
    for start in range(0, len(images), step):
        part = np.asarray(images[start:start + step])
        if part.dtype != np.uint8:
            check_floats(part.reshape(len(part), -1), np.arange(start, start + len(part)))
        kept[start:start + step] = to_device(part, device)
    return kept

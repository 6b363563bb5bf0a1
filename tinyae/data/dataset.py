"""data · dataset: images with labels, the checks they must pass, and the batches that a model takes."""
from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from ..backend import Array, device_of, free_memory, freeze, gpu, to_device
from ..errors import BadType, BadValue

MAX_BYTES = 4 << 30       # the most that a reader loads into memory; use a .npy, which is mapped, for more
CHECK_BYTES = 64 << 20    # float images up to this size are checked when loaded, larger sets batch by batch
UPLOAD_BYTES = 64 << 20   # sent to the GPU at a time: CuPy copies each part to page-locked memory first


class Dataset(NamedTuple):
    """images uint8, or float in [0, 1], (n, h, w) or (n, h, w, c); labels integers (n,), or None.

    factors (n, k): the numbers from which each image was drawn, if they are known.
    """

    images: np.ndarray
    labels: np.ndarray | None
    factors: np.ndarray | None = None


def batch(images: Array, index: Array, device: str = "cpu") -> Array:
    """images (n, h, w[, c]), index (k,) integers -> float32 (k, h * w * c) in [0, 1] on the device, read-only.

    uint8 is divided by 255, floats are cast. BadValue: a float outside [0, 1], NaN included; it names the image. Only
    the images of the batch are read from a mapped file. uint8 goes to the GPU as uint8 and is converted there.
    """
    x = images[to_device(index, device_of(images))].reshape(len(index), math.prod(images.shape[1:]))
    if device_of(images) == "cpu":
        x = np.asarray(x)           # a plain array, also from a mapped file
        if x.dtype != np.uint8:
            _check_floats(x, index)
    x = to_device(x, device)
    grey = np.multiply(x, np.float32(1 / 255), dtype=np.float32) if x.dtype == np.uint8 else x.astype(np.float32)
    return freeze(grey)


def to_device_if_it_fits(images: np.ndarray, device: str) -> Array:
    """Move the images to the GPU if they fit into half of its free memory; else return them unchanged.

    A batch of images on the GPU needs no upload and no wait. Floats are checked here, while they are on the host.
    """
    if device == "cpu" or images.nbytes > free_memory() // 2:
        return images
    kept = gpu().empty(images.shape, images.dtype)
    step = max(1, UPLOAD_BYTES // max(1, images[0].nbytes))
    for start in range(0, len(images), step):
        part = np.asarray(images[start:start + step])
        if part.dtype != np.uint8:
            _check_floats(part.reshape(len(part), -1), np.arange(start, start + len(part)))
        kept[start:start + step] = to_device(part, device)
    return kept


def _check_floats(x: np.ndarray, index: np.ndarray) -> None:
    """BadValue if x (k, pixels), the images with these indices, is not all in [0, 1]."""
    if x.dtype.kind != "f":
        raise BadType("images must be uint8 or float", expected="uint8, or floats in [0, 1]", got=x.dtype,
                      fix="scale to 0..255, then images.astype(np.uint8)")
    fine = (x >= 0) & (x <= 1)    # false for NaN too
    if not fine.all():
        row, pixel = np.argwhere(~fine)[0]
        raise BadValue(f"image {index[row]} has a pixel outside [0, 1]", expected="floats in [0, 1]",
                       got=f"{x[row, pixel]} at pixel {pixel}", fix="scale the images to [0, 1], or save them as uint8")


def check_images(images: np.ndarray, where: str) -> np.ndarray:
    """Return images if they are (n, h, w[, c]), n >= 2, uint8 or float in [0, 1]; else refuse them, naming `where`.

    The range of floats is checked here up to 64 MB. `batch` checks larger sets, so that no huge file is read twice.
    """
    if images.dtype != np.uint8 and images.dtype.kind != "f":
        raise BadType(f"{where} does not hold images", expected="uint8, or floats in [0, 1]", got=images.dtype,
                      fix="scale to 0..255, then save images.astype(np.uint8)")
    if images.ndim not in (3, 4) or 0 in images.shape or (images.ndim == 4 and images.shape[3] not in (1, 3)):
        raise BadValue(f"{where} does not hold images", expected="shape (n, h, w), (n, h, w, 1) or (n, h, w, 3)",
                       got=images.shape, fix="images.reshape(n, h, w), or np.moveaxis(images, 1, -1) from (n, c, h, w)")
    if len(images) < 2:
        raise BadValue(f"{where} holds a single image", expected="at least 2: one to train on and one to test on",
                       got=images.shape, fix="add images")
    if images.dtype.kind == "f" and images.nbytes <= CHECK_BYTES:
        _check_floats(images.reshape(len(images), -1), np.arange(len(images)))
    return images


def check_labels(labels: np.ndarray, n: int, where: str) -> np.ndarray:
    """Return labels if they are n integers >= 0; else refuse them, naming `where`."""
    if labels.dtype.kind not in "iu":
        raise BadType(f"{where} must be integers", expected="integer labels, one per image", got=labels.dtype,
                      fix="np.unique(labels, return_inverse=True)[1]")
    if labels.shape != (n,):
        raise BadValue(f"{where} must match the images", expected=f"shape ({n},), one per image", got=labels.shape,
                       fix="labels.argmax(1) if they are one-hot; else save the labels of these same images")
    if labels.min() < 0:
        raise BadValue(f"{where} name classes below 0", expected="integers >= 0", got=labels.min(),
                       fix="np.unique(labels, return_inverse=True)[1]")
    return labels

"""data · checks: what images and labels must be, and what to do with those that are not."""
from __future__ import annotations

import math

import numpy as np

from ..errors import BadType, BadValue

MAX_BYTES = 4 << 30       # the most that a reader loads into memory; use a .npy, which is mapped, for more
MAX_FETCHED = 64 << 20    # bytes of a published file; all are much smaller
CHECK_BYTES = 64 << 20    # float images up to this size are checked when loaded, larger sets batch by batch
MAX_CLASSES = 10_000      # a classifier has a column of weights for each


def check_images(images: np.ndarray, where: str) -> np.ndarray:
    """Return images if they are (n, h, w[, c]), n >= 2, uint8 or float in [0, 1]; else refuse them, naming `where`.

    The range of floats is checked here up to 64 MB. `batch` checks larger sets, so that no huge file is read twice.
    """
    if images.dtype != np.uint8 and images.dtype.kind != "f":
        scaled = "255 * images.astype(np.uint8)" if images.dtype == bool else "images.astype(np.uint8)"
        raise BadType(f"{where} does not hold images", expected="uint8, or floats in [0, 1]", got=images.dtype,
                      fix=f"scale to 0..255, then save {scaled}")
    if images.ndim not in (3, 4) or 0 in images.shape or (images.ndim == 4 and images.shape[3] not in (1, 3)):
        raise BadValue(f"{where} does not hold images", expected="shape (n, h, w), (n, h, w, 1) or (n, h, w, 3)",
                       got=images.shape, fix=_reshaped(images.shape))
    if len(images) < 2:
        raise BadValue(f"{where} holds a single image", expected="at least 2: one to train on and one to test on",
                       got=images.shape, fix="add images")
    if images.dtype.kind == "f" and images.nbytes <= CHECK_BYTES:
        check_floats(images.reshape(len(images), -1), np.arange(len(images)))
    return images


def _reshaped(shape: tuple[int, ...]) -> str:
    """Code that turns images of this shape into images."""
    if len(shape) == 4 and shape[3] == 4:
        return "images[..., :3], which leaves the transparency out"
    if len(shape) == 4 and shape[1] in (1, 3):
        return "np.moveaxis(images, 1, -1), since the channels come first"
    if len(shape) == 2 and shape[1] and math.isqrt(shape[1]) ** 2 == shape[1]:
        return f"images.reshape(-1, {math.isqrt(shape[1])}, {math.isqrt(shape[1])})"
    return "images.reshape(n, h, w), or np.moveaxis(images, 1, -1) from (n, c, h, w)"


def check_floats(x: np.ndarray, index: np.ndarray) -> None:
    """BadValue if x (k, pixels), the images with these indices, is not all in [0, 1]."""
    if x.dtype.kind != "f":
        raise BadType("images must be uint8 or float", expected="uint8, or floats in [0, 1]", got=x.dtype,
                      fix="scale to 0..255, then images.astype(np.uint8)")
    fine = (x >= 0) & (x <= 1)    # false for NaN too
    if not fine.all():
        row, pixel = np.argwhere(~fine)[0]
        fix = "scale the images to [0, 1], or save them as uint8"
        if np.isfinite(x).all():
            low, high = float(x.min()), float(x.max())
            scaled = "images / 255" if low >= 0 and 1 < high <= 255 and high > 2 else (
                f"(images - {low:.4g}) / {high - low:.4g}" if high > low else "np.clip(images, 0, 1)")
            fix = f"scale the images to [0, 1]: {scaled}, for these from {low:.4g} to {high:.4g}; or save them as uint8"
        raise BadValue(f"image {index[row]} has a pixel outside [0, 1]", expected="floats in [0, 1]",
                       got=f"{x[row, pixel]} at pixel {pixel}", fix=fix)


def check_labels(labels: np.ndarray, n: int, where: str) -> np.ndarray:
    """Return labels (n,) if they are n integers, 0 to 9 999, shape (n,) or (n, 1); else refuse them, naming `where`."""
    if labels.dtype.kind not in "iu":
        raise BadType(f"{where} must be integers", expected="integer labels, one per image", got=labels.dtype,
                      fix="np.unique(labels, return_inverse=True)[1]")
    if labels.shape == (n, 1):      # as CIFAR-10 has them
        labels = labels[:, 0]
    if labels.shape != (n,):
        raise BadValue(f"{where} must match the images", expected=f"shape ({n},), one per image", got=labels.shape,
                       fix="labels.argmax(1), since they are one-hot" if _one_hot(labels, n) else
                           "labels.reshape(-1)" if labels.size == n else "save the labels of these same images")
    if labels.min() < 0:
        raise BadValue(f"{where} name classes below 0", expected="integers >= 0", got=labels.min(),
                       fix="np.unique(labels, return_inverse=True)[1]")
    if labels.max() >= MAX_CLASSES:
        few = len(np.unique(labels)) <= MAX_CLASSES
        raise BadValue(f"{where} name too many classes", expected=f"integers below {MAX_CLASSES:,}", got=labels.max(),
                       fix="np.unique(labels, return_inverse=True)[1] numbers them 0, 1, 2, ..." if few else
                           "leave the labels out; a number for each image is no class")
    return labels


def _one_hot(labels: np.ndarray, n: int) -> bool:
    return bool(labels.ndim == 2 and len(labels) == n and np.isin(labels, (0, 1)).all() and (labels.sum(1) == 1).all())

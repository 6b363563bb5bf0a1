"""data · given: images and labels that a program already holds as arrays, lists or a table."""
from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import BadType, BadValue
from . import report, rows
from .checks import check_images, check_labels
from .dataset import Dataset, every_tenth


def from_arrays(images: Any, labels: Any = None, test_images: Any = None,
                test_labels: Any = None) -> tuple[Dataset, Dataset]:
    """(train, test) from anything that NumPy turns into an array: a list of pictures, a tensor, a pandas frame.

    images: (n, h, w), (n, h, w, c) or, with a note, channels first (n, c, h, w); uint8, integers 0 to 255, bool, floats
    in [0, 1] or, with a note, in [0, 255]. (n, d) is a table, which `rows.as_images` turns into images.
    labels: integers (n,) or (n, 1), or words. Without test_images, every tenth image is for the test.
    BadType, BadValue: these are not images, or the labels do not fit.
    """
    parts = [_array(images, "images")] + ([_array(test_images, "test_images")] if test_images is not None else [])
    cut = len(parts[0])
    if len({part.shape[1:] for part in parts}) > 1:
        raise BadValue("test_images must fit the images", expected=f"shape (k, {str(parts[0].shape[1:])[1:]}",
                       got=parts[1].shape, fix="scale all images to the same size")
    pixels = _as_images(np.concatenate(parts) if len(parts) > 1 else parts[0])
    if labels is None and test_labels is None:
        data = Dataset(pixels, None)
    else:
        both = [part for part in (labels, test_labels) if part is not None]
        if len(both) != len(parts):
            raise BadValue("labels and test_labels come together", expected=f"{len(parts)} arrays of labels",
                           got=f"{len(both)}", fix="give test_labels beside test_images")
        data = _labelled(pixels, [np.asarray(part) for part in both], [cut, len(pixels) - cut])
    if test_images is None:
        return report.contrast(*every_tenth(data))
    train, test = (data._replace(images=data.images[part], labels=None if data.labels is None else data.labels[part])
                   for part in (slice(cut), slice(cut, None)))
    return report.contrast(train, test)


def _labelled(pixels: np.ndarray, labels: list[np.ndarray], sizes: list[int]) -> Dataset:
    """The images with their labels, after the labels of each part have been checked."""
    classes: tuple[str, ...] = ()
    if labels[0].dtype.kind in "OUS":
        words = np.concatenate([part.reshape(-1) for part in labels]).astype(str)
        names, numbers = np.unique(words, return_inverse=True)
        labels, classes = np.split(numbers.reshape(-1), [labels[0].size])[:len(labels)], tuple(map(str, names))
    checked = [check_labels(part, n, name) for part, n, name in zip(labels, sizes, ("labels", "test_labels"),
                                                                    strict=False)]
    return Dataset(pixels, np.concatenate(checked), classes=classes)


def _array(images: Any, name: str) -> np.ndarray:
    """np.asarray, with a refusal for what it does not take: pictures of several sizes, or objects."""
    try:
        array = np.asarray(images)
    except (ValueError, TypeError) as error:
        array, reason = np.empty(0, object), str(error)
    else:
        reason = f"{type(images).__name__} of {array.dtype} {array.shape}"
    if array.dtype.kind not in "uifb" or array.ndim < 2:
        shapes = sorted({np.shape(image) for image in images}) if isinstance(images, list | tuple) else []
        several = len(shapes) > 1
        raise BadType(f"{name} must be numbers of one shape", expected="an array, or a list of arrays of one shape",
                      got=f"arrays of {len(shapes)} shapes, {shapes[0]} to {shapes[-1]}" if several else reason,
                      fix="scale them to one size; a folder of pictures is scaled by data.load(folder, size=64)"
                          if several else "a name or a path is loaded by data.load(name)"
                          if isinstance(images, str) else "frame.select_dtypes('number') leaves words out")
    return array


def _as_images(images: np.ndarray) -> np.ndarray:
    """Images as check_images wants them; notes say what has been changed."""
    if images.ndim == 2:
        return rows.as_images(images, "the table")
    if images.ndim == 4 and images.shape[1] in (1, 3) and images.shape[3] not in (1, 3):
        report.note(f"the channels of the images {images.shape} come first; they are moved last")
        images = np.moveaxis(images, 1, -1)
    if images.dtype == bool:
        images = images * np.uint8(255)
    elif images.dtype.kind in "iu" and images.dtype != np.uint8 and images.size and images.min() >= 0 \
            and images.max() <= 255:
        images = images.astype(np.uint8)
    elif images.dtype.kind == "f" and images.size and images.min() >= 0 and 2 < images.max() <= 255:
        report.note(f"the images are floats up to {images.max():.4g}, so they are divided by 255")
        images = images.astype(np.float32) / np.float32(255)
    return check_images(images, "images")

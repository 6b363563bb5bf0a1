"""data · arrays: images from NumPy files. A .npy is mapped and may be larger than memory; a .npz is read whole."""
from __future__ import annotations

import math
import mmap
import zipfile
from pathlib import Path
from typing import IO, Literal

import numpy as np

from ..errors import BadFile
from .dataset import MAX_BYTES, Dataset, check_images, check_labels

NAMES = ("images", "labels", "test_images", "test_labels")
READ_HEADER = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


def load_npy(path: Path) -> tuple[Dataset, Dataset]:
    """(train, test) from a .npy of images, which is mapped and never read whole; no labels. `split` makes the test set.

    Pages that have been read stay in the system's file cache, which any program that needs memory may reclaim.
    """
    try:
        with open(path, "rb") as file:
            shape, order, dtype = _header(file, path.stat().st_size)
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            if len(mapped) > MAX_BYTES and hasattr(mmap, "MADV_RANDOM"):
                mapped.madvise(mmap.MADV_RANDOM)    # else each image also reads its neighbours, 128 kB
            images: np.ndarray = np.ndarray(shape, dtype, mapped, file.tell(), order=order)
    except Exception as error:    # NumPy's reader answers damaged bytes with many kinds of exceptions
        raise _damaged(path, error) from error
    return split(Dataset(check_images(images, str(path)), None))


def load_npz(path: Path, limit: int = MAX_BYTES) -> tuple[Dataset, Dataset]:
    """(train, test) from a .npz with `images` (or a single array of any name) and, optionally, `labels`, `test_images`
    and `test_labels`. Without `test_images`, `split` makes the test set. At most `limit` bytes are read.
    """
    try:
        held = _read(path, limit)
    except BadFile:
        raise
    except Exception as error:
        raise _damaged(path, error) from error
    if "images" not in held:
        raise BadFile(f"{path} has no images", expected="an array called images, or a single array",
                      got=", ".join(sorted(held)) or "neither", fix="np.savez(path, images=images, labels=labels)")
    train = _dataset(held, "", path)
    if "test_images" not in held:
        return split(train)
    test = _dataset(held, "test_", path)
    if train.images.shape[1:] != test.images.shape[1:]:
        raise BadFile(f"{path} holds images of two kinds", expected=f"test_images {train.images.shape[1:]}",
                      got=test.images.shape[1:], fix="scale all images to the same size")
    return train, test


def split(data: Dataset) -> tuple[Dataset, Dataset]:
    """(train, test): the test set is the last tenth by index, at least 1 image and at most 10 000."""
    images, labels = data.images, data.labels
    k = len(images) - min(max(len(images) // 10, 1), 10_000)
    if labels is None:
        return Dataset(images[:k], None), Dataset(images[k:], None)
    return Dataset(images[:k], labels[:k]), Dataset(images[k:], labels[k:])


def _dataset(held: dict[str, np.ndarray], prefix: str, path: Path) -> Dataset:
    images = check_images(held[f"{prefix}images"], f"{prefix}images of {path}")
    labels = held.get(f"{prefix}labels")
    return Dataset(images, None if labels is None
                   else check_labels(labels, len(images), f"{prefix}labels of {path}"))


def _read(path: Path, limit: int) -> dict[str, np.ndarray]:
    """The arrays called NAMES in the archive; a single array of any name counts as `images`."""
    held = {}
    with zipfile.ZipFile(path) as archive:
        entries = {entry.filename.removesuffix(".npy"): entry for entry in archive.infolist()}
        if len(entries) == 1:
            entries = dict(zip(["images"], entries.values(), strict=True))
        wanted = {name: entries[name] for name in NAMES if name in entries}
        if (size := sum(entry.file_size for entry in wanted.values())) > limit:
            raise BadFile(f"{path} promises more than is read into memory", expected=f"at most {limit:,} bytes",
                          got=f"{size:,} bytes", fix="save the images as .npy, which is mapped")
        for name, entry in wanted.items():
            with archive.open(entry) as stream:
                _header(stream, entry.file_size)    # refuse a header that would make read_array allocate more
                stream.seek(0)
                held[name] = np.lib.format.read_array(stream, allow_pickle=False)
    return held


def _header(stream: IO[bytes], size: int) -> tuple[tuple[int, ...], Literal["C", "F"], np.dtype]:
    """Shape, order and dtype of the array in a .npy of `size` bytes; leaves the stream at the data."""
    shape, fortran, dtype = READ_HEADER[np.lib.format.read_magic(stream)](stream)
    if dtype.hasobject:
        raise ValueError("it holds Python objects; those are never loaded, because loading them can run any code")
    if math.prod(shape) * dtype.itemsize != size - stream.tell():
        raise ValueError(f"its header says {dtype} {shape}, but {size - stream.tell():,} bytes follow")
    return shape, "F" if fortran else "C", dtype


def _damaged(path: Path, error: Exception) -> BadFile:
    return BadFile(f"cannot read {path}", expected="an array of numbers that np.save or np.savez wrote",
                   got=f"{type(error).__name__}: {error}",
                   fix="write it again: np.save(path, images) or np.savez(path, images=images)")

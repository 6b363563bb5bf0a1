"""data · arrays: images from NumPy's own files. A .npy is mapped, and may be larger than memory; a .npz is read."""
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
    """(train, test) from a .npy of images, mapped, never read whole; no labels. The test set: see `split`.

    What has been read stays in the system's cache of files, which gives way to any program that needs memory.
    """
    try:
        with open(path, "rb") as file:
            shape, order, dtype = _header(file, path.stat().st_size)
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            if len(mapped) > MAX_BYTES and hasattr(mmap, "MADV_RANDOM"):
                mapped.madvise(mmap.MADV_RANDOM)    # or each image asked for brings its neighbours, 128 kB, along
            images: np.ndarray = np.ndarray(shape, dtype, mapped, file.tell(), order=order)
    except Exception as error:    # whatever damaged bytes do to NumPy's reader
        raise _damaged(path, error) from error
    return split(Dataset(check_images(images, str(path)), None))


def load_npz(path: Path, limit: int = MAX_BYTES) -> tuple[Dataset, Dataset]:
    """(train, test) from a .npz with `images` (or one array alone) and, if it has them, `labels`,
    `test_images` and `test_labels`; without `test_images`, see `split`. At most `limit` bytes are read.
    """
    try:
        held = _read(path, limit)
    except BadFile:
        raise
    except Exception as error:
        raise _damaged(path, error) from error
    if "images" not in held:
        raise BadFile(f"{path} has no images", expected="an array called images, or one array alone",
                      got=", ".join(sorted(held)) or "neither", fix="np.savez(path, images=images, labels=labels)")
    train = _dataset(held, "", path)
    if "test_images" not in held:
        return split(train)
    test = _dataset(held, "test_", path)
    if train.images.shape[1:] != test.images.shape[1:]:
        raise BadFile(f"{path} holds images of two kinds", expected=f"test_images {train.images.shape[1:]}",
                      got=test.images.shape[1:], fix="bring them to one size")
    return train, test


def split(data: Dataset) -> tuple[Dataset, Dataset]:
    """The last tenth, by index, is the test set: at least 1 image, at most 10 000."""
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
    """The arrays of NAMES in the archive; an array that is alone in it counts as `images`."""
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
                _header(stream, entry.file_size)    # refuses what would make read_array allocate more than that
                stream.seek(0)
                held[name] = np.lib.format.read_array(stream, allow_pickle=False)
    return held


def _header(stream: IO[bytes], size: int) -> tuple[tuple[int, ...], Literal["C", "F"], np.dtype]:
    """Shape, order and dtype of the array in a .npy of `size` bytes; the stream then stands at its data."""
    shape, fortran, dtype = READ_HEADER[np.lib.format.read_magic(stream)](stream)
    if dtype.hasobject:
        raise ValueError("it holds Python objects; those are never loaded, as loading them can run any code")
    if math.prod(shape) * dtype.itemsize != size - stream.tell():
        raise ValueError(f"its header says {dtype} {shape}, but {size - stream.tell():,} bytes follow")
    return shape, "F" if fortran else "C", dtype


def _damaged(path: Path, error: Exception) -> BadFile:
    return BadFile(f"cannot read {path}", expected="numbers, as np.save and np.savez write them",
                   got=f"{type(error).__name__}: {error}",
                   fix="write it again: np.save(path, images) or np.savez(path, images=images)")

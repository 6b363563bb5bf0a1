"""data · arrays: images from NumPy's own files; a .npy is mapped and may be larger than memory, a .npz is read."""
from __future__ import annotations

import math
import zipfile
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np

from tinyae.data.dataset import MAX_BYTES, Dataset, check_images, check_labels
from tinyae.errors import BadFile

MOST_TEST = 10_000
_READ_HEADER = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


def load_npy(path: Path) -> tuple[Dataset, Dataset]:
    """Images from a .npy, mapped and never read whole; no labels. The last tenth, at most 10 000, is the test set."""
    try:
        with open(path, "rb") as file:
            shape, dtype, order = _header(file, path.stat().st_size)
            images = np.memmap(file, dtype, "r", file.tell(), shape, order)
    except BadFile:
        raise
    except Exception as error:    # whatever damaged bytes make of NumPy's reader
        raise _damaged(path, error) from error
    return _split(Dataset(check_images(images, str(path)), None))


def load_npz(path: Path, limit: int = MAX_BYTES) -> tuple[Dataset, Dataset]:
    """Images from a .npz, read into memory, at most `limit` bytes of it.

    Taken are the arrays `images` (or the only array there is), `labels`, `test_images` and `test_labels`, the last
    three where present. Without `test_images`, the last tenth, at most 10 000, is the test set.
    """
    try:
        held = _read(path, limit)
    except BadFile:
        raise
    except Exception as error:
        raise _damaged(path, error) from error
    if "images" not in held and len(held) == 1:
        held = {"images": next(iter(held.values()))}
    if "images" not in held:
        raise BadFile(f"{path} has no images", expected="an array called images, or one array alone",
                      got=", ".join(sorted(held)) or "an empty archive", fix="np.savez(path, images=images, labels=labels)")
    train = _dataset(held, "", path)
    if "test_images" not in held:
        return _split(train)
    test = _dataset(held, "test_", path)
    if train.images.shape[1:] != test.images.shape[1:]:
        raise BadFile(f"{path} holds two kinds of images", expected=f"test_images of {train.images.shape[1:]}",
                      got=test.images.shape[1:], fix="save both in one size")
    return train, test


def _dataset(held: dict[str, np.ndarray], prefix: str, path: Path) -> Dataset:
    images = check_images(held[f"{prefix}images"], f"{path}[{prefix}images]")
    labels = held.get(f"{prefix}labels")
    return Dataset(images, labels if labels is None else check_labels(labels, len(images), f"{path}[{prefix}labels]"))


def _split(data: Dataset) -> tuple[Dataset, Dataset]:
    n = len(data.images)
    k = n - min(max(n // 10, 1), MOST_TEST)
    images, labels = data
    return (Dataset(images[:k], labels if labels is None else labels[:k]),
            Dataset(images[k:], labels if labels is None else labels[k:]))


def _read(path: Path, limit: int) -> dict[str, np.ndarray]:
    """Every array of the archive that is one of ours, or the only one."""
    held, total = {}, 0
    with zipfile.ZipFile(path) as archive:
        entries = [entry for entry in archive.infolist() if entry.filename.endswith(".npy")]
        wanted = ("images", "labels", "test_images", "test_labels")
        for entry in entries:
            name = entry.filename.removesuffix(".npy")
            if name not in wanted and len(entries) > 1:
                continue
            total += entry.file_size
            if total > limit:
                raise BadFile(f"{path} promises more than is read into memory", expected=f"at most {limit:,} bytes",
                              got=f"{total:,} bytes", fix="save the images as .npy, which is mapped instead")
            with archive.open(entry) as stream:
                _header(cast(BinaryIO, stream), entry.file_size)    # read_array would allocate what a header promises
                stream.seek(0)
                held[name] = np.lib.format.read_array(stream, allow_pickle=False)
                if stream.read(1):
                    raise ValueError(f"{name} is followed by something else")
    return held


def _header(stream: BinaryIO, size: int) -> tuple[tuple[int, ...], np.dtype, str]:
    """Shape, dtype and order of the array in a .npy stream of `size` bytes; the stream is left where its data begins."""
    shape, fortran, dtype = _READ_HEADER[np.lib.format.read_magic(stream)](stream)
    if dtype.hasobject:
        raise ValueError("it holds Python objects, which are never loaded: they can run code")
    if min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize != size - stream.tell():
        raise ValueError(f"it holds {size - stream.tell():,} bytes where its header says {dtype} {shape}")
    return shape, dtype, "F" if fortran else "C"


def _damaged(path: Path, error: Exception) -> BadFile:
    return BadFile(f"cannot read {path}", expected="what np.save or np.savez writes", got=f"{type(error).__name__}: {error}",
                   fix="write it again, np.save(path, images) or np.savez(path, images=images), and not from a list")

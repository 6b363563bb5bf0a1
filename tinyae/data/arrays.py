"""data · arrays: images from NumPy files. A .npy is mapped and may be larger than memory; a .npz is read whole."""
from __future__ import annotations

import math
import mmap
import zipfile
from pathlib import Path
from typing import IO, Literal

import numpy as np

from ..errors import BadFile
from . import recognise
from .checks import MAX_BYTES, check_images, check_labels
from .dataset import Dataset
from .report import note
from .roles import NAMES, chosen

Header = tuple[tuple[int, ...], Literal["C", "F"], np.dtype]
# Version 3 differs from 2 in the encoding of field names, which images do not have.
READ_HEADER = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0,
               (3, 0): np.lib.format.read_array_header_2_0}


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
    and `test_labels`; `roles` finds these under other names. Without `test_images`, `split` makes the test set. At most
    `limit` bytes are read.
    """
    try:
        held = _read(path, limit)
    except BadFile:
        raise
    except MemoryError as error:
        raise BadFile(f"{path} does not fit into memory", expected="room for all its arrays", got=error,
                      fix="save the images as .npy, which is mapped") from error
    except Exception as error:
        raise _damaged(path, error) from error
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
    """The arrays of the archive by their roles, which are NAMES."""
    held = {}
    with zipfile.ZipFile(path) as archive:
        entries = {entry.filename.removesuffix(".npy"): entry for entry in archive.infolist()}
        if len(entries) == 1:
            wanted = {"images": next(iter(entries))}
        elif "images" in entries:
            wanted = {name: name for name in NAMES if name in entries}
        else:
            wanted = chosen({name: _seen(archive, entry) for name, entry in entries.items()}, path)
            note(f"{path}: " + ", ".join(f"{name} is taken as {role}" for role, name in wanted.items()))
        if (size := sum(entries[name].file_size for name in wanted.values())) > limit:
            raise BadFile(f"{path} promises more than is read into memory", expected=f"at most {limit:,} bytes",
                          got=f"{size:,} bytes", fix="save the images as .npy, which is mapped")
        for role, name in wanted.items():
            with archive.open(entries[name]) as stream:
                _header(stream, entries[name].file_size)    # refuse a header that would make read_array allocate more
                stream.seek(0)
                held[role] = np.lib.format.read_array(stream, allow_pickle=False)
    return held


def _seen(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> tuple[tuple[int, ...], np.dtype]:
    """Shape and dtype of an array in the archive, without its numbers."""
    with archive.open(entry) as stream:
        shape, _, dtype = READ_HEADER[np.lib.format.read_magic(stream)](stream)
    return shape, dtype


def _header(stream: IO[bytes], size: int) -> Header:
    """Shape, order and dtype of the array in a .npy of `size` bytes; leaves the stream at the data."""
    shape, fortran, dtype = READ_HEADER[np.lib.format.read_magic(stream)](stream)
    if dtype.hasobject:
        raise ValueError("it holds Python objects; those are never loaded, because loading them can run any code")
    if math.prod(shape) * dtype.itemsize != size - stream.tell():
        raise ValueError(f"its header says {dtype} {shape}, but {size - stream.tell():,} bytes follow")
    return shape, "F" if fortran else "C", dtype


def _damaged(path: Path, error: Exception) -> BadFile:
    """The refusal of a file that is not an array; its first bytes may say what it is."""
    if isinstance(error, OSError) and error.errno:
        return recognise.unreadable(path, error)
    kind = recognise.kind(recognise.head(path))
    other = kind and kind not in recognise.ARRAYS
    return BadFile(f"cannot read {path}", expected="an array of numbers that np.save or np.savez wrote",
                   got=kind[0] if kind and other else f"{type(error).__name__}: {error}",
                   fix=kind[1] if kind and other else
                       "write it again: np.save(path, images) or np.savez(path, images=images)")

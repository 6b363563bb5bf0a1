"""data · idx: the file format of MNIST and its relatives, with or without gzip.

A file holds two zero bytes, the type of its numbers (8: unsigned bytes), the number of dimensions, each dimension as 4
big-endian bytes, then the numbers, last dimension fastest (LeCun, Cortes and Burges 1998).
"""
from __future__ import annotations

import gzip
import hashlib
import math
import zlib
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np

from ..errors import BadFile
from . import recognise
from .checks import MAX_BYTES, check_images
from .dataset import Dataset

FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte",
         "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


def read(path: Path, ndim: int, limit: int = MAX_BYTES) -> np.ndarray:
    """The uint8 array of `ndim` dimensions in an IDX file that holds nothing else.

    At most `limit` bytes are read into memory, whatever the header or the compressed stream claims.
    """
    try:
        with open(path, "rb") as file:
            packed = file.read(2) == b"\x1f\x8b"
            file.seek(0)
            return _parse(cast(BinaryIO, gzip.GzipFile(fileobj=file)) if packed else file, path, ndim, limit)
    except BadFile:
        raise
    except (OSError, EOFError, zlib.error) as error:
        raise BadFile(f"cannot read {path}", expected="an IDX file, plain or compressed with gzip",
                      got=f"{type(error).__name__}: {getattr(error, 'strerror', None) or error}",
                      fix="delete it and fetch it again") from error


def _parse(stream: BinaryIO, path: Path, ndim: int, limit: int) -> np.ndarray:
    start = stream.read(4 + 4 * ndim)
    shape = tuple(int.from_bytes(start[i:i + 4], "big") for i in range(4, 4 + 4 * ndim, 4))
    if start != header(shape):
        what, fix = recognise.kind(start + stream.read(recognise.HEAD)) or ("unknown bytes", "fetch it again")
        if start.startswith(b"\0\0\x08"):
            what = f"an IDX file of {start[3]} dimensions" if len(start) > 3 else "the beginning of an IDX file"
            fix = "check that images and labels are not swapped"
        raise BadFile(f"{path} is not an IDX file of this kind",
                      expected=f"the bytes {header((0,) * ndim)[:4].hex(' ')}, then {ndim} sizes",
                      got=f"{start[:4].hex(' ') or 'nothing'}: {what}", fix=fix)
    size = math.prod(shape)
    if size > limit:
        raise BadFile(f"{path} promises more than is read into memory", expected=f"at most {limit:,} bytes",
                      got=f"{size:,} bytes, shape {shape}", fix="save the images as .npy, which is mapped")
    data = bytearray()    # grows only with the bytes that are there, so a false header costs no memory
    while chunk := stream.read(min(size + 1 - len(data), 1 << 20)):
        data += chunk
    if len(data) != size:
        raise BadFile(f"{path} does not hold what its header says", expected=f"{size:,} bytes, shape {shape}",
                      got="more" if len(data) > size else f"{len(data):,}", fix="delete it and fetch it again")
    return np.frombuffer(data, np.uint8).reshape(shape)


def header(shape: tuple[int, ...]) -> bytes:
    """The bytes before the numbers of a uint8 array of this shape."""
    return bytes([0, 0, 8, len(shape)]) + b"".join(size.to_bytes(4, "big") for size in shape)


def sha256(array: np.ndarray) -> str:
    """SHA-256 of the uncompressed IDX file that holds `array`, since publishers may recompress the same content."""
    digest = hashlib.sha256(header(array.shape))
    digest.update(array.data)
    return digest.hexdigest()


def load(paths: list[Path], classes: int = 256) -> tuple[Dataset, Dataset]:
    """(train, test) from the paths of the four FILES. BadFile: not one label per image, or a label >= classes."""
    return load_set(paths[0], paths[1], classes), load_set(paths[2], paths[3], classes)


def load_set(images_path: Path, labels_path: Path | None, classes: int = 256) -> Dataset:
    """The images of one file with the labels of another, if there is one."""
    images = check_images(read(images_path, 3), str(images_path))
    if labels_path is None:
        return Dataset(images, None)
    labels = read(labels_path, 1)
    if len(images) != len(labels):
        raise BadFile(f"{labels_path} does not match {images_path.name}", expected="one label per image",
                      got=f"{len(labels):,} labels, {len(images):,} images", fix="take both from the same place")
    if labels.max() >= classes:
        raise BadFile(f"{labels_path} names a class that does not exist", expected=f"labels 0 to {classes - 1}",
                      got=labels.max(), fix="delete it and fetch it again")
    return Dataset(images, labels)

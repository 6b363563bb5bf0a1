"""train · checkpoint: the file format of a run's state.

A checkpoint is an .npz without pickles, so np.load opens it: arrays under their names, and "meta", JSON as bytes.
Its last bytes (the archive's comment) are a seal: the format's version and the SHA-256 of all bytes before. The seal
exposes files that were truncated, damaged or written by another program before anything in them is parsed.
"""
from __future__ import annotations

import hashlib
import io
import json
import math
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from .. import files
from ..errors import BadFile

FORMAT = 1
_SEAL = b"tinyae checkpoint %04d sha256 "
_DIGEST = 64                                            # hexadecimal digits of a SHA-256
_SEAL_LENGTH = len(_SEAL % FORMAT) + _DIGEST
OVERHEAD = 1 << 24      # bytes a checkpoint may have beyond its arrays: JSON, names and headers


def save(path: str | Path, meta: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
    """Write meta (anything that JSON can hold) and arrays atomically: if that fails, the old file stays."""
    files.write(path, pack(meta, arrays))


def load(path: str | Path, limit: int) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """(meta, arrays) as saved. A file that is damaged or longer than limit bytes is refused with the reason."""
    path = Path(path)
    try:
        content = files.read(path, limit)
    except OSError as error:
        link = f", linked to from {path.name}" if path.is_symlink() else ""
        raise _bad(path, f"a file of at most {limit:,} bytes, as this model and its optimizer need",
                   f"{error.strerror or error}{link}") from error
    return unpack(content, path)


def pack(meta: dict[str, Any], arrays: dict[str, np.ndarray]) -> bytes:
    """The bytes of a checkpoint."""
    return sealed(npz({"meta": np.frombuffer(json.dumps(meta).encode(), np.uint8), **arrays}))


def npz(arrays: dict[str, np.ndarray]) -> bytes:
    """The bytes of a plain .npz."""
    file = io.BytesIO()
    np.savez(file, **arrays)    # type: ignore[arg-type]    # NumPy's annotation takes every keyword for allow_pickle
    return file.getvalue()


def sealed(archived: bytes, version: int = FORMAT) -> bytes:
    """An .npz with the seal as its archive's comment."""
    file = io.BytesIO(archived)
    seal = _SEAL % version
    with zipfile.ZipFile(file, "a") as archive:
        archive.comment = seal + b"0" * _DIGEST         # zeros reserve the digest's place: the archive holds its length
    content = file.getvalue()[:-_DIGEST]
    return content + hashlib.sha256(content).hexdigest().encode()


def unpack(content: bytes, path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """(meta, arrays) of a checkpoint's bytes; path names the file in a refusal."""
    _check_seal(content, path)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            arrays = {entry.filename.removesuffix(".npy"): _array(archive, entry) for entry in archive.infolist()}
        meta = json.loads(arrays.pop("meta").tobytes())
        if not isinstance(meta, dict):
            raise ValueError("its meta is not a dictionary")
    except Exception as error:
        # The seal is right, so another program than this wrote these bytes, and parsers raise a dozen kinds of errors.
        raise _bad(path, "the arrays and the JSON of a checkpoint", str(error) or type(error).__name__) from error
    return meta, arrays


def _check_seal(content: bytes, path: Path) -> None:
    expected = "a checkpoint that tinyae wrote"
    seal, digest = content[-_SEAL_LENGTH:-_DIGEST], content[-_DIGEST:]
    if content[:2] != b"PK":
        pickle = content[:1] == b"\x80"
        raise _bad(path, expected, "a pickle, which is never opened" if pickle else "a file of another kind")
    before, after = _SEAL.split(b"%04d")
    if not (seal.startswith(before) and seal.endswith(after)):
        whole = zipfile.is_zipfile(io.BytesIO(content)) and before not in content[-_SEAL_LENGTH:]
        raise _bad(path, expected, "an archive of another program" if whole else "a file that was cut short")
    if hashlib.sha256(content[:-_DIGEST]).hexdigest().encode() != digest:
        raise _bad(path, expected, "damaged bytes (the SHA-256 differs)")
    version = seal[len(before):-len(after)]
    if version != b"%04d" % FORMAT:
        raise BadFile(f"cannot use {path}", expected=f"format {FORMAT:04d}", got=f"format {version.decode('latin-1')}",
                      fix="continue this run with the version of tinyae that wrote it (RUN/config.json names it)")


def _array(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> np.ndarray:
    """One array. No header can make this allocate more than the file's own bytes."""
    if entry.compress_type != zipfile.ZIP_STORED:
        raise ValueError(f"{entry.filename} is compressed, and checkpoints are not")
    content = archive.read(entry)
    stream = io.BytesIO(content)
    if np.lib.format.read_magic(stream) != (1, 0):
        raise ValueError(f"{entry.filename} is not a .npy of version 1.0")
    shape, fortran, dtype = np.lib.format.read_array_header_1_0(stream)
    if math.prod(shape) * dtype.itemsize != len(content) - stream.tell():
        raise ValueError(f"{entry.filename} does not hold the {shape} {dtype} that it declares")
    return np.frombuffer(content, dtype, offset=stream.tell()).reshape(shape, order="F" if fortran else "C")


def _bad(path: Path, expected: str, got: object) -> BadFile:
    return BadFile(f"cannot use {path}", expected=expected, got=got,
                   fix="continue from another checkpoint (copy RUN/best.npz to RUN/last.npz), or start the run again")

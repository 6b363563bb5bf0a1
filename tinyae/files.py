"""files: atomic file writes, and folders that belong to one run.

The bytes go into a temporary file in the same folder and reach the disk. Only then is the file renamed, which the file
system does completely or not at all. A process killed at any moment leaves the old file or the new one, never a part.
"""
from __future__ import annotations

import os
from contextlib import suppress
from itertools import count
from pathlib import Path

from .errors import BadFile


def write(path: str | Path, content: bytes) -> None:
    """Replace the file at path with content, atomically and durably: write beside it, fsync, rename, fsync the folder.

    BadFile: the folder cannot be written to, or is full. The file that was there before is then unchanged.
    """
    path = Path(path)
    beside = path.with_name(path.name + ".tmp")     # a fixed name: killed processes leave one such file, not many
    try:
        with open(beside, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
        _sync_folder(path.parent)                   # else a power cut may undo the rename
    except OSError as error:
        with suppress(OSError):
            beside.unlink()
        raise BadFile(f"cannot write {path}", expected=f"a writable folder, with room for {len(content):,} bytes",
                      got=error.strerror or error,
                      fix="make room or choose another folder; the file before, if any, is unchanged") from error


def claim(folder: Path) -> None:
    """Create folder, or accept it if it exists and is empty, so that a run never overwrites another run's files."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        occupied = any(folder.iterdir())
    except OSError as error:
        raise _unusable(folder, error) from error
    if occupied:
        raise BadFile(f"{folder} is in use", expected="a new or an empty folder", got="a folder with files in it",
                      fix="choose another --out, or continue the run in it with --resume (resume=True)")


def new_folder(stem: Path) -> Path:
    """Create the first of stem-1, stem-2, ... that does not exist; two processes never get the same folder."""
    folder = next(free for n in count(1) if not (free := stem.with_name(f"{stem.name}-{n}")).exists())
    try:
        folder.mkdir(parents=True)
    except FileExistsError:             # another process created it first
        return new_folder(stem)
    except OSError as error:
        raise _unusable(folder, error) from error
    return folder


def _unusable(folder: Path, error: OSError) -> BadFile:
    return BadFile(f"cannot use {folder} as the folder of a run", expected="a writable folder",
                   got=error.strerror or error, fix="choose another --out")


def _sync_folder(folder: Path) -> None:
    if os.name == "posix":      # Windows cannot open a folder and does not need this
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

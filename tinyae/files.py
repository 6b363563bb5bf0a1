"""files: a file is there whole, or it is not there.

The bytes go into a temporary file of the same folder and reach the disk; only then does it take its name, in one step
that the file system makes whole or not at all. A process killed at any moment leaves the old file or the new one.
"""
from __future__ import annotations

import os
from contextlib import suppress
from itertools import count
from pathlib import Path

from .errors import BadFile


def write(path: str | Path, content: bytes) -> None:
    """Replace the file at path by content, atomically and durably (write beside, fsync, rename, fsync the folder)."""
    path = Path(path)
    beside = path.with_name(path.name + ".tmp")     # one name, not one per process: a killed run leaves one at most
    try:
        with open(beside, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
        _sync_folder(path.parent)                   # or a power cut may forget the new name
    except OSError as error:
        with suppress(OSError):
            beside.unlink()
        raise BadFile(f"cannot write {path}", expected=f"a folder to write in, with room for {len(content):,} bytes",
                      got=error.strerror or error,
                      fix="make room or choose another --out; what stood there before is untouched") from error


def claim(folder: Path) -> None:
    """Make folder, or take it if it is there and empty: a run never writes over another's files."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        occupied = any(folder.iterdir())
    except OSError as error:
        raise _unusable(folder, error) from error
    if occupied:
        raise BadFile(f"{folder} is in use", expected="a new or an empty folder", got="one with files in it",
                      fix="another --out; or --resume (resume=True) to go on with the run in it")


def new_folder(stem: Path) -> Path:
    """Make the first of stem-1, stem-2, ... that is not there yet: two processes never get the same."""
    folder = next(free for n in count(1) if not (free := stem.with_name(f"{stem.name}-{n}")).exists())
    try:
        folder.mkdir(parents=True)
    except FileExistsError:             # another process was faster
        return new_folder(stem)
    except OSError as error:
        raise _unusable(folder, error) from error
    return folder


def _unusable(folder: Path, error: OSError) -> BadFile:
    return BadFile(f"cannot use {folder} as the folder of a run", expected="a folder to write in",
                   got=error.strerror or error, fix="another --out")


def _sync_folder(folder: Path) -> None:
    if os.name == "posix":      # Windows cannot open a folder, and needs no such call
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

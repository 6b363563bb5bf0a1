"""files: atomic file writes, and reads that come to an end.

The bytes go into a temporary file in the same folder and reach the disk. Only then is the file renamed, which the file
system does completely or not at all. A process killed at any moment leaves the old file or the new one, never a part.
"""
from __future__ import annotations

import errno
import io
import os
import re
import stat
from contextlib import suppress
from pathlib import Path

from .errors import BadFile

ABANDONED = re.compile(r".*\.[0-9a-f]{16}\.tmp")        # the name of a temporary file
_FULL = (errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC))


def write(path: str | Path, content: bytes) -> None:
    """Replace the file at path with content, atomically and durably: write beside it, fsync, rename, fsync the folder.

    Each write has a temporary file of its own, so two processes that write the same file leave one version or the
    other. BadFile: the folder cannot be written to, or is full. The file that was there before is then unchanged.
    """
    path = Path(path)
    beside = path.with_name(f"{path.name}.{os.urandom(8).hex()}.tmp")
    try:
        with open(beside, "xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
        _sync_folder(path.parent)                   # else a power cut may undo the rename
    except OSError as error:
        with suppress(OSError):
            beside.unlink()
        remedy = "make room" if error.errno in _FULL else "make the folder writable"
        raise BadFile(f"cannot write {path}", expected=f"a writable folder, with room for {len(content):,} bytes",
                      got=error.strerror or error,
                      fix=f"{remedy}, or choose another folder; the file before, if any, is unchanged") from error


def read(path: str | Path, limit: int) -> bytes:
    """The content of a regular file of at most limit bytes. OSError: any other file, as a pipe may never end."""
    with io.FileIO(str(path), opener=_open_at_once) as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "not a regular file")
        if status.st_size > limit:
            raise OSError(errno.EFBIG, f"{status.st_size:,} bytes")
        return file.readall()


def sweep(folder: Path) -> None:
    """Remove the temporary files that killed processes left in folder. No other process may write into it meanwhile."""
    for path in folder.iterdir():
        if ABANDONED.fullmatch(path.name):
            with suppress(OSError):
                path.unlink()


def _open_at_once(path: str, flags: int) -> int:
    """open() without waiting for the other end of a pipe."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _sync_folder(folder: Path) -> None:
    if os.name == "posix":      # Windows cannot open a folder and does not need this
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

"""train · folder: the folder of a run, which one process at a time may write into.

The process locks the file .lock in the folder. The operating system releases the lock when the process ends, however it
ends. The file names the process, so that a second one can say which process holds the folder.
"""
from __future__ import annotations

import atexit
import errno
import io
import json
import os
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

from .. import files
from ..errors import BadFile

LOCK = ".lock"
_kept: dict[Path, Lock] = {}        # locks of this process that wait for its next `hold` of the same folder


def claim(folder: Path) -> None:
    """Create folder, or accept it if it holds no files, so that a run never overwrites another run's files.

    Leftovers of a run that was killed before its first file do not count.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        occupied = any(path.name != LOCK and path.suffix != ".tmp" for path in folder.iterdir())
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


@contextmanager
def hold(folder: Path, new: bool) -> Iterator[None]:
    """Create folder if needed and lock it; if the run is new, also `claim` it. BadFile: another run is in it."""
    place = folder.resolve()
    kept = place in _kept
    lock = _locked(folder, new)
    try:
        yield
    finally:
        if kept:
            _kept[place] = lock
        else:
            lock.release()


def keep(folder: Path, new: bool) -> None:
    """As `hold`, but until `release_all` or Python's end; one `hold` at a time may use the lock meanwhile."""
    _kept[folder.resolve()] = _locked(folder, new)


def release_all() -> None:
    """Release every lock that is kept."""
    while _kept:
        _kept.popitem()[1].release()


atexit.register(release_all)        # a program may end without cli.main


def _locked(folder: Path, new: bool) -> Lock:
    if new:
        claim(folder)
    lock = _kept.pop(folder.resolve(), None) or Lock(folder)
    try:
        if new:
            claim(folder)       # again: before the lock was there, another run may have come and gone
    except BadFile:
        lock.release()
        raise
    return lock


class Lock:
    """The lock of a folder, from its making to `release`. On a disk without locks it keeps no process out."""

    def __init__(self, folder: Path):
        self.folder = folder
        try:
            self.path = Path(os.path.abspath(folder), LOCK)     # the program may change its folder before the end
            folder.mkdir(parents=True, exist_ok=True)
            self.file = self._opened()
            while not self._is_there():         # its last owner removed it between open and lock
                self.file.close()
                self.file = self._opened()
            self.file.truncate(0)
            self.file.write(json.dumps({"pid": os.getpid(), "host": platform.node()}).encode())
            files.sweep(folder)
        except OSError as error:
            raise error if isinstance(error, BadFile) else _unusable(folder, error) from error

    def release(self) -> None:
        with suppress(OSError):
            if self._is_there():
                self.path.unlink()
        self.file.close()
        if sys.platform == "win32":             # which removes no open file
            with suppress(OSError):
                self.path.unlink()

    def _opened(self) -> io.FileIO:
        """The file, open and locked."""
        file = io.FileIO(str(self.path), "a+")
        try:
            _lock(file.fileno())
        except OSError as error:
            if error.errno in _HELD:
                with file:
                    raise self._refusal(file) from error
        return file

    def _is_there(self) -> bool:
        """Whether the open file is the one that has the path now."""
        with suppress(FileNotFoundError):
            return os.path.samestat(os.fstat(self.file.fileno()), os.stat(self.path))
        return False

    def _refusal(self, file: io.FileIO) -> BadFile:
        try:
            file.seek(0)
            owner = json.loads(file.read(1000))
            who = f"process {owner['pid']} on {owner['host']}"
        except (OSError, ValueError, TypeError, KeyError):      # it has not written its name yet
            who = "a process that has just begun"
        return BadFile(f"{self.folder} is in use by another run", expected="one run at a time in a folder",
                       got=f"{who} writes into it", fix="wait until that run has ended or stop it; or choose another "
                       "--out")


if sys.platform == "win32":
    import msvcrt

    _HELD = (errno.EACCES, errno.EDEADLK)

    def _lock(handle: int) -> None:
        os.lseek(handle, 1 << 30, os.SEEK_SET)      # others may read the bytes before it
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    _HELD = (errno.EWOULDBLOCK, errno.EACCES)

    def _lock(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _unusable(folder: Path, error: OSError) -> BadFile:
    return BadFile(f"cannot use {folder} as the folder of a run", expected="a writable folder",
                   got=error.strerror or error, fix="choose another --out")

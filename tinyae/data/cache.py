"""data · cache: the folders in which data is kept, and a lock so that two processes can share one."""
from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .recognise import expanded


def folders(data_dir: str | os.PathLike | None = None) -> list[Path]:
    """The folders to search, in order: `data_dir`, $TINYAE_DATA, the platform's cache folder if there is a home."""
    given = [data_dir, os.environ.get("TINYAE_DATA")]
    found = [expanded(folder) for folder in given if folder]
    with suppress(RuntimeError):        # no $HOME, and a user without an entry in the system's list
        found.append(platform_cache())
    return found


def platform_cache() -> Path:
    """The folder `tinyae` in this platform's place for files that can be made or fetched again."""
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "tinyae"


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Create `folder` if needed and lock it; other processes wait. The lock of a process that dies is released."""
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / ".lock", "ab") as file:
        with suppress(OSError):    # a disk without locks: checksums catch a collision, and the file is fetched again
            _wait_for(file.fileno())
        yield


if sys.platform == "win32":
    import msvcrt

    def _wait_for(handle: int) -> None:
        while True:    # LK_LOCK gives up after ten seconds
            with suppress(OSError):
                return msvcrt.locking(handle, msvcrt.LK_LOCK, 1)
else:
    import fcntl

    def _wait_for(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_EX)

"""data · cache: where files are kept between runs, and how one is written so that no reader sees half of it."""
from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


def platform_cache() -> Path:
    """The folder `tinyae` below the place where this platform keeps what can be made again."""
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "tinyae"


def folders(data_dir: str | os.PathLike | None = None) -> list[Path]:
    """Where data is looked for, in this order: `data_dir`, $TINYAE_DATA, the platform's cache folder."""
    given = [data_dir, os.environ.get("TINYAE_DATA")]
    return [Path(folder).expanduser() for folder in given if folder] + [platform_cache()]


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A new file that takes the name `path` in one step when the block ends; an error leaves the old one alone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, beside = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)    # rename needs the same disk
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())    # else a power cut can leave the new name on an empty file
        os.replace(beside, path)
    except BaseException:
        Path(beside).unlink(missing_ok=True)
        raise

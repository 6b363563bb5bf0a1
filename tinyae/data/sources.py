"""data · sources: `load` finds the reader for every name and path."""
from __future__ import annotations

import os
import stat
import zipfile
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from ..errors import BadFile, BadType, BadValue
from . import arrays, creatures, digits, folder, idx_names, moon, published, recognise, report, tables
from .dataset import Dataset

SOURCES = {
    "digits": "60 000 + 10 000 handwritten-like digits 28x28, drawn here: nothing to download",
    "creatures": "4 000 + 500 coloured animals 128x128, drawn here from 14 known factors: nothing to download",
    "moon": "6 000 + 1 000 phases of the moon 28x28, drawn here: nothing to download",
    **{name: entry.description for name, entry in published.SETS.items()},
}
# SHA-256 of what `load` returns for each name (dataset.fingerprint).
FINGERPRINTS = {"digits": digits.SHA256, "creatures": creatures.ENLARGED, "moon": moon.SHA256,
                **{name: entry.fingerprint for name, entry in published.SETS.items()}}
TABLES = (".csv", ".tsv", ".txt", ".data")
Size = int | Sequence[int]


def load(name: str | os.PathLike, data_dir: str | os.PathLike | None = None, *, download: bool = True,
         progress: bool = True, size: Size | None = None) -> tuple[Dataset, Dataset]:
    """name -> (train, test): a name in SOURCES, or the path of a folder of pictures, a .npy, a .npz, a table (.csv), an
    IDX file or a folder of IDX files. Arrays in memory: `from_arrays`.

    A named set is searched in `data_dir`, $TINYAE_DATA and the platform's cache folder. If it is in none of them, it is
    drawn, or downloaded unless download=False, and kept in the first. size: a side, or (height, width), of the pictures
    of a folder; by default they take the size of the first. `progress` shows bars and prints a line that says what
    a path holds; warnings name what looks wrong.
    BadValue: no such name or path. BadFile: the file or folder cannot be read.
    """
    train, test = opened(name, data_dir, download, progress, size)
    if os.fspath(name) not in SOURCES:
        report.say(f"{os.fspath(name)}: {report.described(train, test)}", progress)
    return train, test


def opened(name: str | os.PathLike, data_dir: str | os.PathLike | None, download: bool, progress: bool,
           size: Size | None) -> tuple[Dataset, Dataset]:
    """As load, without the line that says what a path holds."""
    if not isinstance(name, (str, os.PathLike)):
        raise BadType("data is loaded by name or path", expected="a name or a path", got=type(name).__name__,
                      fix="data.from_arrays(images, labels) for arrays in memory; data.load('digits')")
    text = os.fspath(name)
    known = text if text in SOURCES else None
    path = recognise.expanded(name)
    status = None if known else recognise.look(path)
    if status is None:
        known = known or {_plain(source): source for source in SOURCES}.get(_plain(str(text)))
    if known:
        if size is not None:
            raise _no_size(known)
        return _named(known, data_dir, download, progress)
    if status is None or not str(text):                     # Path("") is the current folder
        raise _unknown(str(text), "a link to nothing" if path.is_symlink() else "a path that does not exist")
    try:
        train, test = report.contrast(*_read(path, status, _sides(size), progress))
    except MemoryError as error:
        raise BadFile(f"{path} does not fit into memory", expected="room for all images", got=error,
                      fix="smaller pictures (--size, size=); or save the images as .npy, which is mapped") from error
    return train, test


def _named(name: str, data_dir: str | os.PathLike | None, download: bool, progress: bool) -> tuple[Dataset, Dataset]:
    if name == "digits":
        return digits.load(data_dir, progress=progress)
    if name == "creatures":
        return creatures.load(data_dir, progress=progress)
    if name == "moon":
        return moon.load()
    return published.load(name, data_dir, fetch=download, progress=progress)


def _read(path: Path, status: os.stat_result, size: tuple[int, int] | None, progress: bool) -> tuple[Dataset, Dataset]:
    """The set at a path that exists, by the ending of its name, then by its first bytes."""
    if word := recognise.special(status):
        raise _unknown(str(path), f"{word}, which is neither a file nor a folder", "give a file or a folder")
    if stat.S_ISDIR(status.st_mode):
        files = idx_names.found(path)
        if not files:
            return folder.load(path, size=size, progress=progress)
    if size is not None:
        raise _no_size(path)
    if stat.S_ISDIR(status.st_mode):
        return idx_names.load_folder(path, files)
    start, endings = recognise.head(path), [suffix.lower() for suffix in path.suffixes]
    kind = recognise.kind(start)
    packed = kind == recognise.GZIP
    if endings[-1:] == [".npz"] or (kind == recognise.ZIP and _holds_arrays(path)):
        return arrays.load_npz(path)
    if endings[-1:] == [".npy"] or kind == recognise.ARRAY:
        return arrays.load_npy(path)
    inside = recognise.kind(recognise.unpacked(path)) if packed else kind
    if inside == recognise.IDX or idx_names.NAME.fullmatch(path.name):
        return idx_names.load_file(path)
    if (kind is None or packed) and any(ending in TABLES for ending in endings[-2:]):
        return tables.load(path)
    what = kind[0] if kind else "a file of a kind that is not known"
    raise _unknown(str(path), f"{what}, which is neither .npy nor .npz, nor .csv, nor IDX", kind[1] if kind else "")


def _holds_arrays(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return all(name.endswith(".npy") for name in archive.namelist())
    except (OSError, zipfile.BadZipFile):
        return False


def _unknown(name: str, got: str, fix: str = "") -> BadValue:
    near = get_close_matches(name.lower(), SOURCES, 1)
    return BadValue(f"there is no data {name!r}", got=got,
                    expected=f"{', '.join(SOURCES)}; or the path of a folder, a .npy, a .npz, a .csv or an IDX file",
                    fix=fix or (f"did you mean {near[0]}?" if near else "check the path and the spelling"))


def _no_size(what: object) -> BadValue:
    return BadValue("size is for folders of pictures", expected="a folder of pictures", got=what, fix="leave size out")


def _plain(name: str) -> str:
    """A name without capitals and without what stands between its words: Fashion_MNIST is fashion-mnist."""
    return "".join(c for c in name.lower() if c.isalnum())


def _sides(size: Size | None) -> tuple[int, int] | None:
    if size is None:
        return None
    sides: list[Any] = list(size) if isinstance(size, tuple | list) else [size, size]
    if len(sides) != 2 or not all(isinstance(side, int) and 0 < side < 10_000 for side in sides):
        raise BadValue("size must be a side or (height, width)", expected="whole numbers from 1 to 9 999", got=size,
                       fix="size=64, or size=(48, 64)")
    return sides[0], sides[1]

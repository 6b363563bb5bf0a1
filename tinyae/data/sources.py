"""data · sources: `load` finds the reader for every name and path."""
from __future__ import annotations

import os
from difflib import get_close_matches
from pathlib import Path

from ..errors import BadType, BadValue
from . import arrays, creatures, digits, folder, idx, moon, published
from .dataset import Dataset

SOURCES = {
    "digits": "60 000 + 10 000 handwritten-like digits 28x28, drawn here: nothing to download",
    "creatures": "4 000 + 500 coloured animals 128x128, drawn here from 14 known factors: nothing to download",
    "moon": "6 000 + 1 000 phases of the moon 28x28, drawn here: nothing to download",
    **{name: entry.description for name, entry in published.SETS.items()},
}


def load(name: str | os.PathLike, data_dir: str | os.PathLike | None = None, *,
         download: bool = True, progress: bool = True) -> tuple[Dataset, Dataset]:
    """name -> (train, test): a name in SOURCES, or the path of a .npy, a .npz, a folder of pictures (PNG, JPEG,
    GIF, BMP) or a folder of four IDX files.

    A named set is searched in `data_dir`, $TINYAE_DATA and the platform's cache folder. If it is in none of them, it is
    drawn, or downloaded unless download=False, and kept in the first. `progress` shows bars meanwhile.
    BadValue: no such name or path. BadFile: the file or folder cannot be read.
    """
    if not isinstance(name, (str, os.PathLike)):
        raise BadType("data is loaded by name or path", expected="a name or a path", got=type(name).__name__,
                      fix="data.load('digits')")
    if name == "digits":
        return digits.load(data_dir, progress=progress)
    if name == "creatures":
        return creatures.load(data_dir, progress=progress)
    if name == "moon":
        return moon.load()
    if name in published.SETS:
        return published.load(str(name), data_dir, fetch=download, progress=progress)
    path = Path(name).expanduser()
    if name != "" and path.is_dir():    # Path("") is the current folder
        named = any(idx.locate(path, file) for file in idx.FILES)
        return idx.load_folder(path) if named else folder.load(path)
    if path.is_file() and path.suffix == ".npy":
        return arrays.load_npy(path)
    if path.is_file() and path.suffix == ".npz":
        return arrays.load_npz(path)
    near = get_close_matches(str(name), SOURCES, 1)
    raise BadValue(f"there is no data {str(name)!r}",
                   expected=f"{', '.join(SOURCES)}; or the path of a folder, a .npy or a .npz",
                   got="a file that is neither .npy nor .npz" if path.is_file() else "a path that does not exist",
                   fix=f"did you mean {near[0]}?" if near else "check the path and the spelling")

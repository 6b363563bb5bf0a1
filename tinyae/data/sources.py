"""data · sources: one name for every place that images come from."""
from __future__ import annotations

import os
from pathlib import Path

from tinyae.data import arrays, digits, published
from tinyae.data.dataset import Dataset
from tinyae.errors import BadType, BadValue

SOURCES = {
    "digits": "60 000 + 10 000 handwritten-like digits 28x28, drawn here: needs no download",
    **{name: published.description for name, published in published.SETS.items()},
}


def load(name: str | os.PathLike, data_dir: str | os.PathLike | None = None, *,
         download: bool = True, progress: bool = True) -> tuple[Dataset, Dataset]:
    """name -> (train, test): a name in SOURCES, or the path of a folder of images, a .npy or a .npz.

    Published sets are looked for in data_dir, $TINYAE_DATA and the platform's cache folder, and fetched if they are
    in none and `download` allows it. `progress` shows bars for what takes time.
    """
    if not isinstance(name, (str, os.PathLike)):
        raise BadType("the data has no name", expected="a name or a path", got=type(name).__name__,
                      fix="data.load('digits'); arrays need no loading")
    if name == "digits":
        return digits.load(progress=progress)
    if name in published.SETS:
        return published.load(str(name), data_dir, download=download, progress=progress)
    path = Path(name).expanduser()
    if path.suffix in (".npy", ".npz") and path.is_file():
        return arrays.load_npy(path) if path.suffix == ".npy" else arrays.load_npz(path)
    raise BadValue(f"there is no data called {str(name)!r}",
                   expected=f"{', '.join(SOURCES)}, or the path of a folder of images, a .npy or a .npz",
                   got="a path that does not exist" if not path.exists() else "a file of another kind",
                   fix="check the spelling; a relative path starts at the current folder, " + str(Path.cwd()))

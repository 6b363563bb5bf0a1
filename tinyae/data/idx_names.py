"""data · idx_names: find the IDX files of a set, under the names that programs and publishers give them."""
from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import BadFile
from . import idx, layout
from .dataset import Dataset, every_tenth
from .report import note

# MNIST's names; .idx3 in place of -idx3, as some programs unpack them; a name in front, as EMNIST has it.
NAME = re.compile(r"(?P<set>.*?)(?P<part>train|t10k|test)[-_.]?(?P<kind>images|labels)"
                  r"([-_.]idx[13])?([-_.]ubyte)?(\.gz)?", re.IGNORECASE)
LEVELS = 3          # folders below the given one in which files are looked for


def locate(folder: Path, file: str) -> Path | None:
    """The path of `file` in `folder`, plain or with .gz; None if there is neither, or the folder cannot be read."""
    return next((path for path in (folder / file, folder / f"{file}.gz") if os.path.isfile(path)), None)


def found(folder: Path) -> dict[tuple[str, str, str], Path]:
    """The IDX files below folder, by set, part (train or test) and kind (images or labels).

    A folder around each file, as some archives have it, is entered. Of two files for one place the first counts.
    """
    files: dict[tuple[str, str, str], Path] = {}
    for path in layout.files_below(folder, levels=LEVELS):
        match = NAME.fullmatch(path.name)
        if match and os.path.isfile(path) and (match[4] or match[5]):
            files.setdefault(_place(match), path)
    return files


def load_folder(folder: Path, files: dict[tuple[str, str, str], Path]) -> tuple[Dataset, Dataset]:
    """(train, test) from the files that `found` returned. BadFile: they are of several sets, or files are missing."""
    sets = sorted({name for name, _, _ in files})
    if len(sets) > 1:
        raise BadFile(f"{folder} holds several sets", expected="the IDX files of one set",
                      got=", ".join(name.strip("-_.") or "one without a name" for name in sets),
                      fix="give each a folder of its own, or give a file of images instead of the folder")
    wanted = [(sets[0], part, kind) for part in ("train", "test") for kind in ("images", "labels")]
    if missing := [file for place, file in zip(wanted, idx.FILES, strict=True) if place not in files]:
        raise BadFile(f"{folder} lacks {missing[0]}", expected=", ".join(idx.FILES),
                      got=", ".join(sorted(path.name for path in files.values())),
                      fix="put the others beside them, with .gz or without; or give the file of images alone")
    train, test = idx.load([files[place] for place in wanted])
    return _upright(train, sets[0]), _upright(test, sets[0])


def load_file(path: Path) -> tuple[Dataset, Dataset]:
    """(train, test) from one IDX file of images, with the labels beside it, if any; every tenth is for the test.

    BadFile: it holds labels.
    """
    match = NAME.fullmatch(path.name)
    if match and match["kind"].lower() == "labels":
        raise BadFile(f"{path} holds labels", expected="a file of images, or the folder of all four", got=path.name,
                      fix=f"give {path.name.replace('labels', 'images').replace('idx1', 'idx3')}, or {path.parent}")
    beside = None
    if match:
        name, part, _ = _place(match)
        beside = found(path.parent).get((name, part, "labels"))
    return every_tenth(_upright(idx.load_set(path, beside), match["set"] if match else ""))


def _place(match: Any) -> tuple[str, str, str]:
    part = "train" if match["part"].lower() == "train" else "test"
    return match["set"].lower(), part, match["kind"].lower()


def _upright(data: Dataset, name: str) -> Dataset:
    """EMNIST's files hold each image with rows and columns exchanged."""
    if not name.lower().startswith("emnist"):
        return data
    note("EMNIST's files hold rows and columns exchanged; they are changed back")
    return data._replace(images=np.ascontiguousarray(data.images.swapaxes(1, 2)))

"""data · layout: which files of a folder are pictures, to which class each belongs, and which are for the test."""
from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from ..errors import BadFile
from .recognise import unreadable

TRAIN, TEST, VALIDATION = ("train", "training"), ("test", "testing"), ("val", "valid", "validation")
LEFT_BY_TOOLS = {"__MACOSX", "__pycache__", "@eaDir", "$RECYCLE.BIN", "System Volume Information", "lost+found",
                 "Thumbs.db", "desktop.ini"}


class Layout(NamedTuple):
    """train and test: the pictures, each with the name of its class, or with "" if there are no classes.

    test is empty if the folder has no part for the test. unused: a sentence on pictures that belong to neither part.
    """

    train: list[tuple[Path, str]]
    test: list[tuple[Path, str]]
    unused: str = ""


def files_below(folder: Path, above: tuple[tuple[int, int], ...] = (), levels: int = 100) -> Iterator[Path]:
    """Every path below folder that is not a folder, by name. Hidden files and what tools leave are passed over.

    Linked folders are followed, as far as `levels` below. BadFile: a folder cannot be read, or links make a circle.
    """
    try:
        names, status = sorted(os.listdir(folder)), os.stat(folder)
    except OSError as error:
        raise unreadable(folder, error) from error
    here = status.st_dev, status.st_ino
    if here in above:
        raise BadFile(f"{folder} leads back to a folder above it", expected="folders without a circle of links",
                      got=f"{folder} -> {os.path.realpath(folder)}", fix="remove that link")
    for name in names:
        if name.startswith(".") or name in LEFT_BY_TOOLS:
            continue
        path = folder / name
        if not os.path.isdir(path):
            yield path
        elif len(above) < levels:
            yield from files_below(path, (*above, here), levels)


def arranged(paths: list[Path], folder: Path) -> Layout:
    """The layout of the pictures at these paths below folder.

    PART/CLASS/picture, PART/picture and CLASS/PART/picture are split on, where PART is train, test or val by one of its
    names. All other subfolders are classes. A single subfolder with all pictures in its own subfolders is entered.
    """
    parts = {path: path.relative_to(folder).parts for path in paths}
    depth = 0
    while all(len(p) > depth + 2 and p[depth] == parts[paths[0]][depth] for p in parts.values()):
        depth += 1
    parts = {path: p[depth:] for path, p in parts.items()}
    if all(len(p) > 2 and _part(p[1]) for p in parts.values()):                         # CLASS/PART/picture
        parts = {path: (p[1], p[0], *p[2:]) for path, p in parts.items()}
    found = {_part(p[0]) if len(p) > 1 else "" for p in parts.values()}
    if "" in found and not {"train", "test"} <= found and not {"train", "val"} <= found:
        return Layout(_classes(parts, folder), [])
    if len(found) == 1:
        return Layout(_classes({path: p[1:] for path, p in parts.items()}, folder), [])
    if "" in found or "train" not in found:
        outside = next((path for path, p in parts.items() if len(p) < 2 or not _part(p[0])), None)
        raise BadFile(f"{folder} holds parts for training and test, but not only these",
                      expected="train and test, or train and val, with all pictures in them",
                      got=outside.relative_to(folder) if outside else f"{' and '.join(sorted(found))} without train",
                      fix="move or rename them")
    of = {name: _classes({path: p[1:] for path, p in parts.items() if _part(p[0]) == name}, folder) for name in found}
    if "test" in of and "val" in of:
        return Layout(of["train"], of["test"], f"{len(of['val'])} pictures of the validation part are not used")
    return Layout(of["train"], of.get("test") or of.get("val") or [])


def _part(name: str) -> str:
    """train, test or val; empty if the name is none of theirs."""
    name = name.lower()
    return "train" if name in TRAIN else "test" if name in TEST else "val" if name in VALIDATION else ""


def _classes(parts: dict[Path, tuple[str, ...]], folder: Path) -> list[tuple[Path, str]]:
    """Each picture with its class, the first folder of its path."""
    loose = [path for path, p in parts.items() if len(p) == 1]
    if loose and len(loose) < len(parts):
        raise BadFile(f"{folder} holds pictures beside its subfolders", expected="all pictures in subfolders, "
                      "which name the classes, or none", got=f"{len(loose)} outside, such as "
                      f"{loose[0].relative_to(folder)}", fix="move or remove them")
    return [(path, p[0] if len(p) > 1 else "") for path, p in parts.items()]

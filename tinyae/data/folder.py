"""data · folder: images from a folder of pictures; the names of its subfolders are the labels."""
from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import numpy as np

from .. import console
from ..errors import BadFile
from . import pictures, recognise
from .checks import MAX_BYTES, check_images
from .dataset import Dataset, every_tenth, parted
from .layout import arranged, files_below
from .pictures import Picture
from .report import note, say


def load(folder: Path, limit: int = MAX_BYTES, size: tuple[int, int] | None = None, *,
         progress: bool = False) -> tuple[Dataset, Dataset]:
    """(train, test) from the pictures below `folder`, by name. Subfolders name the classes, or the parts: see `layout`.

    Without a part for the test, every tenth picture is a test image. All pictures are scaled to size (height, width),
    by default the size of the first. They are grey if all are. Transparency becomes white, or black if all opaque
    pixels are white. A picture that cannot be read, or is larger than Pillow considers safe, is left out with a
    warning. BadFile: the pictures together need more than `limit` bytes.
    """
    paths, others = _found(folder)
    plan = arranged(paths, folder) if paths else None
    places = [*plan.train, *plan.test] if plan else []
    held, unread = _read([path for path, _ in places], folder, size, limit, "white", progress)
    if not held:
        raise BadFile(f"no picture can be read in {folder}", got=_some(unread) or _counted(others) or "an empty folder",
                      expected="pictures that Pillow opens: .png, .jpg, .gif, .bmp, .webp, .tif, ...",
                      fix="check the path and the files; python -m tinyae.data show PATH reads a file or folder alone")
    light = {picture.light for picture in held.values()} - {None}
    if light == {True}:
        held, unread = _read(list(held), folder, size, limit, "black", progress)
        note("all opaque pixels of these pictures are white, so transparency becomes black")
    _say(held, unread, others, plan.unused if plan else "", size, progress)
    images = check_images(_stacked([picture.pixels for picture in held.values()]), str(folder))
    names = [name for path, name in places if path in held]
    classes, labels = np.unique(names, return_inverse=True)
    named = len(classes) > 1 or bool(classes[0])
    data = Dataset(images, labels if named else None, classes=tuple(map(str, classes)) if named else ())
    tests = {path for path, _ in plan.test} if plan else set()
    if not tests & set(held):
        return every_tenth(data)
    return parted(data, np.array([path in tests for path in held]))


def _found(folder: Path) -> tuple[list[Path], Counter]:
    """The files below folder that are pictures by their ending, and how many there are of others, by ending."""
    paths, others = [], Counter()       # type: tuple[list[Path], Counter]
    for path in files_below(folder):
        if os.path.isfile(path) and path.suffix.lower() in pictures.suffixes():
            paths.append(path)          # a pipe would block for ever
        else:
            status = recognise.look(path)
            word = "a link to nothing" if status is None else recognise.special(status)
            others[word or path.suffix.lower() or "a name without an ending"] += 1
    return paths, others


def _read(paths: list[Path], folder: Path, size: tuple[int, int] | None, limit: int, background: str,
          progress: bool) -> tuple[dict[Path, Picture], dict[Path, str]]:
    """The pictures that can be read, and for each of the others a reason."""
    held: dict[Path, Picture] = {}
    unread: dict[Path, str] = {}
    bar = console.bar(len(paths), desc="reading pictures", unit="", delay=1, shown=progress, iterable=paths)
    for path in bar:
        try:
            picture = pictures.read(path, size, background)
        except Exception as error:    # decoders answer damaged bytes with many kinds of exceptions
            unread[path] = _reason(path, error)
            continue
        if not held:
            size = size or picture.size
            if (total := len(paths) * size[0] * size[1] * 3) > limit:
                raise BadFile(f"the pictures in {folder} do not fit into memory", expected=f"at most {limit:,} bytes",
                              got=f"{total:,} for {len(paths):,} of {size[0]} x {size[1]}, the size of {path.name}",
                              fix="read them smaller, with --size 64 or size=64; these models are meant for 28 to 128 "
                                  "pixels per side")
        held[path] = picture
    return held, unread


def _reason(path: Path, error: Exception) -> str:
    """The kind of error and its words; Pillow's words for what it cannot identify name an object in memory."""
    words: object = error
    if type(error).__name__ == "UnidentifiedImageError":
        what = recognise.kind(recognise.head(path))
        words = what[0] if what and what != recognise.PICTURE else "no format that Pillow knows"
    return f"{type(error).__name__}: {getattr(error, 'strerror', None) or words}"


def _stacked(held: list[np.ndarray]) -> np.ndarray:
    """uint8 (n, h, w), or (n, h, w, 3) if one has colours."""
    deep = [i for i, pixels in enumerate(held) if pixels.dtype != np.uint8]
    if deep:
        shallow, words = pictures.eight_bits([held[i] for i in deep])
        for i, pixels in zip(deep, shallow, strict=True):
            held[i] = pixels
        if words:
            note(words)
    if all(pixels.ndim == 2 for pixels in held):
        return np.stack(held)
    images = np.empty((len(held), *held[0].shape[:2], 3), np.uint8)
    for image, pixels in zip(images, held, strict=True):
        image[:] = pixels if pixels.ndim == 3 else pixels[..., None]
    return images


def _say(held: dict[Path, Picture], unread: dict[Path, str], others: Counter, unused: str,
         size: tuple[int, int] | None, progress: bool) -> None:
    """One line each on sizes and on files that are left out."""
    sizes = sorted({picture.size for picture in held.values()}, key=lambda s: s[0] * s[1])
    if len(sizes) > 1:
        path, first = next(iter(held.items()))
        least, most, to = ("{} x {}".format(*s) for s in (sizes[0], sizes[-1], size or first.size))
        chosen = "" if size else f", the size of {path.name}; --size or size= chooses another"
        say(f"pictures of {len(sizes)} sizes, {least} to {most}: all are scaled to {to}{chosen}", progress)
    if others or unused:
        words = [f"files that are no pictures, {_counted(others)}"] * bool(others) + [unused] * bool(unused)
        say(f"left out: {'; '.join(words)}", progress)
    if unread:
        note(f"{len(unread)} of {len(held) + len(unread)} pictures left out: {_some(unread)}")


def _counted(others: Counter) -> str:
    return ", ".join(f"{n} x {word}" for word, n in others.most_common(8)) + ", ..." * (len(others) > 8)


def _some(unread: dict[Path, str]) -> str:
    first = [f"{path.name} ({reason})" for path, reason in list(unread.items())[:3]]
    return "; ".join(first) + ("; ..." if len(unread) > 3 else "")

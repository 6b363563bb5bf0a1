"""data · tables: a table in a text file, such as a CSV, with or without names and labels."""
from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np

from ..errors import BadFile
from .dataset import Dataset, every_tenth
from .recognise import unreadable
from .rows import as_images, first_is_label, is_number, numbered_labels

MAX_TABLE = 1 << 30     # bytes of text
LABELS = ("label", "labels", "class", "classes", "target", "y", "digit", "species")


def load(path: Path, limit: int = MAX_TABLE) -> tuple[Dataset, Dataset]:
    """(train, test) from a table in a text file, a row for each image: every tenth is for the test.

    Cells are separated by commas, semicolons, tabs or spaces. A first row of names is not needed. The labels are the
    only column of words, or the column with a name of LABELS, or, without names, a first column of class numbers before
    a square number of pixels. `rows.as_images` turns the other columns, all numbers, into images.
    """
    lines = _lines(path, limit)
    separator = max(",;\t", key=lines[0].count) if any(map(lines[0].count, ",;\t")) else None
    first, second = (_cells(line, separator) for line in (lines * 2)[:2])
    header = len(lines) > 1 and _is_header(first, second)
    if header:
        del lines[0]
        first = [""] * (len(first) == len(second) - 1) + first      # R gives the column of row names none
    if len(first) != len(second):
        raise BadFile(f"{path} has rows of several lengths", expected="a table, a row for each image",
                      got=f"{len(first)} cells, then {len(second)}", fix="leave out lines that are not of the table")
    at, columns = _columns(first if header else [], second, path)
    try:
        if not columns:
            raise ValueError("no column of numbers")
        numbers = np.loadtxt(lines, np.float32, comments=None, delimiter=separator, quotechar='"', usecols=columns,
                             ndmin=2)
        labels = np.loadtxt(lines, str, comments=None, delimiter=separator, quotechar='"', usecols=at,
                            ndmin=1) if at else None
    except ValueError as error:
        raise BadFile(f"cannot read {path}", expected="a table of numbers, a row for each image", got=error,
                      fix="leave out rows and columns that hold words or nothing") from error
    if not at and not header and first_is_label(numbers):
        labels, numbers = numbers[:, 0].astype(np.int64).astype(str), numbers[:, 1:]
    classes: tuple[str, ...] = ()
    if labels is not None:
        labels, classes = numbered_labels(labels, len(numbers), str(path))
    return every_tenth(Dataset(as_images(numbers, str(path)), labels, classes=classes))


def _columns(names: list[str], cells: list[str], path: Path) -> tuple[list[int], list[int]]:
    """The column of labels, if there is one, and the columns of numbers, from the names and the first row."""
    numbered = [0] if names and not names[0] and len(cells) > 1 else []     # pandas' index, R's row names
    words = [i for i, cell in enumerate(cells) if not is_number(cell) and i not in numbered]
    if len(words) > 1:
        raise BadFile(f"{path} holds more than one column of words", expected="numbers, and one column of labels",
                      got=", ".join(f"{names[i] if names else f'column {i + 1}'} ({cells[i]})" for i in words[:4]),
                      fix="leave these columns out, or number them")
    named = [i for i, name in enumerate(names) if name.lower() in LABELS]
    labels = (words or named)[:1]
    return labels, [i for i in range(len(cells)) if i not in (*labels, *numbered)]


def _lines(path: Path, limit: int) -> list[str]:
    try:
        with open(path, "rb") as file:
            packed = file.read(2) == b"\x1f\x8b"
        with (gzip.open if packed else open)(path, "rb") as stream:
            content = stream.read(limit + 1)
    except (OSError, EOFError) as error:
        raise unreadable(path, error) from error
    if len(content) > limit:
        raise BadFile(f"{path} is larger than what is read as text", expected=f"at most {limit:,} bytes", got="more",
                      fix="save the numbers as .npy, which is mapped")
    lines = [line for line in content.decode("utf-8-sig", "replace").splitlines() if line.strip()]
    if not lines:
        raise BadFile(f"{path} is empty", expected="a table of numbers", got="no line", fix="fetch it again")
    return lines


def _cells(line: str, separator: str | None) -> list[str]:
    return [cell.strip().strip('"') for cell in line.split(separator)]


def _is_header(first: list[str], second: list[str]) -> bool:
    """Names: a word where the next row has a number, only words, or the numbers of the columns."""
    if first in ([str(i) for i in range(len(first))], ["", *(str(i) for i in range(len(first) - 1))]):
        return len(first) > 2
    words = [not is_number(cell) for cell in first]
    return all(words) or any(word and is_number(cell) for word, cell in zip(words, second, strict=False))

"""data · tables: rows of numbers as images, from a CSV or a two-dimensional array."""
from __future__ import annotations

import gzip
import math
from pathlib import Path

import numpy as np

from ..errors import BadFile, BadType, BadValue
from .checks import MAX_CLASSES, check_labels
from .dataset import Dataset, every_tenth
from .recognise import unreadable
from .report import note

MAX_TABLE = 1 << 30     # bytes of text
LABELS = ("label", "labels", "class", "classes", "target", "y", "digit", "species")


def load(path: Path, limit: int = MAX_TABLE) -> tuple[Dataset, Dataset]:
    """(train, test) from a table in a text file, a row for each image: every tenth is for the test.

    Cells are separated by commas, semicolons, tabs or spaces. A first row of names is not needed. The labels are the
    only column of words, or the column called label, class, target or y, or a first column before a square number of
    pixels. All other columns must be numbers; `as_images` turns them into images.
    """
    lines = _lines(path, limit)
    separator = max(",;\t", key=lines[0].count) if any(map(lines[0].count, ",;\t")) else None
    first, second = (_cells(line, separator) for line in (lines * 2)[:2])
    header = len(lines) > 1 and (_is_header(first, second))
    if header:
        del lines[0]
    count = len(second)
    words = [i for i, cell in enumerate(second) if not _number(cell)]
    if len(words) > 1:
        raise BadFile(f"{path} holds more than one column of words", expected="numbers, and one column of labels",
                      got=", ".join(f"{first[i]} ({second[i]})" if header else f"column {i + 1} ({second[i]})"
                                    for i in words[:4]), fix="leave these columns out, or number them")
    named = [i for i in range(count) if header and first[i].strip().lower() in LABELS]
    numbered = [0] if header and not first[0].strip() and count > 1 else []         # pandas' index
    rest = count - 1 - len(numbered)
    at = (words or named or ([0] if not header and _square(rest) and not _square(count) else []))[:1]
    columns = [i for i in range(count) if i not in (*at, *numbered)]
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
    classes: tuple[str, ...] = ()
    if labels is not None:
        labels, classes = numbered_labels(labels, len(numbers), str(path))
    return every_tenth(Dataset(as_images(numbers, str(path)), labels, classes=classes))


def as_images(table: np.ndarray, where: str) -> np.ndarray:
    """table (n, d) of numbers -> images (n, s, s) uint8 if d = s * s and all are whole, 0 to 255; else (n, 1, d)
    float32 in [0, 1]: each column is scaled by its least and largest value, unless all are in [0, 1].
    """
    if table.dtype.kind not in "uifb":
        raise BadType(f"{where} is not a table of numbers", expected="numbers", got=table.dtype,
                      fix="leave out the columns that hold words; frame.select_dtypes('number')")
    if len(table) < 2 or not table.shape[1]:
        raise BadValue(f"{where} is too small", expected="at least 2 rows: one to train on and one to test on",
                       got=f"{len(table)} rows of {table.shape[1]} numbers", fix="add rows")
    if not np.isfinite(table).all():
        row, column = np.argwhere(~np.isfinite(table))[0]
        raise BadValue(f"{where} has a cell that is no number", expected="finite numbers",
                       got=f"{table[row, column]} in row {row}, column {column}, counted from 0",
                       fix="fill it, or leave out that row or column")
    low, high = table.min(axis=0), table.max(axis=0)
    side = _square(table.shape[1])
    if side > 2 and low.min() >= 0 and 1 < high.max() <= 255 and (table == np.rint(table)).all():
        return table.astype(np.uint8).reshape(-1, side, side)
    if low.min() < 0 or high.max() > 1:
        note(f"{where}: each of the {table.shape[1]} columns is scaled to [0, 1] by its least and its largest value")
        span = np.where(high > low, high.astype(np.float64) - low, 1)
        table = np.clip((table - low.astype(np.float64)) / span, 0, 1)
    return table.astype(np.float32).reshape(len(table), 1, -1)


def numbered_labels(labels: np.ndarray, n: int, where: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """Labels as words or numbers -> integers, with the names of the classes if they are words."""
    if all(map(_number, labels.reshape(-1))):
        values = labels.astype(np.float64)
        if not (values == np.rint(values)).all():
            raise BadValue(f"the labels of {where} must be whole numbers", expected="a number for each class",
                           got=labels[values != np.rint(values)][0], fix="call it otherwise if it is no class")
        return check_labels(values.astype(np.int64), n, f"the labels of {where}"), ()
    classes, numbers = np.unique(labels, return_inverse=True)
    if len(classes) > MAX_CLASSES:
        raise BadValue(f"the column of words in {where} names no classes", expected=f"at most {MAX_CLASSES:,} classes",
                       got=f"{len(classes):,}, such as {classes[0]}", fix="leave that column out")
    return numbers.reshape(n), tuple(map(str, classes))


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
    words = [not _number(cell) for cell in first]
    return all(words) or any(word and _number(cell) for word, cell in zip(words, second, strict=False))


def _number(cell: str) -> bool:
    try:
        float(cell or "nan")
    except ValueError:
        return False
    return True


def _square(n: int) -> int:
    """The root of a square number; 0 of any other."""
    return math.isqrt(n) if n > 0 and math.isqrt(n) ** 2 == n else 0

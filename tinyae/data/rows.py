"""data · rows: a table of numbers, a row for each image -> images and labels."""
from __future__ import annotations

import math

import numpy as np

from ..errors import BadType, BadValue
from .checks import MAX_CLASSES, check_labels
from .report import note


def as_images(table: np.ndarray, where: str) -> np.ndarray:
    """table (n, d) of numbers -> images (n, s, s) uint8 if d = s * s and all are whole, 0 to 255; else (n, 1, d)
    float32 in [0, 1]: each column is scaled by its least and largest value, unless all are in [0, 1].
    """
    if table.dtype.kind not in "uifb":
        raise BadType(f"{where} is not a table of numbers", expected="numbers", got=table.dtype,
                      fix="leave out the columns that hold words; frame.select_dtypes('number')")
    if len(table) < 2 or not table.shape[1]:
        raise BadValue(f"{where} is too small", expected="at least 2 rows: one to train on and one to test on",
                       got=f"a table of {len(table)} x {table.shape[1]} numbers", fix="add rows")
    if not np.isfinite(table).all():
        row, column = np.argwhere(~np.isfinite(table))[0]
        raise BadValue(f"{where} has a cell that is no number", expected="finite numbers",
                       got=f"{table[row, column]} in row {row}, column {column} of the numbers, counted from 0",
                       fix="fill it, or leave out that row or column")
    low, high = table.min(axis=0), table.max(axis=0)
    side = _square(table.shape[1])
    if side > 2 and _are_bytes(table):
        return table.astype(np.uint8).reshape(-1, side, side)
    if low.min() < 0 or high.max() > 1:
        note(f"{where}: each of the {table.shape[1]} columns is scaled to [0, 1] by its least and its largest value")
        span = np.where(high > low, high.astype(np.float64) - low, 1)
        table = np.clip((table - low.astype(np.float64)) / span, 0, 1)
    return table.astype(np.float32).reshape(len(table), 1, -1)


def _are_bytes(table: np.ndarray) -> bool:
    return bool(table.min() >= 0 and 1 < table.max() <= 255 and (table == np.rint(table)).all())


def first_is_label(numbers: np.ndarray) -> bool:
    """A column of class numbers before a square number of pixels, as some files of MNIST have it without names."""
    first, rest = numbers[:, 0], numbers[:, 1:]
    return (_square(rest.shape[1]) > 2 and _are_bytes(rest) and first.min() >= 0 and first.max() < MAX_CLASSES
            and bool((first == np.rint(first)).all()))


def numbered_labels(labels: np.ndarray, n: int, where: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """Labels as words or numbers -> integers, with the names of the classes if they are words."""
    if (labels == "").any():
        raise BadValue(f"{where} has a row without a label", expected="a label in each row", fix="leave that row out",
                       got=f"nothing in row {np.flatnonzero(labels == '')[0]}, counted from 0")
    if all(map(is_number, labels)):
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


def is_number(cell: str) -> bool:
    try:
        float(cell or "nan")
    except ValueError:
        return False
    return True


def _square(n: int) -> int:
    """The root of a square number; 0 of any other."""
    return math.isqrt(n) if n > 0 and math.isqrt(n) ** 2 == n else 0

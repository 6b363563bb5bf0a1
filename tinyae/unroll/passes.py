"""unroll · passes: what makes the recorded lines a better program. Each can be left out, and changes no bit.

A recording holds a line for everything that f and grad computed. Passes look at lines, oldest first, and not at text.
"""
from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from ..ops import ROWS
from .recorded import Line, Recorded

ARITHMETIC = (*(ROWS[name] for name in ("add", "sub", "mul", "div")), np.add, np.subtract, np.multiply, np.divide)


def needed(outputs: Iterable[Line]) -> list[Line]:
    """All lines that the outputs are computed from, oldest first. The others are dead code."""
    seen, todo = set(outputs), list(outputs)
    while todo:
        new = {*todo.pop().uses()} - seen
        seen |= new
        todo += new
    return sorted(seen, key=lambda line: line.born)


def numbers(lines: list[Line]) -> None:
    """g * array becomes g * 0.0078125, where all entries of the array are this number, whatever the inputs are.

    The gradient of the loss by itself is 1, so that of a mean over 128 images is 1/128 for each of them.
    """
    for line in lines:
        if line.function in ARITHMETIC and line.value is None and not line.settings:
            x, y = line.args
            line.args = (_number(x, y, line), _number(y, x, line))


def _number(x: object, other: object, line: Line) -> object:
    """The number that x is, if `other` alone gives the result its shape and dtype; else x."""
    if not (isinstance(x, Recorded) and x.line.value is not None and isinstance(other, Recorded)
            and (other.line.shape, other.line.dtype) == (line.shape, line.dtype) and x.size and line.shape):
        return x
    first = x.line.value.reshape(-1)[0]
    return float(first) if x.dtype == line.dtype and np.all(x.line.value == first) else x

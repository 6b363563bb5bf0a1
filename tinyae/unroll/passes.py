"""unroll · passes: changes that make the recorded lines a faster program. Each can be left out, and none changes a bit.

    names     values that are used once stand where they are used; constant factors become numbers
    share     equal lines are computed once; a loss and its gradient share one exponential
    deaths    a large array is forgotten after its last use, so that the next one takes its memory
    buffers   rows are taken apart into functions of NumPy, which write into existing arrays
    blocks    the optimizer's step runs block by block, in the cache

A recording holds a line for everything that f and grad computed. Passes look at lines, oldest first, and not at text.
"""
from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from ..fused import ROWS as FUSED
from ..fused import bce_and_sigmoid
from ..ops import ROWS
from .recorded import Line, Recorded

READABLE, PASSES = ("names",), ("names", "share", "deaths", "buffers", "blocks")
PRODUCTS = (np.matmul, np.dot, ROWS["matmul"], FUSED["affine"])
VIEWS = ("[]", "reshape", "swapaxes", "transpose", np.reshape, np.swapaxes, np.transpose,
         *(ROWS[name] for name in ("index", "reshape", "swapaxes", "transpose")))
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
            line.become(line.function, (_number(x, y, line), _number(y, x, line)), {})


def _number(x: object, other: object, line: Line) -> object:
    """The number that x is, if `other` alone gives the result its shape and dtype; else x."""
    if not (isinstance(x, Recorded) and x.line.value is not None and isinstance(other, Recorded)
            and (other.line.shape, other.line.dtype) == (line.shape, line.dtype) and x.size and line.shape):
        return x
    first = x.line.value.reshape(-1)[0]
    if x.dtype != line.dtype or x.dtype.kind != "f" or (x.line.in_rows and not other.line.in_rows):
        return x                    # the number would not keep the dtype, or the order in which the result lies
    same = x.line.value.tobytes() == np.full_like(x.line.value, first).tobytes()                # 0 is not -0
    return float(first) if same else x


def share(lines: list[Line], outputs: list[Line], drawn: list[Line]) -> None:
    """Equal lines become one. Where bce and sigmoid have the same logits, both come from bce_and_sigmoid."""
    alone, losses = {*outputs, *drawn}, dict[Line, Line]()
    first = _firsts(lines, alone)
    for line in lines:
        factors = {*map(_root, line.uses())} if line.function in PRODUCTS else set()
        if len(factors) > len({first[factor] for factor in factors}):       # BLAS multiplies an array with itself in
            alone |= factors                                                # another way, which rounds differently
            first = _firsts(lines, alone)
    for line in lines:
        for x in line.recorded():
            x.line = first[x.line]
        if line in alone or first[line] is not line:
            continue
        if line.function is FUSED["bce"] and isinstance(line.args[0], Recorded):
            losses[line.args[0].line] = line
        loss = losses.get(line.args[0].line) if line.function is ROWS["sigmoid"] else None
        if loss is not None and loss.function is FUSED["bce"]:
            both = Recorded(np.empty(0), Line(bce_and_sigmoid, loss.args, {}, loss.born - 0.5), None)
            loss.become("[]", (both, 0), {})
            line.become("[]", (both, 1), {})


def _firsts(lines: list[Line], alone: set[Line]) -> dict[Line, Line]:
    """Each line -> the first that is equal to it. Those that stand alone are equal to no other."""
    found: dict[Line, Line] = {}
    by_text: dict[str, Line] = {}
    for line in lines:
        is_alone = line.function is None or line in alone
        found[line] = by_text.setdefault(f"line {id(line)}" if is_alone else _key(line, found), line)
    return found


def _key(line: Line, first: dict[Line, Line]) -> str:
    """A text that equal lines share, and no others do."""
    def told(x: object) -> str:
        if isinstance(x, tuple | list):
            return f"{type(x).__name__}({', '.join(map(told, x))})"
        return f"line {id(first[x.line])}" if isinstance(x, Recorded) else f"{type(x).__name__} {x!r}"
    parts = [*line.args, *(part for setting in line.settings.items() for part in setting)]
    return f"{id(line.function)} {line.function} {told(parts)}"


def _root(line: Line) -> Line:
    """The line whose array a line only shows in another shape or order."""
    while line.function in VIEWS and isinstance(line.args[0], Recorded):
        line = line.args[0].line
    return line

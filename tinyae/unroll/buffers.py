"""unroll · buffers: rows taken apart into functions of NumPy, each of which writes into an existing array.

    z2 = np.maximum(z1, 0, out=b1)                          # b1 is made once, before the first step
    t1 = np.exp(z1, out=z1)                                 # z1 is not needed any more

An array dies at its last use. The next line that makes one of its shape and dtype writes into it: the line itself, if
each of its entries depends on the same entry of the dying array. So a step allocates nothing but what it returns.

A row such as sigmoid consists of several functions. To take it apart, its forward runs once more on recorded arrays,
which may be written into here: z += y then makes a new line, and z stands for that line from there on. Equal parts of
different rows, such as the exponential of softplus and of its derivative, become one line again when they are shared.
"""
from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from functools import partial
from inspect import unwrap
from math import prod
from typing import Any

import numpy as np

from .. import kernels
from ..backend import Array, normal, uniform
from ..fused import ROWS as FUSED
from ..fused import bce_and_sigmoid
from ..ops import ROWS
from .recorded import Line, OtherOrder, Recorded
from .recording import Recording, hollow

SMALL = 1 << 10                                     # bytes: NumPy keeps smaller arrays for the next line by itself
WHOLE = [ROWS[name] for name in ("relu", "clip", "matmul")] + [FUSED[name] for name in (
    "affine", "sse", "bce", "kl", "log_mean_sigmoids")] + [bce_and_sigmoid]     # all made of functions of NumPy
METHODS = {"sum": np.add.reduce, "max": np.maximum.reduce, "min": np.minimum.reduce}


def keep(x: Array, mask: Array, out: Array = None) -> Array:
    """The row keep: the bits of x times 1 or 0."""
    bits = kernels.BITS[x.itemsize]
    z = np.multiply(x.view(bits), mask, out=None if out is None else out.view(bits))
    return z.view(x.dtype)


# ---- rows taken apart

def take_apart(lines: list[Line], recording: Recording) -> dict[Line, Line]:
    """Record the functions of NumPy that the rows of the lines consist of; -> the last of them in each line's place."""
    instead: dict[Line, Line] = {}
    several: dict[Line, tuple] = {}                             # the parts of lines with several arrays
    parts, last, holders = partial(_parts, recording), dict[Line, Line](), defaultdict[Line, list](list)
    for line in lines:
        for x in line.recorded():
            holders[x.line].append(x)
            last[x.line] = line
    dying = defaultdict[Line, list](list)                       # line -> the arrays that it is the last to need
    for used, line in last.items():
        dying[line] += holders[used]
    for line in lines:
        for x in line.recorded():
            x.line = instead.get(x.line, x.line)
        recording.apart = parts
        if line.function == "[]" and line.args[0].line in several:
            z = several[line.args[0].line][line.args[1]]
        else:
            z = parts(line.function, line.args, line.settings)
        recording.apart = None
        if isinstance(z, tuple):
            several[line] = z
        elif z is not None and (z.shape, z.dtype) == (line.shape, line.dtype):
            instead[line], z.line.name = z.line, z.line.name or line.name
        line.born = recording.now()
        for x in dying[line]:
            x.array = hollow(x.array)                           # memory for the next lines
    return instead


def _parts(recording: Recording, f: Any, args: tuple, settings: dict[str, Any]) -> Any:
    """f(*args, **settings), recorded as the functions of NumPy that it consists of; None if it is one itself."""
    x = next((a for a in args if isinstance(a, Recorded)), None)
    if x is None or f in (keep, normal, uniform):
        return None
    if f is ROWS["keep"] and isinstance(args[0], Recorded):
        return recording.call(keep, args, {})
    if f in METHODS and len(args) <= 2:
        return recording.call(METHODS[f], args, settings if len(args) == 2 else {"axis": None} | settings)
    if f in (ROWS["sum"], ROWS["mean"]):
        terms = kernels.count(x, settings.get("axis"))
        if not kernels._few(x.array, settings.get("axis")) or x.itemsize < 4 or terms > 1 << 24:
            return None                                         # it adds up in another dtype
        z = recording.call(np.add.reduce, args, {"axis": None} | settings)
        return z / terms if f is ROWS["mean"] else z
    if f is ROWS["sum_to"]:
        if x.ndim != 2 or settings["shape"] != x.shape[1:] or len(x) > kernels.MANY[x.itemsize]:
            return None
        return recording.row("ones", len(x), x.dtype) @ x       # as kernels.sum_to does it: a product is faster
    if f in (np.maximum, np.minimum) and type(args[1]) is int and args[1] == 0 and _bytes(x) > SMALL:
        return recording.call(f, (x, recording.row("zeros", x.shape[-1], x.dtype)), {})     # in half the time
    forward = getattr(f, "forward", f)
    if not (f in WHOLE or (f is not forward and isinstance(forward, np.ufunc)) or hasattr(forward, "is_elementwise")):
        return None
    try:
        return unwrap(forward)(*args, **settings)
    except OtherOrder:
        return None


# ---- who writes where

@dataclass
class Buffers:
    """Arrays that are made once, and the lines that write into them.

    targets: a line -> the name of the buffer that it writes into, or the line whose array it overwrites.
    """
    targets: dict[Line, Any] = field(default_factory=dict)
    shapes: dict[str, tuple] = field(default_factory=dict)

    def head(self, recording: Recording) -> list[str]:
        """The lines that make them, and the rows that the program needs."""
        rows = [f"{name} = np.{name.split('_')[0]}({x.size}, np.{x.dtype.type.__name__})"
                for name, x in recording.fixed.items()]
        return rows + [f"{name} = np.empty({shape}, np.{dtype.type.__name__})"
                       for name, (shape, dtype) in self.shapes.items()]


def is_fresh(line: Line) -> bool:
    """Whether the line's array is a new one, which shares no memory with the arrays that the line takes."""
    return is_elementwise(line) or line.function is np.matmul or isinstance(
        getattr(line.function, "__self__", None), np.ufunc)                         # np.add.reduce


def takes_out(line: Line) -> bool:
    """Whether the line may write into an array that lies in rows: its own would, too. NumPy 2.0 reduces an array with
    negative strides to wrong numbers if it is given an out."""
    reduces = isinstance(getattr(line.function, "__self__", None), np.ufunc)
    return is_fresh(line) and line.in_rows and not (reduces and not all(x.in_rows for x in line.uses()))


def is_elementwise(line: Line) -> bool:
    """Whether each entry of the line's array depends on the same entries of the arrays that it takes."""
    f = line.function
    return f in (keep, np.clip) or (isinstance(f, np.ufunc) and f is not np.matmul and not line.settings)


def places(lines: list[Line], outputs: list[Line], wishes: dict[Line, str]) -> Buffers:
    """A place for each array. wishes: arrays into which lines should write, if they can."""
    homes = {line: home for line, home in wishes.items() if takes_out(line)}
    found, free, ends = Buffers(dict(homes)), dict[tuple, list[str]](), _ends(lines, outputs)
    holder: dict[str, Line] = {}                                # buffer -> the line whose array is in it
    of: dict[Line, str] = {}                                    # and the other way round
    for i, line in enumerate(lines):
        for buffer, held in [*holder.items()]:
            if ends[held] < i:
                free.setdefault((held.shape, held.dtype), []).append(buffer)
                del holder[buffer]
        kind = line.shape, line.dtype
        if line in homes or not takes_out(line) or _bytes(line) < SMALL or ends[line] == len(lines):
            continue                                            # the last: a call returns new arrays
        dying = [x.line for x in line.recorded() if is_elementwise(line) and x.line in of and ends[x.line] == i
                 and (x.line.shape, x.line.dtype) == kind]
        if dying:
            found.targets[line], of[line] = dying[0], of[dying[0]]
        else:
            if not free.get(kind):
                free[kind] = [f"b{len(found.shapes) + 1}"]
                found.shapes[free[kind][0]] = kind
            found.targets[line] = of[line] = free[kind].pop()
        holder[of[line]] = line
    return found


def _ends(lines: list[Line], outputs: list[Line]) -> dict[Line, int]:
    """The number of the last line that needs a line's array: also through a view of it, which any line may be that is
    not known to make a new array."""
    ends = dict.fromkeys(lines, -1)
    ends |= dict.fromkeys(outputs, len(lines))
    for i, line in reversed([*enumerate(lines)]):
        for used in line.uses():
            ends[used] = max(ends.get(used, -1), i if is_fresh(line) else max(i, ends[line]))
    return ends


def _bytes(line: Line | Recorded) -> int:
    return prod(line.shape) * line.dtype.itemsize

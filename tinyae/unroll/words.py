"""unroll · words: names, numbers and settings as Python.

Two functions, parameters or losses must never have one name in a text, and a number must be read as the one it was.
"""
from __future__ import annotations

import builtins
import keyword
from collections.abc import Iterable
from typing import Any
from unicodedata import normalize

import numpy as np

from ..backend import describe
from ..errors import BadType
from .recorded import Line, Recorded, name_of

TYPES = (bool, int, float, complex, str, bytes)
WORDS = {"np", "step", "range", "slice", *(kind.__name__ for kind in TYPES)}   # that the text itself uses
UNARY, ATOM = 6, 8          # how tightly a sign in front of a number binds; how tightly a name, a call or an index does


class Code(str):
    """An expression, and how tightly its outermost sign binds."""
    level = ATOM

    def within(self, level: int) -> str:
        """The expression as an operand of a sign that binds at this level: in parentheses where it needs them."""
        return self if self.level >= level else f"({self})"


def code(text: str, level: int) -> Code:
    written = Code(text)
    written.level = level
    return written


def identifier(name: str) -> str:
    """A parameter's dotted name as a Python name: encoder.0.W -> encoder_0_W. To Python, names that differ in a
    compatible form of a letter alone (NFKC) are one name, so that this form must not be left to it."""
    name = "".join(c if f"_{c}".isidentifier() else "_" for c in normalize("NFKC", name))
    return name + "_" * keyword.iskeyword(name) if name.isidentifier() else f"_{name}"


def functions(lines: list[Line], taken: Iterable[str]) -> dict[Any, str]:
    """What the text calls, and the name under which it does: a row or another function of the library, or np.exp.

    taken: names that others have.
    """
    found: dict[Any, str] = {}
    used = {*WORDS, *taken}
    for function in dict.fromkeys(line.function for line in lines):
        if function is not None and not isinstance(function, str):
            name = spelled(function)
            while "." not in name and (name in used or hasattr(builtins, name)):        # two functions of one name
                name += "_"
            found[function] = name
            used.add(name)
    return found


def spelled(function: Any) -> str:
    """np.exp for a function of NumPy, or a row that is one; else the function's own name."""
    f = function.forward if isinstance(getattr(function, "forward", None), np.ufunc) else function
    owner = getattr(f, "__self__", None)
    if isinstance(owner, np.ufunc):                                                     # np.maximum.reduce
        parts = [owner.__name__, f.__name__]
    else:
        module = "numpy" if isinstance(f, np.ufunc) else getattr(f, "__module__", None) or ""
        parts = [*module.split(".")[1:], f.__name__] if module.split(".")[0] == "numpy" else []
    found: Any = np
    for part in parts:
        found = getattr(found, part, None)
    if parts and found == f:                                                            # others have ufuncs, too
        return ".".join(["np", *parts])
    return identifier(name_of(function))


def index_text(key: Any, written: dict[Any, Code]) -> str:
    """An index as it stands between brackets."""
    if isinstance(key, tuple) and key:
        return ", ".join(index_text(k, written) for k in key) + "," * (len(key) == 1)
    if isinstance(key, slice):
        first, last, step = ("" if part is None else repr(part) for part in (key.start, key.stop, key.step))
        return f"{first}:{last}" + f":{step}" * bool(step)
    return literal(key, written)


def literal(x: Any, written: dict[Any, Code]) -> Code:
    """An argument, a setting or a constant as Python."""
    if isinstance(x, Recorded):
        return written[x.line]
    if isinstance(x, tuple | list):
        inner = ", ".join(literal(part, written) for part in x)
        return Code(f"[{inner}]" if isinstance(x, list) else f"({inner}{',' * (len(x) == 1)})")
    if isinstance(x, dict):
        return Code(f"{{{', '.join(f'{literal(k, written)}: {literal(part, written)}' for k, part in x.items())}}}")
    if isinstance(x, slice):
        return Code(f"slice({x.start!r}, {x.stop!r}, {x.step!r})")
    if x is None or x is Ellipsis:
        return Code("..." if x is Ellipsis else "None")
    if isinstance(x, type) and issubclass(x, (np.generic, *TYPES)):
        return Code(f"np.{x.__name__}" if issubclass(x, np.generic) else x.__name__)
    if isinstance(x, np.dtype):
        return Code(f"np.{x.type.__name__}" if x.isnative and not x.hasobject else f"np.dtype({x.str!r})")
    if isinstance(x, np.generic):
        told = repr(x.item()) if not isinstance(x, np.inexact) else str(x) if np.isfinite(x) else f"'{x}'"
        return Code(f"np.{type(x).__name__}({told})")
    if isinstance(x, range):
        return Code(repr(x))
    kind = next((kind for kind in TYPES if isinstance(x, kind)), None)
    if kind is None:
        raise BadType("a program has no text for an argument", expected="arrays, numbers, texts and types of numbers",
                      got=describe(x), fix="a row (tinyae.op) that does the same, or grad, on the tape")
    text = f"float('{x}')" if kind is float and not np.isfinite(x) else repr(kind(x))
    return code(text, UNARY if text[0] == "-" else ATOM)

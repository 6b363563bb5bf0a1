"""errors: what was expected, what came instead, and how to fix it.

The library refuses everything in the same three lines. Each class is also the built-in exception that a Python
programmer expects, so `except ValueError` works. A Refusal is for the user to mend, and command lines turn it into exit
status 2 without a traceback; any other exception is a bug of the library.
"""
from __future__ import annotations

from typing import Any


def printable(text: str) -> str:
    """text with control characters escaped (ESC becomes \\x1b): file names and servers must not steer a terminal."""
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text)


class Refusal(Exception):
    """`what` must hold, or went wrong, in one line; then expected / got / fix, each a sentence or a line of code."""

    def __init__(self, what: str, *, expected: object, got: object, fix: str):
        self.what, self.expected, self.got, self.fix = what, expected, got, fix
        super().__init__(printable(f"{what}\n  expected: {expected}\n  got:      {got}\n  fix:      {fix}"))

    def __str__(self) -> str:    # of OSError it would print the errno
        return str(self.args[0])

    def __reduce__(self) -> Any:     # an exception that cannot be unpickled hangs a pool of processes
        return _again, (type(self), self.what, str(self.expected), str(self.got), self.fix)


def _again(kind: type[Refusal], what: str, expected: str, got: str, fix: str) -> Refusal:
    return kind(what, expected=expected, got=got, fix=fix)


class BadValue(Refusal, ValueError):
    """A number, shape, dtype or setting that the call cannot take."""


class BadType(Refusal, TypeError):
    """An object of the wrong kind: an array where a Tensor is wanted, a Tensor where NumPy would lose its gradient."""


class BadIndex(Refusal, IndexError):
    """An index outside its axis."""


class BadName(Refusal, AttributeError):
    """An attribute or method that a Tensor does not have."""


class BadFile(Refusal, OSError):
    """A file or folder that is missing, unreadable, unwritable, damaged, or not what its name says."""

"""0 of 9 · errors: what was expected, what came, and what to do about it.

Everything this library refuses, it refuses in the same three lines. The classes are also the built-in ones that
Python programmers expect (`except ValueError` works), and the command lines turn a Refusal into exit status 2
without a traceback: a Refusal is the user's to mend, any other exception is ours.
"""
from __future__ import annotations


class Refusal(Exception):
    """`what` happened, in one line; then expected / got / fix, each one sentence or a line of code."""

    def __init__(self, what: str, *, expected: object, got: object, fix: str):
        self.what, self.expected, self.got, self.fix = what, expected, got, fix
        super().__init__(f"{what}\n  expected: {expected}\n  got:      {got}\n  fix:      {fix}")

    def __str__(self) -> str:    # OSError would print its errno instead
        return str(self.args[0])


class BadValue(Refusal, ValueError):
    """A number, a shape, a dtype or a setting outside what the call can take."""


class BadType(Refusal, TypeError):
    """A thing of the wrong kind: an array where a Tensor is wanted, a Tensor where NumPy would lose its gradient."""


class BadFile(Refusal, OSError):
    """A file or folder that is missing, unreadable, unwritable, damaged, or not what its name says."""

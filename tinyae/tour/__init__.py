"""tour: the exercises of docs/tour, three to a chapter. Each checks what the reader has written.

    tinyae.tour.check("3.2", logcosh)       # "right: ...", or what is off: expected, got, fix
    tinyae.tour.hint("3.2")                 # the first hint; called again, the next one

In a terminal, `python -m tinyae.tour 3.2 my.py` does the same with a file that defines logcosh.
"""
from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from itertools import cycle
from pkgutil import iter_modules
from typing import Any

from ..errors import BadValue, Refusal
from .exercise import Exercise, raised

_hints: dict[str, Iterator[str]] = {}           # number -> the hints that come next


def exercises() -> dict[str, Exercise]:
    """number -> exercise, in the order of the chapters."""
    chapters = sorted(name for _, name, _ in iter_modules(__path__) if name.startswith("ch"))
    return {e.number: e for name in chapters for e in import_module(f"{__name__}.{name}").EXERCISES}


def exercise(number: str) -> Exercise:
    """The exercise of this number, "3.2". BadValue if there is none."""
    known = exercises()
    if number not in known:
        raise BadValue("no exercise has this number", expected=f"a string, one of {', '.join(known)}", got=repr(number),
                       fix='check("3.2", answer)')
    return known[number]


def check(number: str, answer: Any) -> None:
    """Print "right", with the worst relative error if there is one, or the mistake in three lines: expected, got, fix.

    answer: the object that the exercise asks for. BadValue if no exercise has this number.
    """
    print(verdict(number, answer)[1])


def verdict(number: str, answer: Any) -> tuple[bool, str]:
    """(whether the answer is right, what `check` prints)."""
    asked = exercise(number)
    try:
        found = asked.check(answer)
        note = found if isinstance(found, str) else f"worst relative error {found:.1g}"
        return True, f"right: {number} {asked.name}" + (note and f", {note}")
    except Refusal as error:
        return False, str(error)
    except Exception as error:                  # of the reader's code
        return False, str(raised(asked.name, error))


def hint(number: str) -> None:
    """Print the next hint for an exercise; after the last one comes the first again. BadValue: no such number."""
    hints = exercise(number).hints
    numbered = (f"hint {i} of {len(hints)}: {text}" for i, text in enumerate(hints, 1))
    print(next(_hints.setdefault(number, cycle(numbered))))

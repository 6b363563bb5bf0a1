"""The exercises of the tour, in a terminal.

    python -m tinyae.tour                   all exercises
    python -m tinyae.tour 3.2               the exercise and the code to start from
    python -m tinyae.tour 3.2 my.py         checks the file, which defines what the exercise asks for
    python -m tinyae.tour 3.2 --hints       its hints

Exit status: 0 if the answer is right, 1 if it is not, 2 if an argument is refused.
"""
from __future__ import annotations

import argparse
import runpy
from collections.abc import Sequence
from traceback import extract_tb

from .. import console
from ..demo.cli import Parser, main
from ..errors import BadFile, BadValue, Refusal
from . import exercise, exercises, verdict


def run(argv: Sequence[str] | None = None) -> int:
    parser = Parser(prog="python -m tinyae.tour", description=__doc__,
                    formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("number", nargs="?", metavar="NUMBER", help="of an exercise, such as 3.2")
    parser.add_argument("file", nargs="?", metavar="FILE", help="Python code that defines the answer")
    parser.add_argument("--hints", action="store_true", help="print the exercise's hints")
    options = parser.parse_args(argv)
    if options.number is None:
        for e in exercises().values():
            console.say(f"{e.number:5} {e.name}")
        return 0
    asked = exercise(options.number)
    if options.file:
        right, words = verdict(asked.number, answer(options.file, asked.name))
        console.say(words)
        return 0 if right else 1
    start = f"# above this line: those imports and cells of the chapter that it needs\n{asked.starter}"
    console.say("\n\n".join(asked.hints if options.hints else (asked.statement, start)))
    return 0


def answer(path: str, name: str) -> object:
    """What the file calls by this name, after it has run."""
    try:
        defined = runpy.run_path(path)
    except OSError as error:
        raise BadFile("the file cannot be read", expected=f"Python code that defines {name}", got=f"{path}: {error}",
                      fix=f"save your answer as {path}") from error
    except Refusal:
        raise
    except Exception as error:                      # of the reader's code
        raise failed(path, error) from error
    if name not in defined:
        raise BadValue("the file does not define the answer", expected=f"the name {name}", got=f"no {name} in {path}",
                       fix=f"call your answer {name}, as the exercise does")
    return defined[name]


def failed(path: str, error: Exception) -> BadValue:
    """The refusal of a file that stops with `error`; its line, where the file has one."""
    own = [frame.lineno for frame in extract_tb(error.__traceback__) if frame.filename == path]
    at = error.lineno if isinstance(error, SyntaxError) else own[-1] if own else None
    fix = ("the file runs by itself: put the imports and cells that it needs at its top, for chapters 1 and 2 "
           "from tinyae.tour.scalar import *" if isinstance(error, NameError) else f"mend that line of {path}")
    return BadValue(f"{path} stops with an error" + (f" in line {at}" if at else ""), expected="code that runs",
                    got=f"{type(error).__name__}: {error}", fix=fix)


if __name__ == "__main__":
    main(run)

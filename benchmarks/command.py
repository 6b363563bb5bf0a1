"""command: the flags of a benchmark, and the three lines that refuse what it cannot take.

tinyae is imported when a function is called, because the programs that are timed import their benchmark's file.
"""
from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Collection
from typing import Any, NoReturn


def parser(doc: str | None) -> argparse.ArgumentParser:
    """A parser that refuses as the demos do."""
    from tinyae.demo.cli import Parser

    return Parser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False)


def start(main: Callable[[], int]) -> NoReturn:
    """Run main, which returns an exit status, and exit Python."""
    from tinyae.demo import cli

    cli.main(main)


def count(least: int = 1) -> Callable[[str], int]:
    """The type of a flag that takes a whole number of at least `least`."""
    return _reader(int, lambda n: n >= least, f"a whole number of at least {least}")


def counts(text: str) -> list[int]:
    """The type of a flag that takes whole numbers of at least 1, as in 1,32."""
    return [count()(part) for part in text.split(",")]


def some_of(known: Collection[str]) -> Callable[[str], list[str]]:
    """The type of a flag that takes some of these names, as in W1,W2."""
    def read(text: str) -> list[str]:
        names = text.split(",")
        if unknown := [name for name in names if name not in known]:
            raise argparse.ArgumentTypeError(f"unknown {', '.join(unknown)}; there are {', '.join(known)}")
        return names
    return read


def seconds(text: str) -> float:
    """The type of a flag that takes a time above 0."""
    return _reader(float, lambda t: 0 < t < math.inf, "a number of seconds above 0")(text)


def _reader(kind: type, fits: Callable[[Any], bool], allowed: str) -> Callable[[str], Any]:
    def read(text: str) -> Any:
        try:
            value = kind(text)
        except ValueError:
            value = None
        if value is None or not fits(value):
            raise argparse.ArgumentTypeError(f"{text!r} is not {allowed}")
        return value
    return read

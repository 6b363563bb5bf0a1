"""Which names are public, and what their docstrings say. Needs no Sphinx, so that a test can ask as well."""
from __future__ import annotations

import inspect
from collections.abc import Iterator
from importlib import import_module
from types import ModuleType
from typing import Any

# A page of the reference each, in the order of the house.
CHAPTERS = ("tensor", "ops", "conv", "functions", "check", "unroll", "layers", "optim", "models", "data", "train",
            "show", "tour")
HOME = {"check": "check.gradcheck"}             # where a chapter's names stand, if not in the chapter itself
INNER = {"named", "renew"}                      # for the engine's own use


def module_of(chapter: str) -> ModuleType:
    return import_module(f"tinyae.{HOME.get(chapter, chapter)}")


def is_row(thing: Any) -> bool:
    return hasattr(thing, "vjps") and hasattr(thing, "forward")


def names(chapter: str) -> list[str]:
    """What __all__ lists; without it, the rows, functions and classes that the chapter's file makes itself."""
    module = module_of(chapter)
    made = [name for name, thing in vars(module).items()
            if not name.startswith("_") and name not in INNER and callable(thing)
            and getattr(thing, "__module__", None) == module.__name__]
    return list(getattr(module, "__all__", made))


def members(kind: type) -> Iterator[tuple[str, Any]]:
    """The public methods and properties that a class of tinyae or its base there defines, with calls first."""
    there = {name: thing for base in reversed(kind.__mro__) if base.__module__.startswith("tinyae.")
             for name, thing in vars(base).items() if not name.startswith("_") or name == "__call__"}
    for name, thing in sorted(there.items(), key=lambda item: item[0] != "__call__"):
        if (inspect.isfunction(thing) and not is_row(thing)) or isinstance(thing, classmethod | property):
            yield name, thing


def described(thing: Any) -> str:
    """The docstring, or ""."""
    return inspect.getdoc(thing) or ""

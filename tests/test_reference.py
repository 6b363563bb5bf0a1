"""The reference is made of docstrings: every public name has one, and says the shapes of the arrays that it takes."""
import inspect
import re
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "docs" / "_ext"))
from public import CHAPTERS, described, is_row, members, module_of, names

import tinyae

ARRAYS = re.compile(r"\b(Value|Array|Tensor|ndarray)\b")
# (n, d), (..., n, k), (n,), (...) or (), or words for it
SHAPE = re.compile(r"\((\w|\d|\.\.\.|latent)?(, ?[\w. */+-]+(\[, c\])?)*,?\)|\b(shape|one number|one element)\b")
PUBLIC = [(chapter, name) for chapter in CHAPTERS for name in names(chapter)]


def things():
    """(what it is called, the thing, its docstring) of every public name, method and property."""
    for chapter, name in PUBLIC:
        thing = getattr(module_of(chapter), name)
        if callable(thing):
            yield f"{chapter}.{name}", thing, described(thing)
        if isinstance(thing, type):
            for member, function in members(thing):
                yield f"{chapter}.{name}.{member}", function, function.__doc__ or ""


THINGS = {name: (thing, doc) for name, thing, doc in things()}


def test_every_chapter_is_in_the_reference():
    page = Path(__file__).parents[1] / "docs" / "reference"
    listed = re.findall(r"^\w+$", (page / "index.md").read_text().split("```{toctree}")[1], re.M)
    assert listed == [*CHAPTERS] and all((page / f"{chapter}.md").exists() for chapter in CHAPTERS)
    assert {chapter for chapter in tinyae.__all__ if inspect.ismodule(getattr(tinyae, chapter))} <= {*CHAPTERS}
    assert len(PUBLIC) > 130


@pytest.mark.parametrize("name", THINGS)
def test_a_public_name_has_a_docstring_with_the_shapes_of_its_arrays(name):
    thing, doc = THINGS[name]
    if name.endswith("__call__"):
        return                                      # the class says what a call does
    assert doc, name
    if takes_arrays(thing):
        assert SHAPE.search(doc), f"{name} takes arrays, and its docstring names no shape: {doc}"


def takes_arrays(thing):
    """Whether a parameter is an array or a Tensor, by its type."""
    if is_row(thing):
        return True
    if not inspect.isfunction(thing):
        return False
    return any(ARRAYS.search(str(p.annotation)) for p in inspect.signature(thing).parameters.values())

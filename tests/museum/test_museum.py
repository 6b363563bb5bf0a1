"""The museum itself: every mistake is caught, every mutant too, and the page is current."""
from __future__ import annotations

import numpy as np
import pytest

from tinyae import ops
from tinyae.check.cases import CASES, Case

from . import mutants, pages
from .catalogue import FOLDER, ROOMS, Exhibit, exhibits
from .mutants import Mutant
from .visit import catching_test


@pytest.mark.parametrize("exhibit", exhibits(), ids=lambda exhibit: exhibit.name)
def test_with_the_mistake_in_the_library_a_test_fails(exhibit: Exhibit) -> None:
    assert catching_test(exhibit), f"{exhibit.title}: its tests pass with the mistake in the library"


@pytest.mark.parametrize("row", mutants.ROWS)
def test_no_broken_vjp_survives_the_gradient_check(row: str) -> None:
    survivors = [mutant for mutant in mutants.mutants(row) if mutants.fate(mutant) == "survived"]
    assert not survivors, ", ".join(map(str, survivors))


def test_a_mistake_that_nothing_catches_is_told() -> None:
    exhibit = Exhibit("averaged_kl")
    exhibit.install = lambda put: None
    assert catching_test(exhibit) is None


def test_a_mutant_that_no_case_shows_survives(monkeypatch: pytest.MonkeyPatch) -> None:
    without_numbers = [Case(ops.tanh, lambda rng: [np.zeros((0, 3))])]
    monkeypatch.setitem(CASES, "tanh", without_numbers)
    assert mutants.fate(Mutant("tanh", 0, "negated")) == "survived"


def test_a_detached_vjp_is_equivalent_only_where_it_depends_on_g_alone() -> None:
    kinds = {row: mutants.fate(Mutant(row, 0, "detached")) for row in ("mul", "add", "tanh", "relu")}
    assert kinds == {"mul": "caught", "add": "equivalent", "tanh": "caught", "relu": "equivalent"}


def test_the_catalogue_lists_every_file_once() -> None:
    files = sorted(path.stem.removeprefix("test_") for path in FOLDER.glob("test_*.py"))
    assert files == sorted(name for names in ROOMS.values() for name in names)


def test_docs_museum_md_is_current() -> None:
    assert pages.DOCS.read_text(encoding="utf-8") == pages.render(), "python tests/museum/run.py --write-docs"

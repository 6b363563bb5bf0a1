"""Chapter 13 of the tour: its listings are the museum's, and its figures are those of the other pages."""
from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from museum.catalogue import Exhibit

from tinyae.tour import ch13

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "tour" / "13-gpu-and-exam.md").read_text(encoding="utf-8")
EXHIBITS = {"A": "no_topological_sort", "B": "noisy_target", "C": "uncorrected_adam", "D": "shared_gradients",
            "E": "pixel_kl"}
LISTINGS = dict(re.findall(r"^### ([A-E])\n\n```text\n(.*?)^```$", PAGE, re.S | re.M))


@pytest.mark.parametrize("letter", EXHIBITS)
def test_the_exam_shows_what_the_museum_shows(letter):
    """Without the labels and the comments."""
    wrong = Exhibit(EXHIBITS[letter]).lines("wrong")
    assert ast.unparse(ast.parse(LISTINGS[letter])) == ast.unparse(ast.parse(wrong))
    assert "#" not in LISTINGS[letter]


SAID = {"A": "walk(a)", "B": "x = ", "C": "p.data =", "D": "g += ", "E": "pixels"}


@pytest.mark.parametrize("letter, said", SAID.items())
def test_the_lines_of_the_answers_are_those_that_do_it(letter, said):
    lines, cause, _ = ch13.EXHIBITS[letter]
    assert cause in ch13.CAUSES and cause in ch13.EXERCISES[1].statement
    assert said in LISTINGS[letter].splitlines()[max(lines) - 1 if letter in "AE" else min(lines) - 1]


def test_figures_that_are_quoted_stand_where_they_were_measured():
    kernels, without = re.search(r"VAE 784-128-10, .* asks for (\d+) kernels; without fusing, it\s+would be (\d+)",
                                 PAGE, re.S).groups()
    row = next(line for line in (ROOT / "docs" / "performance.md").read_text(encoding="utf-8").split(
        "## What a step asks of a GPU")[1].splitlines() if line.startswith("| W2 VAE 784-128-10"))
    assert [cell.strip() for cell in row.split("|")[2:4]] == [kernels, without]
    (tests,) = re.findall(r"all (\d+) of tinyae's tests of CuPy", PAGE)
    assert f"all {tests} CuPy tests passed" in re.sub(r"\s+", " ", (ROOT / "README.md").read_text(encoding="utf-8"))

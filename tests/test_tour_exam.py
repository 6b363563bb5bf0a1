"""Chapter 13 of the tour: its listings are the museum's, and its figures are those of the other pages."""
from __future__ import annotations

import ast
import re
from pathlib import Path

import numpy as np
import pytest
from museum.catalogue import Exhibit

from tinyae import backend, kernels, ops
from tinyae.optim import rules
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


def performance(heading: str, start: str) -> list[str]:
    """The cells of the first row below the heading of docs/performance.md that begins with start."""
    page = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
    below = page.split(f"\n{heading}\n")[1].splitlines()
    return [cell.strip() for cell in next(line for line in below if line.startswith(f"| {start}")).split("|")[2:-1]]


def test_figures_that_are_quoted_stand_where_they_were_measured():
    said = re.sub(r"\s+", " ", PAGE)
    kernels, without = performance("## What a step asks of a GPU", "W2 VAE 784-128-10")[:2]
    assert f"asks for {kernels} kernels; without fusing, it would be {without}" in said
    h200 = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8").split("## On an H200")[1]
    batches = re.search(r"^\| images in a batch \|(.*)\|$", PAGE, re.M)[1].replace(" ", "").split("|")
    table = h200.split("### W2 ")[1].split("###")[0]
    rows = [next(line for line in table.splitlines() if line.startswith(f"| {batch} ")).split("|") for batch in batches]
    for device, column in (("CPU", 2), ("GPU", 6)):
        quoted = re.search(rf"^\| {device} +\|(.*)\|$", PAGE, re.M)[1].replace(" ", "").split("|")
        assert quoted == [row[column].strip() for row in rows], device
    assert "W2: below batch 81 the CPU wins" in table and "Below a batch of 81 the CPU" in said
    by_call, captured = (performance("### A step, call by call and as one launch", row) for row in ("W2 VAE", "W2  "))
    assert f"then takes {captured[0]} ms in place of {by_call[2]} " in said
    readme = re.sub(r"\s+", " ", (ROOT / "README.md").read_text(encoding="utf-8"))
    (tests,) = re.findall(r"(\d+) of tinyae's CuPy tests have passed", said)
    assert f"On an NVIDIA H200 with CuPy 14.2, {tests} CuPy tests passed" in readme


def test_fusing_makes_one_kernel_of_each_function_in_the_picture(double):
    x, new = (backend.to_device(np.linspace(0.1, 1, 7, dtype=np.float32), "cuda") for _ in range(2))
    fused = {
        "relu": lambda: kernels.relu(x),
        "sigmoid": lambda: kernels.sigmoid(x),
        "softplus": lambda: kernels.softplus(x),
        "tanh's vjp": lambda: ops.tanh.vjps[0](x, x, x),
        "softplus' vjp": lambda: ops.softplus.vjps[0](x, x, x),
        "Adam": lambda: rules._adam(x, x, x, x, new, 1e-3, 1e-8, 1.0, decays=False, betas=(0.9, 0.999), l2=0.0)}
    assert [*fused] == re.findall(r"^\.\.\.     [\"'](.*?)[\"']: launches\(", PAGE, re.M)
    for name, f in fused.items():
        with double.counting() as n:
            f()
        assert n.launches == 1, name

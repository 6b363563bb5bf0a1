"""The tour: cells print what their page shows, and exercises tell right answers from the known mistakes."""
from __future__ import annotations

import ast
import importlib
import inspect
import io
import re
import subprocess
import sys
from contextlib import redirect_stdout
from functools import cache
from pathlib import Path

import numpy as np
import pytest

import tinyae
from tinyae import tour
from tinyae.errors import BadValue
from tinyae.tour import scalar

ROOT = Path(__file__).parents[1]
TOUR = ROOT / "docs" / "tour"
PAGES = {int(page.name[:2]): page for page in sorted(TOUR.glob("[0-9]*.md"))}
TEXTS = {n: page.read_text(encoding="utf-8") for n, page in PAGES.items()}
EXERCISES = tour.exercises()
ANSWERS = {n: importlib.import_module(f"tour.answers_{n:02}") for n in PAGES}        # tests/tour
RIGHT = {number: answer for module in ANSWERS.values() for number, answer in module.RIGHT.items()}
WRONG = [pytest.param(number, answer, sentence, id=f"{number}-{i}") for module in ANSWERS.values()
         for number, pairs in module.WRONG.items() for i, (answer, sentence) in enumerate(pairs)]
chapters = pytest.mark.parametrize("n", PAGES)
numbers = pytest.mark.parametrize("number", EXERCISES)


@pytest.fixture
def cells(monkeypatch):
    """docs/tour/cells.py, which runs the cells of a page."""
    monkeypatch.syspath_prepend(str(TOUR))
    return importlib.import_module("cells")


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """n -> (what differs from the page, the names that the cells of chapter n define); they run once."""
    @cache
    def run(n):
        with pytest.MonkeyPatch.context() as put, redirect_stdout(io.StringIO()) as told:
            put.syspath_prepend(str(TOUR))
            put.chdir(tmp_path_factory.mktemp("cells"))
            names = importlib.import_module("cells").run(PAGES[n])[1]
        return told.getvalue(), names
    return run


def chapter_of(number: str) -> int:
    return int(number.split(".")[0])


# ---- the pages

@chapters
def test_every_cell_prints_what_the_page_shows(n, ran):
    differences, _ = ran(n)
    assert not differences, differences


def test_a_cell_that_prints_something_else_is_found(cells, tmp_path, capsys):
    page = tmp_path / "00-wrong.md"
    page.write_text("text\n\n```python\n>>> x = 1\n>>> x + 1\n3\n```\n")
    assert cells.run(page)[0] == 1
    assert 'line 5, in 00-wrong.md' in capsys.readouterr().out


@chapters
def test_a_chapter_is_short_and_has_its_parts(n, cells):
    text = TEXTS[n]
    code = [line for _, fence in cells.fences(text) for line in fence.splitlines()
            if re.match(r"(>>>|\.\.\.) *[^ #]" if ">>>" in fence else " *[^ #]", line)]
    assert len(code) <= 150
    assert all(fence.endswith("\n\n") for _, fence in cells.fences(text) if ">>>" in fence)
    assert re.match(rf"# {n}\. ", text) and len(re.findall(r"^# ", text, re.M)) >= 1
    assert re.findall(r"^```\{exercise\} (.*)$", text, re.M) == [f"{n}.{i}" for i in (1, 2, 3)]
    wild = text.split("## What goes wrong in the wild")[1]
    shown = re.findall(r"\[(\w+)\]\(\.\./\.\./tests/museum/exhibits/test_(\w+)\.py\)", wild)
    assert shown and all(name == file for name, file in shown)
    last = text.rstrip().splitlines()[-1]
    assert "](../../tinyae/" in last or "](../../demos/" in last
    if n + 1 in PAGES:
        assert f"]({PAGES[n + 1].name})" in last
    prose = re.sub(r"^```python\n.*?^```", "", text, flags=re.S | re.M)
    wide = [line for line in prose.splitlines() if len(line) > 120 and not line.startswith(("![", last))]
    assert not wide and max(map(len, code)) <= 124
    formulae = re.findall(r"\$\$.+?\$\$|\$[^$]+\$", re.sub(r"^```.*?^```|`[^`\n]+`", "", text, flags=re.S | re.M),
                          flags=re.S)
    assert not [f for f in formulae if "&" in f or "aligned" in f]


@chapters
def test_quoted_lines_are_those_of_the_source(n, cells):
    """A fence without >>> quotes the package, whatever its indentation there."""
    sources = ["\n".join(line.strip() for line in path.read_text(encoding="utf-8").splitlines())
               for path in (ROOT / "tinyae").rglob("*.py")]
    for _, fence in cells.fences(TEXTS[n]):
        if not fence.startswith(">>>"):
            quoted = "\n".join(line.strip() for line in fence.splitlines())
            assert any(quoted in source for source in sources), quoted


@chapters
def test_a_chapter_has_one_picture_with_words_for_those_who_cannot_see_it(n):
    (words, path), = re.findall(r"!\[([^]]*)\]\(([^)]+)\)", TEXTS[n])
    assert path.startswith(f"pictures/{PAGES[n].stem[:2]}-") and len(words) > 40
    assert 0 < (TOUR / path).stat().st_size < 150_000


@chapters
def test_the_picture_can_be_drawn_anew(n, ran, cells, tmp_path):
    pytest.importorskip("matplotlib")
    drawn = importlib.import_module("pictures").draw(PAGES[n], ran(n)[1], tmp_path)
    assert drawn.name in TEXTS[n]
    there = (TOUR / "pictures" / drawn.name).stat().st_size
    assert 0.5 < drawn.stat().st_size / there < 2


def test_the_command_that_draws_a_picture(tmp_path):
    pytest.importorskip("matplotlib")
    subprocess.run([sys.executable, str(TOUR / "pictures.py"), "01", "--out", str(tmp_path)], check=True, cwd=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["01-one-number.svg"]


@pytest.mark.parametrize("page", sorted(TOUR.glob("*.md")), ids=lambda page: page.name)
def test_every_link_is_there(page):
    text = re.sub(r"```.*?```|`[^`\n]*`", "", page.read_text(encoding="utf-8"), flags=re.S)
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", text):
        assert target.startswith("http") or (page.parent / target).exists(), target


def test_the_index_lists_every_chapter():
    listed = re.findall(r"^(\d+)\. \[([^]]+)\]\(([^)]+)\)", (TOUR / "index.md").read_text(encoding="utf-8"), re.M)
    assert listed == [(str(n), TEXTS[n].split("\n")[0].split(". ", 1)[1], PAGES[n].name) for n in PAGES]


def test_the_readme_leads_to_the_tour_in_its_first_screen():
    assert "docs/tour/index.md" in "\n".join((ROOT / "README.md").read_text(encoding="utf-8").splitlines()[:25])


# ---- the exercises

def test_each_chapter_has_three_exercises():
    assert list(EXERCISES) == [f"{n}.{i}" for n in PAGES for i in (1, 2, 3)] == list(RIGHT)


@numbers
def test_the_page_shows_the_exercise_as_it_is(number):
    shown = re.search(rf"^```{{exercise}} {re.escape(number)}\n(.*?)\n\n---\n(.*?)^```", TEXTS[chapter_of(number)],
                      re.S | re.M)
    exercise = EXERCISES[number]
    assert (shown[1], shown[2]) == (exercise.statement, exercise.starter)
    assert f"`{exercise.name}" in exercise.statement and exercise.hints


@numbers
def test_the_starter_fails(number, ran):
    """In a namespace in which the chapter's cells have run."""
    names = dict(ran(chapter_of(number))[1])
    exec(compile(EXERCISES[number].starter, "<starter>", "exec"), names)
    right, words = tour.verdict(number, names[EXERCISES[number].name])
    assert not right and re.search(r"\n  expected: .*\n  got:      .*\n  fix:      ", words)


@numbers
def test_the_reference_answer_passes(number):
    right, words = tour.verdict(number, RIGHT[number])
    said = ("" if number in ("2.1", "4.1", "5.1", "5.2", "5.3", "6.1", "6.2", "13.2") else
            r", gradient to \S+; test error \S+, PCA \S+" if number == "13.3" else r", worst relative error \S+")
    assert right and re.fullmatch(rf"right: {re.escape(number)} \w+{said}", words), words


@pytest.mark.parametrize("number, answer, sentence", WRONG)
def test_a_known_mistake_is_told_in_its_own_words(number, answer, sentence):
    right, words = tour.verdict(number, answer)
    assert not right and sentence in words, words
    assert re.search(r"\n  expected: .*\n  got:      .*\n  fix:      ", words)


@numbers
@pytest.mark.parametrize("answer", [None, lambda *args, **settings: None, 1.0], ids=["None", "a function", "a number"])
def test_anything_else_fails(number, answer):
    assert not tour.verdict(number, answer)[0]


@chapters
def test_checks_use_only_what_the_chapters_so_far_have_introduced(n):
    """Rows, functions, layers and so on in ch03.py, its starters and answers occur in chapters 1 to 3."""
    tree = ast.parse(inspect.getsource(importlib.import_module(f"tinyae.tour.ch{n:02}")))
    tools = {"errors", "exercise", "scalar", "backend", None}
    used = {alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.level
            for alias in node.names if node.module not in tools} - {"data_of"}
    used |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and not node.module
             for alias in node.names}
    right = "\n".join(inspect.getsource(answer) for answer in ANSWERS[n].RIGHT.values() if inspect.isfunction(answer)
                      and answer.__module__ == ANSWERS[n].__name__)
    for code in (tree, ast.parse(right), *(ast.parse(EXERCISES[f"{n}.{i}"].starter) for i in (1, 2, 3))):
        used |= {node.attr for node in ast.walk(code)
                 if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
                 and node.value.id in ("ops", "functions", "layers", "optim", "models", "conv")}
    known = {word for m in PAGES if m <= n for word in re.findall(r"\w+", TEXTS[m])}
    assert used <= known, f"chapter {n} has not yet named {used - known}"


def test_no_other_page_shows_the_answer_of_an_exercise():
    """As a row: `softsign = op(...)`. The engine's own table is another matter."""
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "tinyae" / "tensor.py",
             *(ROOT / "docs").glob("*.md"), *(ROOT / "docs" / "notebooks").glob("*.ipynb")]
    row = re.compile(rf"\b({'|'.join(exercise.name for exercise in EXERCISES.values())})\s*=\s*op\(")
    assert {page.name: found for page in pages if (found := row.findall(page.read_text(encoding="utf-8")))} == {}


def test_the_engine_of_the_first_two_chapters_is_the_one_their_checks_use(cells):
    shown = "\n".join(re.sub(r"^(>>>|\.\.\.) ?", "", line) for n in (1, 2) if n in PAGES
                      for _, fence in cells.fences(TEXTS[n]) for line in fence.splitlines())
    source = inspect.getsource(scalar)
    parts = [inspect.getsource(scalar.op), *re.findall(r"^(?:add|mul) = .*\n", source, re.M)]
    if 2 in PAGES:
        parts += map(inspect.getsource, (scalar.Tensor, scalar.tape, scalar.grad))
    assert all(part.rstrip() in shown for part in parts)


def test_an_error_inside_numpy_is_told_at_the_readers_line():
    def squared_error(y, x):
        return np.broadcast_to(np.zeros(3), (2,))
    words = tour.verdict("4.3", squared_error)[1]
    assert "raised ValueError" in words and "in squared_error: return np.broadcast_to" in words


# ---- check and hint

def test_check_prints_and_returns_nothing(capsys):
    assert tinyae.tour.check("1.1", RIGHT["1.1"]) is None
    assert capsys.readouterr().out.startswith("right: 1.1 exp, worst relative error ")


def test_hints_come_one_by_one_and_then_again(capsys):
    tour._hints.clear()
    hints = EXERCISES["1.2"].hints
    for _ in range(len(hints) + 1):
        tour.hint("1.2")
    told = capsys.readouterr().out.splitlines()
    assert told == [f"hint {i + 1} of {len(hints)}: {hints[i]}" for i in (*range(len(hints)), 0)]


def test_a_number_that_no_exercise_has_is_refused():
    with pytest.raises(BadValue, match="no exercise has this number"):
        tour.check("3.14", None)
    with pytest.raises(BadValue, match=r"a string, one of 1\.1, 1\.2"):
        tour.hint(1.1)


def test_the_command(tmp_path):
    def command(*args):
        done = subprocess.run([sys.executable, "-m", "tinyae.tour", *args], capture_output=True, text=True,
                              cwd=tmp_path, env={"PYTHONPATH": str(ROOT), "PATH": ""})
        return done.returncode, done.stdout + done.stderr

    (tmp_path / "my.py").write_text("def slope(f, x, h):\n    return (f(x + h) - f(x - h)) / (2 * h)\n")
    (tmp_path / "off.py").write_text("def slope(f, x, h):\n    return (f(x + h) - f(x)) / h\n")
    (tmp_path / "other.py").write_text("def stope(f, x, h):\n    return 0\n")
    assert command()[1].split()[:2] == ["1.1", "exp"]
    assert EXERCISES["1.2"].statement in command("1.2")[1]
    assert EXERCISES["1.2"].hints[-1] in command("1.2", "--hints")[1]
    assert command("1.2", "my.py")[0] == 0
    status, words = command("1.2", "off.py")
    assert status == 1 and "the right alone" in words
    status, words = command("1.2", "other.py")
    assert status == 2 and "no slope in other.py" in words
    assert command("1.2", "absent.py")[0] == command("9.9")[0] == 2
    (tmp_path / "bare.py").write_text("\nexp = op(None)\n")
    (tmp_path / "cut.py").write_text("exp = (\n")
    for file, line, error, fix in (("bare.py", 2, "NameError: name 'op'", "from tinyae.tour.scalar import *"),
                                   ("cut.py", 1, "SyntaxError", "mend that line of cut.py")):
        status, words = command("1.1", file)
        assert status == 2 and "Traceback" not in words and fix in words
        assert f"{file} stops with an error in line {line}" in words and f"got:      {error}" in words


def test_the_engine_does_not_load_the_tour():
    assert subprocess.run([sys.executable, "-c", "import sys, tinyae; sys.exit('tinyae.tour' in sys.modules)"],
                          cwd=ROOT).returncode == 0

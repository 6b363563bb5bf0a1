"""The README is run, not believed."""
import ast
import contextlib
import io
import re
from pathlib import Path

import pytest
from test_house import lines_of_code

import tinyae

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, re.S)


def test_the_example_prints_what_it_says():
    example, _ = blocks("python")
    said = [line.split("#")[1].strip() for line in example.splitlines() if line.startswith("print(")]
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(example, "README.md", "exec"), {})
    printed = out.getvalue().splitlines()
    assert len(printed) == len(said) == 3
    assert all(claim.startswith(line) for line, claim in zip(printed, said, strict=True)), printed


def test_the_loop_is_the_first_demo_s():
    _, loop = blocks("python")
    assert "\n" + loop in (ROOT / "demos" / "first.py").read_text()
    assert len(loop.splitlines()) <= 12 and "optimizer.step(g)" in loop
    assert f"a whole program in {lines_of_code(ROOT / 'demos' / 'first.py')} lines" in README


def test_the_checks_of_a_change_are_the_readme_s_second_command():
    commands = [block.strip() for block in blocks("sh")]
    assert commands[0].endswith("demos/vae.py") and commands[1].endswith("-m pytest")
    assert "\n" + commands[1] + "\n" in (ROOT / ".ci" / "run").read_text()


def test_every_check_that_is_called_is_a_session_of_nox():
    sessions = {node.name for node in ast.parse((ROOT / "noxfile.py").read_text()).body
                if isinstance(node, ast.FunctionDef) and any("session" in ast.unparse(d) for d in node.decorator_list)}
    for file in (".ci/run", ".pre-commit-config.yaml", "CONTRIBUTING.md", "noxfile.py"):
        called = re.findall(r"nox(?: -\S+)* -s ((?:\w+ ?)+)", (ROOT / file).read_text())
        assert called, file
        assert {name for names in called for name in names.split()} <= sessions, file


def test_the_version_is_that_of_the_citation_and_the_changelog():
    assert f"\nversion: {tinyae.__version__}\n" in (ROOT / "CITATION.cff").read_text()
    assert f"\n## {tinyae.__version__}" in (ROOT / "CHANGELOG.md").read_text()


@pytest.mark.parametrize("page", [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")], ids=lambda page: page.name)
def test_every_link_and_picture_is_there(page):
    text = re.sub(r"```.*?```|`[^`\n]*`", "", page.read_text(), flags=re.S)
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        assert target.startswith("http") or (page.parent / target).exists(), target


def test_every_demo_is_in_the_table_with_its_first_line():
    for demo in (ROOT / "demos").glob("*.py"):
        first = ast.get_docstring(ast.parse(demo.read_text())).splitlines()[0]
        assert f"| [{demo.stem}](demos/{demo.name}) | {first} |" in README

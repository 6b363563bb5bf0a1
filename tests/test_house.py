"""The order of the house: each file imports only files before it, and a reader can hold each in the head."""
import ast
import io
import re
import tokenize
from pathlib import Path

import pytest

import tinyae
from tinyae.ops import ROWS

PACKAGE = Path(tinyae.__file__).parent
ORDER = ["errors", "files", "backend", "kernels", "refusals", "guards", "tensor", "ops", "conv", "functions", "layers",
         "optim", "models"]
LAYERS = ["parameters", "weights", "dense", "sequential", "convolution", "summary"]
AIMS = {"backend": 80, "tensor": 120, "ops": 200, "conv": 200, "functions": 150, "gradcheck": 120,
        **dict.fromkeys(LAYERS, 75), "optim": 80}
FILES = [path for name in ORDER if (path := PACKAGE / f"{name}.py").exists()]
LAYER_FILES = [PACKAGE / "layers" / f"{name}.py" for name in LAYERS]


def imported(path: Path) -> set[str]:
    """The modules of its package that a file imports, anywhere in it."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            names |= {node.module.split(".")[0]} if node.module else {a.name for a in node.names}
    return names


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_a_file_imports_only_files_before_it(path):
    before = set(ORDER[:ORDER.index(path.stem)])
    assert imported(path) <= before, f"{path.name} imports {imported(path) - before}, which comes later"


@pytest.mark.parametrize("path", LAYER_FILES, ids=lambda p: p.stem)
def test_a_file_of_layers_imports_only_files_before_it(path):
    assert imported(path) <= set(ORDER[:ORDER.index("layers")]) | set(LAYERS[:LAYERS.index(path.stem)])
    assert sorted(p.stem for p in PACKAGE.glob("layers/*.py")) == sorted([*LAYERS, "__init__"])


@pytest.mark.parametrize("path", sorted(PACKAGE.glob("models/*.py")), ids=lambda p: p.stem)
def test_a_model_imports_the_nine_files_and_models(path):
    models = {p.stem for p in PACKAGE.glob("models/*.py")}
    assert imported(path) <= set(ORDER) | models


@pytest.mark.parametrize("path", [*FILES, *LAYER_FILES], ids=lambda p: p.stem)
def test_a_file_opens_with_its_place(path):
    place = path.stem if path.parent == PACKAGE else f"{path.parent.name} · {path.stem}"
    assert re.match(rf"(\d of 9 · )?{place}: ", ast.get_docstring(ast.parse(path.read_text())))


def test_only_backend_names_cupy():
    for path in PACKAGE.rglob("*.py"):
        found = [node for node in ast.walk(ast.parse(path.read_text()))
                 if (isinstance(node, ast.Import | ast.ImportFrom) and "cupy" in ast.unparse(node))
                 or (isinstance(node, ast.Name) and node.id == "cupy")]
        assert not found or path.name == "backend.py", f"{path} names CuPy"


def test_no_framework_is_imported():
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import | ast.ImportFrom):
                assert not re.search(r"\b(torch|jax|tensorflow|keras|autograd)\b", ast.unparse(node)), path


def test_rows_of_ops_fit_a_page():
    """The table reads as a page: no line of it is wider than 110 columns."""
    source = (PACKAGE / "ops.py").read_text()
    table = source[source.index("# fmt: off"):source.index("# fmt: on")]
    assert max(map(len, table.splitlines())) <= 110
    assert len(ROWS) > 40 and all(row.__name__ == name for name, row in ROWS.items())


def lines_of_code(path: Path) -> int:
    """Lines without blanks, comments and docstrings."""
    source = path.read_text()
    docstrings = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef) and ast.get_docstring(node):
            docstrings |= set(range(node.body[0].lineno, node.body[0].end_lineno + 1))
    empty = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER)
    code = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in empty:
            code |= set(range(token.start[0], token.end[0] + 1))
    return len(code - docstrings)


def test_lines_of_code_against_their_aims(capsys):
    """Printed, so that growth is seen; refused is only a file that has doubled."""
    with capsys.disabled():
        print()
        for path in [*FILES, *LAYER_FILES]:
            aim = AIMS.get(path.stem)
            print(f"  {path.name:14} {lines_of_code(path):4} lines of code" + (f", aim {aim}" if aim else ""))
    assert all(lines_of_code(p) <= 2 * AIMS.get(p.stem, 100) for p in [*FILES, *LAYER_FILES])

"""The plan of the house: what stands where, what may import what, and how long a file may be."""
from __future__ import annotations

import ast
import configparser
import io
import re
import subprocess
import sys
import tokenize
import zlib
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import pytest

import tinyae
from tinyae.ops import ROWS

PACKAGE = Path(tinyae.__file__).parent
README = (PACKAGE.parent / "README.md").read_text()


class Entry(NamedTuple):
    table: str      # of the README that names it: "chapters", "below" (what they stand on) or "around"
    aim: int        # lines of code, without blanks, comments and docstrings, in each of its files
    files: tuple[str, ...] = ()     # of a package whose files are read in an order


# The one list of what stands at the top of tinyae, in the order of imports: a file imports only files before it.
HOUSE = {
    "errors": Entry("below", 25),
    "files": Entry("below", 60),
    "backend": Entry("below", 115),
    "kernels": Entry("below", 220),
    "refusals": Entry("below", 185),
    "guards": Entry("below", 240),
    "tensor": Entry("chapters", 100),
    "ops": Entry("chapters", 220),
    "fused": Entry("below", 150),
    "conv_blocks": Entry("below", 120),
    "conv": Entry("chapters", 160),
    "functions": Entry("chapters", 100),
    "check": Entry("chapters", 150),
    "unroll": Entry("chapters", 200, ("recorded", "recording", "watched", "graph", "passes", "buffers", "update",
                                     "words", "text", "writing", "standalone", "cublas", "capture", "program",
                                     "step")),
    "show": Entry("chapters", 100),
    "layers": Entry("chapters", 60, ("parameters", "weights", "dense", "sequential", "convolution", "pooling", "tied",
                                     "summary", "printing")),
    "optim": Entry("chapters", 95),
    "models": Entry("chapters", 60),
    "console": Entry("around", 100),
    "data": Entry("around", 100),
    "train": Entry("around", 120),
    "demo": Entry("around", 130),
    "tour": Entry("around", 150),
}
# Files of a package that stand later than the package: the table of all gradients knows layers and models, a page about
# a trained model knows layers, and a command may use everything.
LATER = {"check/cases": "models", "check/properties": "models", "check/table": "models", "check/__main__": "demo",
         "data/__main__": "demo", "show/latent": "layers"}
TABLES = {"check/cases": 250}       # lines of code: one for everything that has a gradient
FILES = sorted(path.relative_to(PACKAGE).with_suffix("").as_posix() for path in PACKAGE.rglob("*.py"))


def place(file: str) -> int:
    """Where a file stands in the order of imports; tinyae/__init__.py is the last of all."""
    return [*HOUSE, "__init__"].index(LATER.get(file, file.split("/")[0]))


@cache
def parsed(file: str) -> ast.Module:
    return ast.parse((PACKAGE / f"{file}.py").read_text())


def imported(file: str) -> set[str]:
    """The files of the package that a file imports, anywhere in it. The version counts as none."""
    found = set()
    for node in ast.walk(parsed(file)):
        if isinstance(node, ast.ImportFrom) and node.level:
            path = [*file.split("/")[:-node.level], *filter(None, (node.module or "").split("."))]
            for name in {alias.name for alias in node.names} - {"__version__"}:
                candidates = ([*path, name], [*path, name, "__init__"], path, [*path, "__init__"])
                found.add(next(f for f in map("/".join, candidates) if f in FILES))
    return found


def test_the_top_of_the_package_is_the_plan():
    entries = {path.name.removesuffix(".py") for path in PACKAGE.iterdir()} - {"__init__", "__pycache__"}
    assert entries == {*HOUSE, "py.typed"}
    assert len(HOUSE) <= 23


@pytest.mark.parametrize("table, heading", [("chapters", "chapter"), ("below", "what they stand on"),
                                            ("around", "around them")])
def test_the_readme_shows_the_plan(table, heading):
    rows = README.split(f"\n| {heading}")[1].split("\n\n")[0]
    shown = re.findall(r"\]\(tinyae/(\w+?)(?:\.py)?\)", rows)
    assert shown == [name for name, entry in HOUSE.items() if entry.table == table]


def test_the_picture_shows_the_plan():
    picture = (PACKAGE.parent / "docs" / "architecture.svg").read_text()
    assert sorted(re.findall(r'<text class="entry".*>(\w+)</text>', picture)) == sorted(HOUSE)


@pytest.mark.parametrize("file", [file for file in FILES if file != "__init__"])
def test_a_file_imports_only_files_before_it(file):
    wrong = {other for other in imported(file) if place(other) > place(file)}
    assert not wrong, f"{file} imports {wrong}, which come later in HOUSE"


def test_a_wheel_holds_every_file_of_the_package_and_stays_below_a_megabyte():
    """setup.cfg names what is not Python; a wheel is a zip, which compresses each file by itself."""
    config = configparser.ConfigParser()
    config.read(PACKAGE.parent / "setup.cfg")
    named = {path for package, globs in config["options.package_data"].items() for pattern in globs.split(", ")
             for path in PACKAGE.parent.joinpath(*package.split(".")).glob(pattern)}
    kept = {path for path in PACKAGE.rglob("*") if path.is_file() and "__pycache__" not in path.parts}
    assert named == {path for path in kept if path.suffix != ".py"}
    assert sum(len(zlib.compress(path.read_bytes())) for path in kept) < 1_000_000


def test_imports_within_the_package_are_relative():
    """Only these are compared with the order."""
    for file in FILES:
        for node in ast.walk(parsed(file)):
            if isinstance(node, ast.Import | ast.ImportFrom):
                assert not re.search(r"(import|from) tinyae\b", ast.unparse(node)), file


def test_imports_make_no_circle():
    """Within a package, too, there is an order in which each file imports only files before it."""
    TopologicalSorter({file: imported(file) for file in FILES}).prepare()


@pytest.mark.parametrize("package", [name for name, entry in HOUSE.items() if entry.files])
def test_a_package_that_is_read_in_order_imports_in_this_order(package):
    order = [f"{package}/{name}" for name in HOUSE[package].files]
    assert sorted([*order, f"{package}/__init__"]) == [file for file in FILES if file.startswith(f"{package}/")]
    for i, file in enumerate(order):
        later = imported(file) & {*order[i:], f"{package}/__init__"}
        assert not later, f"{file} imports {later}, which is read after it"


@pytest.mark.parametrize("file", [file for file in FILES if not file.endswith("__")])
def test_a_file_opens_with_its_place(file):
    """[package · ]file: one idea. In a package that is read in order, the package is always named."""
    *package, name = file.split("/")
    above = "".join(f"{p} · " if HOUSE[p].files else f"({p} · )?" for p in package)
    assert re.match(f"{above}{name}: ", ast.get_docstring(parsed(file)))


def test_only_backend_names_cupy():
    for file in FILES:
        found = [node for node in ast.walk(parsed(file))
                 if (isinstance(node, ast.Import | ast.ImportFrom) and "cupy" in ast.unparse(node))
                 or (isinstance(node, ast.Name) and node.id == "cupy")]
        assert not found or file == "backend", f"{file} names CuPy"


def test_no_framework_is_imported():
    for file in FILES:
        for node in ast.walk(parsed(file)):
            if isinstance(node, ast.Import | ast.ImportFrom):
                assert not re.search(r"\b(torch|jax|tensorflow|keras|autograd)\b", ast.unparse(node)), file


def test_rows_of_ops_fit_a_page():
    """The table reads as a page: no line of it is wider than 110 columns."""
    source = (PACKAGE / "ops.py").read_text()
    table = source[source.index("# fmt: off"):source.index("# fmt: on")]
    assert max(map(len, table.splitlines())) <= 110
    assert source[:source.index("# fmt: off")].count("\n") < 60, "the table comes first, its helpers below it"
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


@pytest.mark.parametrize("file", [file for file in FILES if file != "__init__"])
def test_a_file_is_as_long_as_its_aim_at_most(file):
    """A tenth more is allowed: an aim steers, it does not make anyone fold two lines into one."""
    aim = TABLES.get(file, HOUSE[file.split("/")[0]].aim)
    assert lines_of_code(PACKAGE / f"{file}.py") <= 1.1 * aim, f"{file}: split it, or say it shorter"


# ---- import tinyae

def python(code: str) -> str:
    """What a fresh interpreter prints."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True,
                          cwd=PACKAGE.parent).stdout


def test_every_chapter_is_there_after_import_tinyae():
    python("import tinyae; tinyae.models.VAE, tinyae.optim.Adam, tinyae.functions.softmax, tinyae.layers.Dense, "
           "tinyae.data.load, tinyae.train.fit, tinyae.ops.exp, tinyae.conv.conv2d, tinyae.check.gradcheck.gradcheck, "
           "tinyae.tensor.Tensor; assert callable(tinyae.gradcheck)")
    chapters = {name for name, entry in HOUSE.items() if entry.table == "chapters"} | {"data", "train"}
    assert chapters - {"tensor"} <= set(tinyae.__all__) <= set(dir(tinyae))
    assert all(hasattr(tinyae, name) for name in tinyae.__all__)


def test_import_tinyae_loads_no_more_than_the_engine():
    loaded = python("import sys, tinyae; print(*[name for name in sys.modules if name.startswith('tinyae.')])").split()
    assert {name.split(".")[1] for name in loaded} == {
        name for name, entry in HOUSE.items() if entry.table != "around"} - {"models", "optim"}
    assert not {"tinyae.check.cases", "tinyae.check.__main__"} & set(loaded)


def test_data_can_be_imported_without_pillow():
    """In a browser it need not be there."""
    python("import sys; sys.modules['PIL'] = None; import tinyae.data, tinyae.train, tinyae.models")


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'tinyae' has no attribute 'nonsense'"):
        tinyae.nonsense             # noqa: B018
    with pytest.raises(ImportError, match="cannot import name 'nonsense' from 'tinyae'"):
        from tinyae import nonsense  # noqa: F401

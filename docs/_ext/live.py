"""Cells and exercises of the tour, and the parts with which they run in the page.

A fence of `>>>` lines becomes code with its output below it. ```{exercise} 3.2``` holds a statement, a line `---` and
the code to start from. _static/live.js makes both editable and runs them, on Python and NumPy compiled for the browser
(Pyodide). Pyodide's core is fetched here, once, and becomes part of the site. NumPy's wheel comes from Pyodide's own
distribution when a reader presses Run, or from the folder that -D pyodide=FOLDER names, and then the site is complete.
"""
from __future__ import annotations

import base64
import hashlib
import html
import io
import json
import re
import shutil
import tarfile
import urllib.request
import zipfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

from tinyae import tour

ROOT = Path(__file__).parents[2]
VERSION = "314.0.7"
CORE = f"https://registry.npmjs.org/pyodide/-/pyodide-{VERSION}.tgz"
SHA512 = "0YvXxEhfEdpLfb/XkM2BFAeMROq0iMUX2bzzH9pOttyMcWkwq+HbE5uyuGD82LN7y2q+SNvi/6V5JEsOlD2R1A=="
FILES = ("pyodide.mjs", "pyodide.asm.mjs", "pyodide.asm.wasm", "python_stdlib.zip", "pyodide-lock.json")
PACKAGES = ("tinyae", "tqdm")                   # pure Python, zipped as they are installed here
MUSEUM = ("pytest", "_pytest", "py", "pluggy", "iniconfig", "packaging", "pygments")     # for the museum
WHEELS = ("numpy", "pillow")
log = logging.getLogger(__name__)


class cell(nodes.General, nodes.Element):
    """Code, with the output that the text shows: a list of (code, output)."""


class Exercise(SphinxDirective):
    required_arguments = 1
    has_content = True

    def run(self) -> list[nodes.Node]:
        number = self.arguments[0]
        statement, starter = split(list(self.content))
        box = nodes.container(classes=["exercise"])
        title = nodes.paragraph("", "", nodes.strong("", f"Exercise {number}"))
        box += [title, *self.parse_text_to_nodes("\n".join(statement))]
        box += cell(steps=[("\n".join(starter), "")], exercise=number)
        for i, hint in enumerate(tour.exercise(number).hints, 1):
            box += hidden(f"Hint {i}", self.parse_text_to_nodes(hint))
        desk = f"At the desk: `python -m tinyae.tour {number} my.py` checks a file that defines the answer."
        box += nodes.container("", *self.parse_text_to_nodes(desk), classes=["desk"])
        self.set_source_info(box)
        return [box]


class Break(SphinxDirective):
    """A cell that puts an exhibit's mistake into the library, and names the test that notices."""
    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        code = ("from museum.catalogue import Exhibit\nfrom museum.visit import catching_test\n"
                f"exhibit = Exhibit({self.arguments[0]!r})\nprint(exhibit.outcome())\n"
                "print('With the mistake in the library fails', catching_test(exhibit))")
        return [nodes.container("", cell(steps=[(code.replace("'", '"'), "")], exercise="", label="Break it"),
                                classes=["break"])]


def hidden(title: str, content: list[nodes.Node]) -> list[nodes.Node]:
    """What a reader unfolds."""
    return [nodes.raw("", f"<details><summary>{title}</summary>", format="html"), *content,
            nodes.raw("", "</details>", format="html")]


def split(lines: list[str]) -> tuple[list[str], list[str]]:
    """The statement, and the code below the line `---` without the fence around it."""
    at = next((i for i, line in enumerate(lines) if line.strip() == "---"), len(lines))
    code = [line for line in lines[at + 1:] if not line.startswith("```")]
    text = "\n".join(code).strip("\n")
    return lines[:at], [code for code, _ in steps(text)] if ">>>" in text else text.splitlines()


def steps(text: str) -> list[tuple[str, str]]:
    """The `>>>` lines of a fence as [(code, output)]; code without an output runs on into the next."""
    found: list[tuple[list[str], list[str]]] = [([], [])]
    for line in text.rstrip("\n").splitlines():
        if line.startswith((">>>", "...")):
            if any(found[-1][1]):
                found.append(([], []))
            code, output = found[-1]
            code += [*output, line[4:]]                         # an empty line between two statements
            output.clear()
        else:
            found[-1][1].append(line)
    return [(re.sub(r"[ ]*# doctest:.*", "", "\n".join(code)),
             "\n".join(output).strip("\n").replace("<BLANKLINE>", "")) for code, output in found]


def cells(app: Any, doctree: nodes.document) -> None:
    """Turns every fence of `>>>` lines in the tour into a cell."""
    if app.env.docname.startswith("tour/"):
        for block in list(doctree.findall(nodes.literal_block)):
            if block.astext().startswith(">>>"):
                block.replace_self(cell(steps=steps(block.astext()), exercise=""))


def visit_cell(self: Any, node: cell) -> None:
    label = node.get("label", "Check" if node["exercise"] else "Run")
    self.body.append(f'<div class="cell" data-exercise="{node["exercise"]}" data-label="{label}">')
    for code, output in node["steps"]:
        shown = self.highlighter.highlight_block(code, "python")
        printed = f'<pre class="output" tabindex="0">{html.escape(output)}</pre>' if output else ""
        self.body.append(f'<div class="step">{shown}{printed}</div>')
    self.body.append("</div>")
    raise nodes.SkipNode


# ---- the parts

def core(cache: Path) -> bytes:
    """The npm package `pyodide`, from the cache or the network; of this sum, or refused."""
    kept = cache / CORE.rpartition("/")[2]
    if not kept.exists():
        with urllib.request.urlopen(CORE, timeout=60) as answer:
            data = answer.read()
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_bytes(data)
    data = kept.read_bytes()
    if base64.b64encode(hashlib.sha512(data).digest()).decode() != SHA512:
        kept.unlink()
        raise ValueError(f"{CORE} has another SHA-512 than this build expects")
    return data


def zipped(packages: tuple[str, ...], folders: tuple[Path, ...] = ()) -> bytes:
    """The packages' Python files and licences, and the Python files of more folders."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for package in packages:
            spec = find_spec(package)
            top = Path(spec.origin) if spec.submodule_search_locations is None else Path(spec.origin).parent
            licences = [*top.parent.glob(f"{package}-*.dist-info/**/LICEN*"), *top.parent.glob("LICENSE")]
            for path in [*([top] if top.is_file() else sorted(top.rglob("*.py"))), *licences[:1]]:
                archive.write(path, path.relative_to(top.parent).as_posix())
        for folder in folders:
            for path in sorted(folder.rglob("*.py")):
                archive.write(path, path.relative_to(folder.parent).as_posix())
    return out.getvalue()


def wheels(folder: str) -> Iterator[Path]:
    """The wheels for the browser in a folder: NumPy's, and Pillow's if it is there."""
    for name in WHEELS:
        found = sorted(Path(folder).glob(f"{name}-*wasm32.whl"))
        if not found and name == "numpy":
            raise FileNotFoundError(f"-D pyodide={folder}: no numpy-*wasm32.whl in this folder")
        yield from found[-1:]


def assemble(app: Any, error: Exception | None) -> None:
    """Writes _static/live: Pyodide's core, the packages, the wheels, and a list of what there is."""
    if error or app.builder.format != "html":
        return
    live = Path(app.outdir) / "_static" / "live"
    live.mkdir(parents=True, exist_ok=True)
    try:
        package = core(ROOT / "build" / "pyodide")
    except OSError as reason:                       # without a network the pages are complete, and their cells text
        log.info("the cells will not run: %s cannot be had (%s)", CORE, reason)
        return
    with tarfile.open(fileobj=io.BytesIO(package)) as archive:
        for name in (*FILES, "README.md"):
            (live / name).write_bytes(archive.extractfile(f"package/{name}").read())
    (live / "packages.zip").write_bytes(zipped(PACKAGES))
    museum = all(map(find_spec, MUSEUM))            # without pytest, the exhibits have no button
    if museum:
        (live / "museum.zip").write_bytes(zipped(MUSEUM, (ROOT / "tests" / "museum",)))
    own = list(wheels(app.config.pyodide)) if app.config.pyodide else []
    for wheel in own:
        shutil.copyfile(wheel, live / wheel.name)
    parts = {"wheels": [wheel.name for wheel in own], "packages": list(WHEELS), "museum": museum,
             "distribution": f"https://cdn.jsdelivr.net/pyodide/v{VERSION}/full/"}
    (live / "parts.json").write_text(json.dumps(parts))


def setup(app: Any) -> dict[str, Any]:
    app.add_config_value("pyodide", "", "html", str)
    app.add_node(cell, html=(visit_cell, None))
    app.add_directive("exercise", Exercise)
    app.add_directive("break", Break)
    app.add_js_file("live.js", loading_method="defer")
    app.connect("doctree-read", cells)
    app.connect("build-finished", assemble)
    return {"parallel_read_safe": True}

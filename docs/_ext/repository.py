"""Links to the repository's files: to the site's page of a file if it has one, else to the file's source as a page.

Pages link as they do on a code host: [tensor.py](../tinyae/tensor.py). A page of three lines, an `include` fence and
nothing else, brings a file from the top of the repository into the site, and its links are relative to that file.
"""
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from docutils import nodes
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_for_filename
from sphinx.util import logging

ROOT = Path(__file__).parents[2]
PAGES = {"README.md": "readme", "CHANGELOG.md": "changelog", "CONTRIBUTING.md": "contributing"}
FOLDERS = {ROOT / "demos": "/gallery.md", ROOT / "tests" / "museum": "/museum.md",
           ROOT / "tests" / "museum" / "exhibits": "/museum.md", ROOT / "docs" / "tour": "/tour/index.md"}
CODE = re.compile(r"(^[ ]*(?:```|~~~).*?^[ ]*(?:```|~~~)[ ]*$|`[^`\n]*`)", re.S | re.M)
LINK = re.compile(r"\[((?:`[^`]*`|[^][`])*)\]\((?!\w+:|[#{])([^)\s#]+)(#[^)\s]*)?\)")
INCLUDE = re.compile(r"\A```\{include\} (\S+)\n```\n\Z")
log = logging.getLogger(__name__)


def read(app: Any, docname: str, content: list[str]) -> None:
    """Brings the included file in, and rewrites the links of a page."""
    here = Path(app.env.doc2path(docname))
    if included := INCLUDE.match(content[0]):
        here = (here.parent / included[1]).resolve()
        app.env.note_dependency(str(here))
        content[0] = here.read_text(encoding="utf-8")
    content[0] = rewrite(content[0], here.parent, docname)
    if docname == "index":                      # Sphinx warns of a pattern in a toctree that matches no page
        content[0] = re.sub(r"^(\S+\*)\n", lambda m: m[0] if [*here.parent.glob(m[1])] else "", content[0], flags=re.M)


def rewrite(text: str, folder: Path, docname: str) -> str:
    """Markdown whose links to files, relative to the folder, are links of the site. Code is left alone."""
    spans: list[str] = []

    def hide(code: re.Match) -> str:
        spans.append(code[0])
        return f"\0{len(spans) - 1}\0"

    def show(hidden: str) -> str:
        return re.sub(r"\0(\d+)\0", lambda m: spans[int(m[1])], hidden)

    def link(match: re.Match) -> str:
        label, target, anchor = match.groups()
        path = Path(os.path.normpath(folder / target))
        if not path.exists():
            log.warning("%s is not there", target, location=docname)
        return f"[{label}]({address(path, docname)}{anchor or ''})"

    return show(LINK.sub(link, CODE.sub(hide, text)))


def address(path: Path, docname: str) -> str:
    """Where the site shows a file, or a folder, of the repository: an absolute page, or a path from the page."""
    file = path.relative_to(ROOT).as_posix()
    if file in PAGES:
        return f"/{PAGES[file]}.md"
    if path.suffix == ".md" and file.startswith("docs/"):
        return file.removeprefix("docs")
    if file.startswith("docs/") and (path / "README.md").exists():
        return f"{file.removeprefix('docs')}/README.md"
    if path.suffix in (".png", ".svg", ".ipynb"):         # pictures, and files that MyST offers for download
        return os.path.relpath(path, (ROOT / "docs" / docname).parent)
    if path.parent == ROOT / "demos":
        return f"demo:{path.stem.replace('_', '-')}"
    if path.parent == ROOT / "tinyae" and path.is_dir() and (ROOT / "docs" / "reference" / f"{path.name}.md").exists():
        return f"/reference/{path.name}.md"
    if path in FOLDERS:
        return FOLDERS[path]
    if path.is_dir():
        return f"source:{file}/" + ("__init__.py" if (path / "__init__.py").exists() else "index")
    return f"source:{file}"


def resolve(app: Any, doctree: nodes.document, docname: str) -> None:
    """source:FILE#L12 becomes the page of that file, which the site then has; demo:NAME its place in the gallery."""
    shown = app.env.sources = getattr(app.env, "sources", set())
    for node in doctree.findall(nodes.reference):
        if node.get("refuri", "").startswith("source:"):
            file, _, line = node["refuri"].removeprefix("source:").partition("#")
            shown.add(file)
            node["refuri"] = app.builder.get_relative_uri(docname, f"source/{file}") + (line and f"#{line}")
            node["classes"].append("source")
        elif node.get("refuri", "").startswith("demo:"):
            gallery = app.builder.get_relative_uri(docname, "gallery")
            node["refuri"] = gallery + node["refuri"].replace("demo:", "#demo-")


def pages(app: Any) -> Iterator[tuple[str, dict, str]]:
    """The source of every file that a page links to, and a list of the files of every folder."""
    shown = getattr(app.env, "sources", set())
    for listing in [file for file in shown if file.endswith("/index")]:
        files = [path.name for path in sorted((ROOT / listing).parent.glob("*.py"))]
        shown |= {listing.removesuffix("index") + name for name in files}
        links = "".join(f'<li><a href="{name}.html">{name}</a></li>' for name in files)
        title = listing.removesuffix("/index")
        yield f"source/{listing}", {"title": title, "body": f"<h1>{title}</h1>\n<ul>{links}</ul>"}, "page.html"
    for file in sorted(file for file in shown if not file.endswith("/index")):
        text = (ROOT / file).read_text(encoding="utf-8")
        code = highlight(text, get_lexer_for_filename(file, stripnl=False),
                         HtmlFormatter(linenos="inline", linespans="L", anchorlinenos=True))
        code = re.sub(r'id="L-(\d+)"', r'id="L\1"', code).replace('href="#L-', 'href="#L')
        yield f"source/{file}", {"title": file, "body": f'<h1>{file}</h1>\n<div class="file">{code}</div>'}, "page.html"


def setup(app: Any) -> dict[str, Any]:
    app.connect("source-read", read)
    app.connect("doctree-resolved", resolve)
    app.connect("html-collect-pages", pages)
    return {"parallel_read_safe": True}

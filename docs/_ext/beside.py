"""```{beside} tinyae/tensor.py```: a file with its docstrings and comments as notes beside the code."""
from __future__ import annotations

import ast
import io
import re
import tokenize
from pathlib import Path
from typing import Any

from docutils import nodes
from prose import markdown
from sphinx.util.docutils import SphinxDirective

ROOT = Path(__file__).parents[2]


class Beside(SphinxDirective):
    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        path = ROOT / self.arguments[0]
        self.env.note_dependency(str(path))
        table = nodes.container(classes=["beside"])
        for notes, code in parts(path.read_text(encoding="utf-8")):
            note, lines = nodes.container(classes=["note"]), nodes.container(classes=["code"])
            note += self.parse_text_to_nodes(markdown(notes)) if notes else []
            if code:
                lines += nodes.literal_block(code, code, language="python")
            table += nodes.container("", note, lines, classes=["part"]) if code else note
        return [table]


def parts(source: str) -> list[tuple[str, str]]:
    """[(notes, code)]: a part starts at a comment or where a docstring belongs.

    The docstring of a class or function stands beside its `def` line.
    """
    lines, note = source.splitlines(), comments(source)
    starts, texts = {1}, {}
    for number in sorted(note):
        starts |= {number} if number - 1 not in note else set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef) and ast.get_docstring(node):
            first = min([d.lineno for d in getattr(node, "decorator_list", ())] + [getattr(node, "lineno", 1)])
            while first - 1 in note:
                first -= 1
            starts.add(first)
            texts[first] = (ast.get_docstring(node), node.body[0].lineno, node.body[0].end_lineno)
    hidden = {n for _, begin, end in texts.values() for n in range(begin, end + 1)} | set(note)
    found = []
    for start, end in zip(sorted(starts), [*sorted(starts)[1:], len(lines) + 1], strict=True):
        said = [note[n] for n in range(start, end) if n in note]
        doc = texts.get(start, ("",))[0]
        code = "\n".join(lines[n - 1] for n in range(start, end) if n not in hidden)
        found.append(("\n\n".join(filter(None, ["\n".join(said).strip(), doc])), re.sub(r"\A\s*\n", "", code).rstrip()))
    return [part for part in found if any(part)]


def comments(source: str) -> dict[int, str]:
    """The comments that have a line to themselves; "" for those that speak of tools, and the lines above them."""
    found: dict[int, str] = {}
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT and not token.line[:token.start[1]].strip():
            line, text = token.start[0], token.string.lstrip("#").strip()
            found[line] = text.lstrip("- ")
            if text.startswith(("mypy:", "fmt:", "type:", "noqa")):
                while line in found:
                    found[line] = ""
                    line -= 1
    return found


def setup(app: Any) -> dict[str, Any]:
    app.add_directive("beside", Beside)
    return {"parallel_read_safe": True}

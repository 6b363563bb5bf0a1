"""Cells and exercises of the tour, which _static/live.js makes editable and runs in the page.

A fence of `>>>` lines becomes code with its output below it. ```{exercise} 3.2``` holds a statement, a line `---` and
the code to start from. ```{break} no_topological_sort``` is a button of the museum.
"""
from __future__ import annotations

import html
import re
from typing import Any

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

from tinyae import tour


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


def setup(app: Any) -> dict[str, Any]:
    app.add_node(cell, html=(visit_cell, None))
    app.add_directive("exercise", Exercise)
    app.add_directive("break", Break)
    app.add_js_file("live.js", loading_method="defer")
    app.connect("doctree-read", cells)
    return {"parallel_read_safe": True}

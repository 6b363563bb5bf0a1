"""```{gallery}```: every demo with its docstring, its command, its pictures and the figures of its first full run."""
import ast
import re
from pathlib import Path
from typing import Any

from docutils import nodes
from prose import markdown
from sphinx.util.docutils import SphinxDirective

ROOT = Path(__file__).parents[2]
PICTURES = {"vae": ("reconstructions", "samples", "interpolation")}       # those that the README shows, in docs
ALTS = {"reconstructions": "test images in the upper rows, their reconstructions below",
        "samples": "a hundred digits decoded from random codes",
        "interpolation": "ten digits at the top, each turning row by row into another"}


class Gallery(SphinxDirective):
    """The demos in the order of the README's table."""

    def run(self) -> list[nodes.Node]:
        order = re.findall(r"\(demos/(\w+)\.py\) \|", (ROOT / "README.md").read_text(encoding="utf-8"))
        results = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
        for demo in order:
            self.env.note_dependency(str(ROOT / "demos" / f"{demo}.py"))
        text = "\n\n".join(card(demo, results) for demo in order)
        return self.parse_text_to_nodes(text, allow_section_headings=True)


def card(demo: str, results: str) -> str:
    """Markdown: name, story, commands, pictures, figures, source."""
    doc = ast.get_docstring(ast.parse((ROOT / "demos" / f"{demo}.py").read_text(encoding="utf-8")))
    first, _, rest = doc.partition("\n\n")
    shots = "".join(f"![{alt(name)}]({name}.png)\n" for name in PICTURES.get(demo, own(demo)))
    shots = f"::::{{container}} pictures\n{shots}::::\n\n" if shots else ""
    return (f"(demo-{demo.replace('_', '-')})=\n## {demo}\n\n**{markdown(first).strip()}**\n\n{shots}{markdown(rest)}"
            + "\n\n" + figures(demo, results) + f"[The program](source:demos/{demo}.py)\n")


def own(demo: str) -> tuple[str, ...]:
    """The picture that docs/demos holds of a demo, if there is one."""
    return (f"demos/{demo}",) if (ROOT / "docs" / "demos" / f"{demo}.png").exists() else ()


def alt(name: str) -> str:
    return ALTS.get(name) or f"what demos/{Path(name).name}.py draws"


def figures(demo: str, results: str) -> str:
    """The first section of docs/results.md for the demo, with a link to the page for the others."""
    sections = re.findall(rf"^## ({demo}(?: [^\n]*)?)\n(.*?)(?=^## )", results, re.S | re.M)
    if not sections:
        return ""
    (flags, table), others = sections[0], len(sections) - 1
    more = f" [Figures of {others} more run{'s'[:others - 1]}](/results.md)." if others else ""
    if not re.search(r"\|\s*(met|missed)\s*\|$", table, re.M):               # no targets: only what was measured
        table = re.sub(r"^(\|[^|\n]*\|[^|\n]*\|).*", r"\1", table, flags=re.M)
    return f"The figures of `python demos/{flags.replace(demo, f'{demo}.py', 1)}`:\n{table}\n{more}\n\n"


def setup(app: Any) -> dict[str, Any]:
    app.add_directive("gallery", Gallery)
    return {"parallel_read_safe": True}

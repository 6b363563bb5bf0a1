"""show · draw: the tape as a picture (.svg), or as a page on which grad goes step by step (.html).

A Tensor whose name is dotted, such as decoder.0.W, belongs to a layer. In a big graph it has no box of its own: the box
of the call that uses it first names the layer.
"""
from __future__ import annotations

from collections.abc import Sequence
from html import escape
from itertools import pairwise
from pathlib import Path

from .. import files
from ..errors import BadValue
from ..tensor import Tensor, tape
from . import page
from .layout import layout
from .story import Step, asked, size_of, steps
from .words import told_part

LETTER, HEIGHT, ROW = 8.0, 40, 76       # width of a letter, height of a box, distance of rows, in pixels
BIG = 30                                # boxes: a graph with more is folded
LIGHT = "--ink:#1b1b1b;--paper:#fff;--soft:#595959;--line:#767676;--leaf:#e3eefc;--row:#fdf1dc"


def draw(y: Tensor, path: str | Path, names: dict[str, Tensor] | None = None, wrt: Sequence[Tensor] = (),
         fold: bool | None = None) -> None:
    """Write the tape of y to path: "graph.svg" is a picture, "graph.html" a page that steps forward and backward.

    y has any shape for a picture, one element for a page. names: name -> Tensor, such as params(model). wrt: Tensors
    whose gradients the page shows; all leaves by default. fold: whether parameters of layers stand in the box of the
    call that uses them; by default in graphs of more than 30 Tensors. BadValue: another ending; for a page, a y of
    several elements, or one that does not depend on a Tensor in wrt.
    """
    kind = Path(path).suffix
    if kind not in (".svg", ".html"):
        raise BadValue("draw writes .svg or .html", expected='a path that ends in ".svg" or ".html"', got=str(path),
                       fix='draw(y, "graph.html")')
    if kind == ".svg":
        files.write(path, svg(steps(y, names), fold, alone=True).encode())
        return
    told = steps(y, names, asked(y, wrt) or [t for t in tape(y) if t.op is None])
    kept = shown(told, fold)
    called = {step.t: step.name for step in told}
    nodes = [{"name": step.name, "made": step.made, "shape": str(step.t.shape), "value": size_of(step.t._data),
              "gradient": "" if step.gradient is None else size_of(step.gradient),
              "parts": [{"to": called[p.to], "text": told_part(step, p, called[p.to])} for p in step.parts]}
             for step in kept]
    page.write(path, f"How {called[y]} was made, and its gradient", BODY.replace("GRAPH", svg(told, fold)),
               ("graph.js",), {"nodes": nodes})


BODY = """<p class="keys">Buttons, slider or keys: right and left arrow, Home, End. A click on a box goes to it.</p>
<p><button id="first">first</button> <button id="back">back</button> <button id="next">next</button>
<button id="last">last</button> <span id="place"></span></p>
<p><input id="steps" type="range" min="0" value="0" aria-label="step"></p>
<div class="two"><div class="panel" id="say" role="status" aria-live="polite"></div>
<div class="wide" tabindex="0" role="region" aria-label="the graph">GRAPH</div></div>
<details><summary>All steps as a list</summary><ol id="list"></ol></details>"""


def shown(told: list[Step], fold: bool | None) -> list[Step]:
    """The steps that get a box; y always does."""
    if not (len(told) > BIG if fold is None else fold):
        return told
    return [step for step in told if step is told[-1] or step.t.op is not None or "." not in step.name]


def svg(told: list[Step], fold: bool | None = None, alone: bool = False) -> str:
    """The graph as SVG. alone: as a file, with its colours; otherwise with those of the page around it."""
    kept = shown(told, fold)
    place = {step.t: i for i, step in enumerate(kept)}
    lines = [labels(step, {s.t: s.name for s in told if s.t not in place}) for step in kept]
    widths = [max(60.0, LETTER * max(map(len, pair)) + 16) for pair in lines]
    at = layout([[place[p] for p in step.t.parents if p in place] for step in kept], widths)
    margin = 4
    drawn = [f'<path d="{curve(route, at.row[p] * ROW + HEIGHT)}"/>' for (p, _), route in at.routes.items()]
    for i, (step, pair) in enumerate(zip(kept, lines, strict=True)):
        leaf = step.t.op is None
        drawn.append(f'<g id="n{i}" class="{"node leaf" if leaf else "node"}" transform="translate({at.x[i]:.1f} '
                     f'{at.row[i] * ROW})"><title>{escape(f"{step.name} {step.t.shape}: {step.made}")}</title>'
                     f'<rect x="{-widths[i] / 2:.1f}" width="{widths[i]:.1f}" height="{HEIGHT}" '
                     f'rx="{3 if leaf else 14}"/><text y="17">{escape(pair[0])}</text>'
                     f'<text class="small" y="32">{escape(pair[1])}</text></g>')
    wide, high = at.width + 2 * margin, max(at.row) * ROW + HEIGHT + 2 * margin
    style = (page.HERE / "graph.css").read_text(encoding="utf-8")
    if alone:
        style += f".graph{{{LIGHT};background:var(--paper)}}"
    return (f'<svg xmlns="http://www.w3.org/2000/svg" class="graph" width="{wide:.0f}" height="{high}" role="img" '
            f'viewBox="{-margin} {-margin} {wide:.0f} {high}"><title>The tape of {escape(told[-1].name)}: '
            f'{len(kept)} boxes, parents above their children</title><style>\n{style}</style>\n'
            + "\n".join(drawn) + "\n</svg>\n")


def labels(step: Step, hidden: dict[Tensor, str]) -> tuple[str, str]:
    """The two lines of a box: the name, with the row that made it; the shape, with the layer that it belongs to."""
    layers = dict.fromkeys(hidden[p].rpartition(".")[0] for p in step.t.parents if p in hidden)
    name = step.name if step.t.op is None else f"{step.name} = {step.t.op.__name__}"
    return name, " ".join([str(step.t.shape), *layers])


def curve(route: list[float], top: int) -> str:
    """The path of an edge from the lower side of a box to the upper side of another, through each row between."""
    d, y = f"M{route[0]:.1f} {top}", top
    bend = (ROW - HEIGHT) / 2
    for k, (x0, x1) in enumerate(pairwise(route)):
        d += f"C{x0:.1f} {y + bend} {x1:.1f} {y + ROW - HEIGHT - bend} {x1:.1f} {y + ROW - HEIGHT}"
        y += ROW - HEIGHT
        if k < len(route) - 2:
            d += f"V{y + HEIGHT}"
            y += HEIGHT
    return d

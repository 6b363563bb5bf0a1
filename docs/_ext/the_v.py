"""```{the-v}```: the error of a difference against its step, with a slider that _static/the_v.js moves along the curve.

The curves are drawn here, at build time, so that the page is complete without its script.
"""
from __future__ import annotations

import json
from html import escape
from typing import Any

import numpy as np
from docutils import nodes
from sphinx.util.docutils import SphinxDirective

from demos import gradient_check as demo
from tinyae import Tensor, grad

STEPS = 10.0 ** np.linspace(-16, 0, 201)
CURVES = (("central", np.float64), ("one-sided", np.float64), ("central", np.float32), ("complex step", np.float64))
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 400, 320, 46, 10, 12, 40
HIGHEST, LOWEST = 1, -17                        # powers of ten of the error


class TheV(SphinxDirective):
    def run(self) -> list[nodes.Node]:
        self.env.note_dependency(demo.__file__)
        return [nodes.raw("", figure(), format="html")]


def derivatives() -> list[float]:
    """f, f', f'' and f''' at the demo's x, by the engine."""
    x = Tensor(np.array(demo.X))
    found = [demo.f(x)]
    for _ in range(3):
        found += grad(found[-1], [x], create_graph=True)
    return [float(value.data) for value in found]


def arms(method: str, dtype: type) -> tuple[np.ndarray, np.ndarray]:
    """The leading terms of truncation and of rounding at every step, relative to f'."""
    f, f1, f2, f3 = derivatives()
    truncation = STEPS * abs(f2) / 2 if method == "one-sided" else STEPS ** 2 * abs(f3) / 6
    subtracted = {"one-sided": 1, "central": 1 / 2, "complex step": 0}[method]
    return truncation / abs(f1), subtracted * np.finfo(dtype).eps * abs(f / f1) / STEPS


def across(step: Any) -> Any:
    return LEFT + (np.log10(step) + 16) / 16 * (WIDTH - LEFT - RIGHT)


def down(error: Any) -> Any:
    return TOP + (HIGHEST - np.log10(error)) / (HIGHEST - LOWEST) * (HEIGHT - TOP - BOTTOM)


def line(errors: np.ndarray, kind: str) -> str:
    """A polyline of the part that the picture has room for."""
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y, e in zip(across(STEPS), down(np.maximum(errors, 1e-99)), errors,
                                                            strict=True) if 10.0 ** LOWEST <= e <= 10.0 ** HIGHEST)
    return f'<polyline class="{kind}" points="{points}"/>'


def figure() -> str:
    """The picture, the choice of a curve and the slider; the script reads the numbers from data-curves."""
    axes = "".join(f'<text x="{across(10.0 ** p):.0f}" y="{HEIGHT - BOTTOM + 16}" class="tick">1e{p}</text>'
                   for p in (-16, -12, -8, -4)) + f'<text x="{across(1):.0f}" y="{HEIGHT - BOTTOM + 16}">1</text>'
    axes += "".join(f'<text x="{LEFT - 6}" y="{down(10.0 ** p) + 4:.0f}">{f"1e{p}" if p else 1}</text>'
                    f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{down(10.0 ** p):.1f}" y2="{down(10.0 ** p):.1f}"/>'
                    for p in (0, -4, -8, -12, -16))
    groups, data, choices = "", [], ""
    for i, (method, dtype) in enumerate(CURVES):
        errors = demo.errors(method, dtype, STEPS)
        heights = down(np.maximum(errors, 10.0 ** LOWEST))                  # an error of 0 has no logarithm
        truncation, rounding = arms(method, dtype)
        dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="1.6"/>'
                       for x, y in zip(across(STEPS), heights, strict=True))
        lines = line(truncation, "truncation") + line(rounding, "rounding")
        groups += f'<g class="curve"{" hidden" * (i > 0)}>{lines}{dots}</g>'
        name = f"{method}, {dtype.__name__}"
        choices += f'<option value="{i}">{name}</option>'
        data.append({key: [float(f"{v:.3g}") for v in values] for key, values in
                     (("error", errors), ("truncation", truncation), ("rounding", rounding))}
                    | {"y": [round(float(y), 1) for y in heights]})
    steps = {"step": [float(f"{h:.3g}") for h in STEPS], "x": [round(float(x), 1) for x in across(STEPS)]}
    start = int(np.abs(STEPS - 1e-2).argmin())
    return f"""<div class="the-v" data-curves="{escape(json.dumps({"curves": data} | steps))}">
<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="The relative error against the step, both logarithmic: \
the arm of truncation falls to the left, that of rounding rises to the left, and the dots follow the higher one">
<g class="axes">{axes}<text x="{WIDTH - RIGHT}" y="{HEIGHT - 4}">step h</text>
<text x="{LEFT + 4}" y="{TOP + 3}" class="start">relative error</text></g>
{groups}<g class="marker" hidden><line y1="{TOP}" y2="{HEIGHT - BOTTOM}"/><circle r="5"/></g></svg>
<p class="legend"><span class="dot">measured</span> <span class="truncation">truncation</span>
<span class="rounding">rounding</span></p>
<div class="controls" hidden><label>Difference <select>{choices}</select></label>
<label>Step <input type="range" min="0" max="{len(STEPS) - 1}" value="{start}"></label>
<output></output></div></div>
"""


def setup(app: Any) -> dict[str, Any]:
    app.add_directive("the-v", TheV)
    app.add_js_file("the_v.js", loading_method="defer")
    return {"parallel_read_safe": True}

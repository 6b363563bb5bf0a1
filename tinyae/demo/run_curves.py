"""demo · run_curves: the losses of a run as SVG, for its page."""
from __future__ import annotations

from html import escape
from math import isfinite

from ..train.history import Row
from .plots import terms

WIDE, HIGH, LEFT = 340, 190, 56     # of a panel, in pixels; room for its numbers
LINE, DOTS = 300, 40                # points of a line, at most; with more than DOTS it has no dots
SIDES = {"train": "training", "test": "test"}


def curves(rows: list[Row]) -> str:
    """A panel for each phase and loss term: training (a line with dots) and test (dashed, with squares)."""
    panels = [panel(f"{phase} {term}".strip(), [row for row in rows if row["phase"] == phase], term)
              for phase in dict.fromkeys(row["phase"] for row in rows) for term in terms(rows, phase)]
    keys = " ".join(f'<span class="key"><svg class="curve" viewBox="0 0 40 12" width="40" height="12" '
                    f'aria-hidden="true">{line(side, [(2, 6), (20, 6), (38, 6)])}</svg> {name} images</span>'
                    for side, name in SIDES.items())
    return f'<h2>Loss per image</h2>\n<p class="soft">{keys}</p>\n<div class="panels">{"".join(panels)}</div>'


def panel(title: str, rows: list[Row], term: str) -> str:
    """One term as an SVG over the epochs, with its last values in the caption. Only finite values are drawn."""
    points = {side: [(row["epoch"], row[f"{side}_{term}"]) for row in rows if f"{side}_{term}" in row]
              for side in SIDES}
    finite = {side: [point for point in mine if isfinite(point[1])] for side, mine in points.items()}
    values = [value for mine in finite.values() for _, value in mine] or [0.0]
    low, high, first, last = min(values), max(values), rows[0]["epoch"], rows[-1]["epoch"]
    right, bottom = WIDE - 12, HIGH - 30

    def at(epoch: int, value: float) -> tuple[float, float]:
        return (LEFT + 8 + (right - LEFT - 8) * (epoch - first) / max(1, last - first),
                20 + (bottom - 20) * (high - value) / ((high - low) or 1))
    drawn = "".join(line(side, [at(*point) for point in mine]) for side, mine in finite.items())
    ends = ", ".join(f"{SIDES[side]} {mine[-1][1]:.4g}" for side, mine in points.items() if mine)
    said = escape(f"{title}: {ends} after epoch {last}")
    numbers = f'<text x="{LEFT - 6}" y="24" text-anchor="end">{high:.4g}</text>' + (
        f'<text x="{LEFT - 6}" y="{bottom + 4}" text-anchor="end">{low:.4g}</text>' if low < high else "") + (
        f'<text x="{LEFT + 8}" y="{HIGH - 8}">epoch {first}</text>') + (
        f'<text x="{right}" y="{HIGH - 8}" text-anchor="end">{last}</text>' if first < last else "")
    return (f'<figure><svg class="curve" viewBox="0 0 {WIDE} {HIGH}" role="img" aria-label="{said}">'
            f'<path d="M{LEFT} 20H{right}M{LEFT} {bottom}H{right}"/>{numbers}{drawn}</svg>'
            f"<figcaption>{said}</figcaption></figure>")


def line(side: str, places: list[tuple[float, float]]) -> str:
    """A line through the places; of very many every n-th, the last one always."""
    places = places[::-max(1, -(-len(places) // LINE))][::-1]
    dots = [f'<circle class="{side}" cx="{x:.1f}" cy="{y:.1f}" r="2.5"/>' if side == "train" else
            f'<rect class="{side}" x="{x - 2.5:.1f}" y="{y - 2.5:.1f}" width="5" height="5"/>' for x, y in places]
    return (f'<polyline class="{side}" points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in places)}"/>'
            + "".join(dots if len(dots) <= DOTS else []))

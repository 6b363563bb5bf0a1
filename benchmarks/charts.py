"""charts: panels of lines on logarithmic axes, drawn by matplotlib if it is installed."""
from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from math import ceil, floor, log10
from pathlib import Path
from typing import NamedTuple

Line = tuple[Sequence[float], Sequence[float]]      # x and y


class Panel(NamedTuple):
    """Lines by name, with the labels of their axes."""

    title: str
    xlabel: str
    ylabel: str
    lines: Mapping[str, Line]


def draw(panels: Sequence[Panel], path: Path, columns: int = 3) -> None:
    """Draw the panels row by row as a PNG; without matplotlib, print that it is missing."""
    from tinyae import files
    from tinyae.demo import plots

    if not plots.available():
        return
    from matplotlib.figure import Figure

    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(4.6 * columns, 3.6 * rows), layout="constrained")
    axes = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axis, panel in zip(axes, panels, strict=False):
        for (name, (x, y)), marker in zip(panel.lines.items(), "os^vD<>", strict=False):
            axis.plot(x, y, marker=marker, markersize=4, label=name)
        axis.set(title=panel.title, xlabel=panel.xlabel, ylabel=panel.ylabel, xscale="log", yscale="log")
        costs = [cost for _, y in panel.lines.values() for cost in y]
        axis.set_ylim(10 ** floor(log10(min(costs))), 10 ** ceil(log10(max(costs))))    # whole decades: flat looks flat
        axis.title.set_fontsize(10)
        axis.grid(alpha=0.3)
        axis.legend(fontsize=8)
    for axis in axes[len(panels):]:
        axis.remove()
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=100)
    files.write(path, content.getvalue())
    print(path)

"""demo · plots: learning curves and maps of two-dimensional codes, drawn by matplotlib if it is installed.

Figures are made without pyplot, so they need no display and share no state.
"""
from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from .. import files
from ..train.history import Row


def available(report: Callable[[str], None] = print) -> bool:
    """Whether matplotlib can be imported; if not, report how to install it, or why it does not start."""
    try:
        _import()
    except ImportError:
        report("no plots, because matplotlib is not installed: pip install '.[plots]'")
        return False
    except Exception as error:      # a setting of matplotlib, or too few files that may be open: no reason to stop
        report(f"no plots, because matplotlib does not start: {error}")
        return False
    return True


def _import() -> None:
    """Import matplotlib, also where MPLBACKEND names a backend of another environment: figures here need none."""
    if sys.modules.get("matplotlib"):
        return
    named = os.environ.pop("MPLBACKEND", None)      # matplotlib cannot be imported with one that is not installed
    try:
        import matplotlib
    finally:
        if named is not None:
            os.environ["MPLBACKEND"] = named
    if named:
        with suppress(ValueError):                  # for the figures of a notebook, say
            matplotlib.rcParams["backend"] = named


def learning_curves(rows: Sequence[Row], path: str | Path, *, unit: str = "nats per image") -> None:
    """One panel for each phase and loss term: training and test loss over the epochs."""
    panels = [(phase, term) for phase in dict.fromkeys(row["phase"] for row in rows) for term in terms(rows, phase)]
    figure, axes = _figure(len(panels))
    for axis, (phase, term) in zip(axes, panels, strict=True):
        mine = [row for row in rows if row["phase"] == phase]
        for side, marker in (("train", "o"), ("test", "s")):
            axis.plot([row["epoch"] for row in mine], [row[f"{side}_{term}"] for row in mine], marker=marker,
                      markersize=4, label=side)
        axis.set(title=f"{phase} {term}".strip(), xlabel="epoch", ylabel=unit)
        axis.xaxis.get_major_locator().set_params(integer=True)
        axis.grid(alpha=0.3)
        axis.legend()
    _save(figure, path)


def terms(rows: Sequence[Row], phase: str) -> list[str]:
    """The loss terms of a phase, and their total if there are several."""
    names = dict.fromkeys(name for row in rows if row["phase"] == phase for name in row if name.startswith("train_"))
    terms = [name.removeprefix("train_") for name in names]
    return [term for term in terms if term != "total"] if len(terms) == 2 else terms


def latent_map(codes: Any, labels: Any, path: str | Path, *, title: str = "codes of the test images") -> None:
    """codes (n, 2), labels (n,) integers or None: one point for each image, one colour for each class."""
    latent_maps({title: codes}, labels, path)


def latent_maps(maps: Mapping[str, Any], labels: Any, path: str | Path) -> None:
    """Maps of the same images side by side, by title: codes (n, 2) each; labels (n,) integers or None."""
    from matplotlib import colormaps

    figure, axes = _figure(len(maps))
    labels = np.zeros(len(next(iter(maps.values()))), int) if labels is None else np.asarray(labels)
    classes = np.unique(labels)
    colours = colormaps["tab10" if len(classes) <= 10 else "tab20"]
    for axis, (title, codes) in zip(axes, maps.items(), strict=True):
        axis.set(title=title, xlabel="latent 1", ylabel="latent 2")
        if len(classes) > 20:           # too many for distinct colours: use a scale
            points = axis.scatter(*np.asarray(codes).T, c=labels, s=4, linewidths=0, cmap="viridis")
            continue
        for i, label in enumerate(classes):
            x, y = np.asarray(codes)[labels == label].T
            axis.scatter(x, y, s=4, alpha=0.6, linewidths=0, color=colours(i % colours.N), label=str(label))
    if len(classes) > 20:
        figure.colorbar(points, ax=axes[-1], label="class")
    elif len(classes) > 1:
        axes[-1].legend(title="class", markerscale=4, loc="center left", bbox_to_anchor=(1, 0.5))
    _save(figure, path)


def lines(series: Mapping[str, Sequence[Any]], path: str | Path, *, title: str, xlabel: str, ylabel: str,
          log: bool = False) -> None:
    """One line for each name: (x, y), or (x, y, error) with bars from y - error to y + error. log: of the x axis."""
    figure, (axis,) = _figure(1)
    for i, (name, points) in enumerate(series.items()):
        style = ("-", "--", ":", "-.")[i % 4]       # so that a line on top of another leaves it visible
        axis.errorbar(*points, linestyle=style, marker="o", markersize=4, capsize=3, label=name)
    axis.set(title=title, xlabel=xlabel, ylabel=ylabel, xscale="log" if log else "linear")
    axis.grid(alpha=0.3)
    axis.legend()
    _save(figure, path)


def bars(values: Any, path: str | Path, *, title: str, xlabel: str, ylabel: str) -> None:
    """One bar for each of the values (n,), in order."""
    figure, (axis,) = _figure(1)
    axis.bar(np.arange(1, len(values) + 1), np.asarray(values))
    axis.set(title=title, xlabel=xlabel, ylabel=ylabel)
    axis.xaxis.get_major_locator().set_params(integer=True)
    _save(figure, path)


def histogram(values: Any, path: str | Path, *, title: str, xlabel: str, ylabel: str,
              mark: float | None = None) -> None:
    """A histogram of the values (n,) with 40 bins, and a dashed line at `mark`."""
    figure, (axis,) = _figure(1)
    axis.hist(np.asarray(values), bins=40)
    if mark is not None:
        axis.axvline(mark, color="black", linestyle="--", label=f"{mark:g}")
        axis.legend()
    axis.set(title=title, xlabel=xlabel, ylabel=ylabel)
    _save(figure, path)


def _figure(panels: int) -> tuple[Any, Any]:
    """A figure and its panels, at most three in a row."""
    from matplotlib.figure import Figure

    columns, rows = min(panels, 3), -(-panels // 3)
    size = (4.5 * columns, 4 * rows) if panels > 1 else (6.5, 5)
    figure = Figure(figsize=size, layout="constrained")
    return figure, [figure.add_subplot(rows, columns, i + 1) for i in range(panels)]


def _save(figure: Any, path: str | Path) -> None:
    """Write the figure as a PNG, whose text chunk "Title" repeats the titles of the panels."""
    content = io.BytesIO()
    title = " · ".join(filter(None, (axis.get_title() for axis in figure.axes)))
    figure.savefig(content, format="png", dpi=120, metadata={"Title": title})
    files.write(path, content.getvalue())

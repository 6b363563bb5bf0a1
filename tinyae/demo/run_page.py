"""demo · run_page: a run's folder as one page, report.html: figures, curves, pictures, settings, command.

It is made of the files in the folder alone, so that it can be made again at any time.
"""
from __future__ import annotations

import base64
import json
import os
import re
import shlex
import sys
from contextlib import suppress
from html import escape
from pathlib import Path
from typing import Any

from .. import console, files
from ..errors import BadFile
from ..show import page
from ..train.history import Row, read_csv

ROOM, LIMIT = 1_300_000, 1 << 24    # bytes of pictures in a page (base64 adds a third); of a file that is read
WIDE, HIGH, LEFT = 320, 190, 48     # of a curve, in pixels; room for its numbers
UNSAID = ("demo", "out", "resume", "versions", "device", "unroll", "captured", "page")     # no part of what is learned


def show(out: Path) -> None:
    """Print where the results are: the last of each series of pictures, the numbers, and report.html, which it writes.

    A report that fails is a note on stderr.
    """
    pictures = {path.stem.rstrip("0123456789"): path for path in sorted(out.glob("*.png"))}
    print("pictures:", *map(_from_here, pictures.values()), sep="\n  ")
    print("numbers:", *(_from_here(out / name) for name in ("history.csv", "weights.npz")), sep="\n  ")
    try:
        print("all of it:", _from_here(write(out)), sep="\n  ")
    except Exception as error:          # the run itself is complete
        print(f"note: no report.html, because {console.printable(str(error))}", file=sys.stderr)


def write(run: Path) -> Path:
    """Write run/report.html. BadFile: the folder has no config.json or history.csv that can be read."""
    try:
        config = json.loads(files.read(run / "config.json", LIMIT))
        rows = read_csv(run / "history.csv")
        result = json.loads(files.read(run / "result.json", LIMIT)) if (run / "result.json").exists() else {}
        body = "\n".join([figures(result), curves(rows), *pictures(run), settings(config, result)])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadFile(f"no report of {run}", expected="the folder of a run, with config.json and history.csv",
                      got=str(error) or type(error).__name__, fix="python -m tinyae.demo.report runs/vae-1") from error
    page.write(run / "report.html", f"{config.get('demo', 'A run')}: {run.name}", body, ("report.js",))
    return run / "report.html"


def figures(result: dict[str, Any]) -> str:
    rows = "".join(f"<tr><th>{escape(name)}</th><td>{value:.6g}</td></tr>"
                   for name, value in result.get("figures", {}).items())
    return f"<h2>Figures</h2>\n<table>{rows}</table>" if rows else ""


def curves(rows: list[Row]) -> str:
    """A panel for each phase and loss term: training (a line with dots) and test (dashed, with squares)."""
    panels = []
    for phase in dict.fromkeys(row["phase"] for row in rows):
        mine = [row for row in rows if row["phase"] == phase]
        terms = dict.fromkeys(name.removeprefix("train_") for row in mine for name in row if name.startswith("train_"))
        panels += [panel(f"{phase} {term}".strip(), [row for row in mine if f"train_{term}" in row], term)
                   for term in terms]
    return ('<h2>Losses per image</h2>\n<p class="soft">Solid with dots: training images. Dashed with squares: test '
            f'images.</p>\n<div class="panels">{"".join(panels)}</div>')


def panel(title: str, rows: list[Row], term: str) -> str:
    """One curve as SVG, with its last values in the text."""
    sides = {side: [(row["epoch"], row[f"{side}_{term}"]) for row in rows] for side in ("train", "test")}
    values = [v for points in sides.values() for _, v in points]
    low, high = min(values), max(values)
    first, last = rows[0]["epoch"], rows[-1]["epoch"]

    def at(epoch: int, value: float) -> tuple[float, float]:
        return (LEFT + (WIDE - LEFT - 10) * (epoch - first) / max(1, last - first),
                20 + (HIGH - 50) * (high - value) / (high - low or 1))
    drawn = []
    for side, points in sides.items():
        places = [at(*point) for point in points]
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        drawn.append(f'<polyline class="{side}" points="{line}"/>')
        drawn += [f'<circle class="{side}" cx="{x:.1f}" cy="{y:.1f}" r="2.5"/>' if side == "train" else
                  f'<rect class="{side}" x="{x - 2.5:.1f}" y="{y - 2.5:.1f}" width="5" height="5"/>' for x, y in places]
    said = f"{title}: training {sides['train'][-1][1]:.4g}, test {sides['test'][-1][1]:.4g} after epoch {last}"
    return (f'<figure><svg class="curve" viewBox="0 0 {WIDE} {HIGH}" role="img" aria-label="{escape(said)}">'
            f'<text x="{LEFT - 6}" y="24" text-anchor="end">{high:.4g}</text>'
            f'<text x="{LEFT - 6}" y="{HIGH - 26}" text-anchor="end">{low:.4g}</text>'
            f'<text x="{LEFT}" y="{HIGH - 8}">epoch {first}</text>'
            f'<text x="{WIDE - 10}" y="{HIGH - 8}" text-anchor="end">{last}</text>{"".join(drawn)}</svg>'
            f"<figcaption>{escape(said)}</figcaption></figure>")


def pictures(run: Path) -> list[str]:
    """The pictures of the folder: series over epochs with a slider, then the others. Of too many, every n-th."""
    series: dict[str, list[Path]] = {}
    for path in sorted(run.glob("*.png")):
        if path.name != "curves.png":                       # the page draws these itself
            series.setdefault(re.sub(r"-?\d+$", "", path.stem), []).append(path)
    room = ROOM
    chosen = {}
    for n, (name, paths) in enumerate(sorted(series.items(), key=lambda item: len(item[1]))):
        share = room // (len(series) - n)
        step = next((k for k in range(1, len(paths) + 1)
                     if sum(p.stat().st_size for p in paths[::-k]) <= share), 0)
        chosen[name] = paths[::-step][::-1] if step else []
        room -= sum(p.stat().st_size for p in chosen[name])
    return [f"<h2>{escape(name)}</h2>\n" + (
        shown(name, chosen[name]) if chosen[name] else f"<p>{escape(paths[-1].name)} is too large for this page.</p>")
        for name, paths in sorted(series.items(), key=lambda item: -len(item[1]))]


def shown(name: str, paths: list[Path]) -> str:
    images = "".join(f'<img alt="{escape(path.stem)}" src="data:image/png;base64,'
                     f'{base64.b64encode(path.read_bytes()).decode()}"{" hidden" * (path is not paths[-1])}>'
                     for path in paths)
    if len(paths) == 1:
        return images
    return (f'<div class="series"><label>{escape(name)} <input type="range" min="0" max="{len(paths) - 1}" '
            f'value="{len(paths) - 1}"></label> <output role="status">{escape(paths[-1].stem)}</output><br>{images}'
            "</div>")


def settings(config: dict[str, Any], result: dict[str, Any]) -> str:
    """The settings, the versions and the command that repeats the run."""
    kept = {name: value for name, value in config.items() if name not in UNSAID and value is not None}
    table = "".join(f"<tr><th>{escape(name)}</th><td>{escape(text(value))}</td></tr>" for name, value in kept.items())
    versions = ", ".join(f"{name} {value}" for name, value in config.get("versions", {}).items())
    machine = result.get("machine", "")
    command = f"python demos/{config['demo']}.py " + " ".join(
        f"--{name.replace('_', '-')} {shlex.quote(text(value))}" for name, value in kept.items()
        if not (isinstance(value, list | dict) and "[" in text(value))) if "demo" in config else ""
    return (f"<h2>Settings</h2>\n<table>{table}</table>\n<p>{escape(versions)}</p>\n<p>{escape(machine)}</p>\n"
            + (f"<h2>The same again</h2>\n<pre class=\"wide\">{escape(command)}</pre>" if command else ""))


def text(value: Any) -> str:
    """A setting as a flag takes it: 500,500 for a list."""
    return ",".join(map(str, value)) or "none" if isinstance(value, list) else str(value)


def _from_here(path: Path) -> str:
    """path as seen from the current folder, where there is one, on the same drive."""
    with suppress(OSError, ValueError):
        return console.printable(os.path.relpath(path))
    return console.printable(str(path))

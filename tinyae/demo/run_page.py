"""demo · run_page: a run's folder as one page, report.html: figures, curves, pictures, settings, command.

It is made of the files in the folder alone, so that it can be made again at any time, while the run goes on too.
"""
from __future__ import annotations

import base64
import io
import json
import os
import re
import shlex
from collections.abc import Callable
from html import escape
from math import isfinite
from pathlib import Path
from typing import Any, TypeVar

from PIL import Image

from .. import files
from ..errors import BadFile
from ..show import page
from ..train.history import Row, from_csv
from .plots import terms

ROOM, LIMIT = 1_200_000, 1 << 24    # bytes of all pictures in a page (base64 adds a third), and of a file of numbers
WIDE, HIGH, LEFT = 340, 190, 56     # of a curve, in pixels; room for its numbers
LINE, DOTS = 300, 40                # points of a line, at most; with more than DOTS it has no dots
UNSAID = ("demo", "out", "resume", "versions")      # what config.json holds beside the settings
KEYS = [("train", "training images"), ("test", "test images")]
T = TypeVar("T")


def write(run: Path) -> Path:
    """Write run/report.html. BadFile: config.json or history.csv is missing, or one of them or result.json is damaged.

    A picture that cannot be read is left out, and the page says so.
    """
    config = read(run / "config.json", settings_in)
    rows = read(run / "history.csv", rows_in)
    result = read(run / "result.json", settings_in) if (run / "result.json").exists() else {}
    parts = [state(run, config, rows, result), figures(result), curves(rows), pictures(run), settings(config)]
    title = f"{config.get('demo', 'A run')}: {Path(os.path.abspath(run)).name}"
    page.write(run / "report.html", title, "\n".join(parts), ("report.js",))
    return run / "report.html"


def read(path: Path, parse: Callable[[str], T]) -> T:
    """What a file of the run says. BadFile: it is missing, or parse finds it damaged."""
    try:
        return parse(files.read(path, LIMIT).decode())
    except (OSError, ValueError, TypeError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise BadFile(f"no report of {path.parent}", got=f"{path.name}: {why}",
                      expected="the folder of a run that has ended an epoch, with its config.json and history.csv",
                      fix="name a run's folder: python -m tinyae.demo.report runs/vae-1") from error


def settings_in(text: str) -> dict[str, Any]:
    content = json.loads(text)
    if not isinstance(content, dict):
        raise ValueError("not a JSON object")
    return content


def rows_in(text: str) -> list[Row]:
    rows = from_csv(text)
    if not rows or not all({"epoch", "phase"} <= row.keys() for row in rows):
        raise ValueError("no epochs in it")
    return rows


def state(run: Path, config: dict[str, Any], rows: list[Row], result: dict[str, Any]) -> str:
    """How far the run is, and on which machine."""
    count = f"{rows[-1]['epoch']} epoch{'s'[:rows[-1]['epoch'] - 1]}"
    if not (run / "weights.npz").exists():      # the last file that train.fit writes
        again = f"python demos/{config.get('demo')}.py {shlex.join(['--resume', str(run)])}"
        return (f'<p class="panel">The run has not ended: {count} so far.'
                + (f" To continue it: <code>{escape(again)}</code>" if "demo" in config else "") + "</p>")
    seconds = f", {result['seconds']} s of training" if "seconds" in result else ""
    return f'<p class="soft">{escape(" · ".join(filter(None, [count + seconds, result.get("machine")])))}</p>'


def table(cells: dict[str, str]) -> str:
    rows = (f'<tr><th scope="row">{escape(name)}</th><td>{escape(value)}</td></tr>' for name, value in cells.items())
    return f"<table>{''.join(rows)}</table>"


def figures(result: dict[str, Any]) -> str:
    found = {name: f"{value:.6g}" for name, value in result.get("figures", {}).items()}
    return f"<h2>Figures</h2>\n{table(found)}" if found else ""


def curves(rows: list[Row]) -> str:
    """A panel for each phase and loss term: training (a line with dots) and test (dashed, with squares)."""
    panels = [panel(f"{phase} {term}".strip(), [row for row in rows if row["phase"] == phase], term)
              for phase in dict.fromkeys(row["phase"] for row in rows) for term in terms(rows, phase)]
    keys = " ".join(f'<span class="key"><svg class="curve" viewBox="0 0 40 12" width="40" height="12" '
                    f'aria-hidden="true">{line(side, [(2, 6), (20, 6), (38, 6)])}</svg> {name}</span>'
                    for side, name in KEYS)
    return f'<h2>Loss per image</h2>\n<p class="soft">{keys}</p>\n<div class="panels">{"".join(panels)}</div>'


def panel(title: str, rows: list[Row], term: str) -> str:
    """One term as an SVG over the epochs, with its last values in the caption. What is not finite is not drawn."""
    points = {side: [(row["epoch"], row[f"{side}_{term}"]) for row in rows if f"{side}_{term}" in row]
              for side, _ in KEYS}
    finite = {side: [point for point in mine if isfinite(point[1])] for side, mine in points.items()}
    values = [value for mine in finite.values() for _, value in mine] or [0.0]
    low, high, first, last = min(values), max(values), rows[0]["epoch"], rows[-1]["epoch"]
    right, bottom = WIDE - 12, HIGH - 30

    def at(epoch: int, value: float) -> tuple[float, float]:
        return (LEFT + 8 + (right - LEFT - 8) * (epoch - first) / max(1, last - first),
                20 + (bottom - 20) * (high - value) / ((high - low) or 1))
    drawn = "".join(line(side, [at(*point) for point in mine]) for side, mine in finite.items())
    ends = ", ".join(f"{side} {mine[-1][1]:.4g}" for side, mine in points.items() if mine)
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


def pictures(run: Path) -> str:
    """The pictures of the folder: series over epochs with a slider, then the others. Of too many, every n-th."""
    series: dict[str, list[Path]] = {}
    for path in sorted(run.glob("*.png")):
        if path.name != "curves.png" and path.is_file():        # the page draws the curves itself
            series.setdefault(re.sub(r"-?\d+$", "", path.stem), []).append(path)
    room, chosen = ROOM, {}
    for n, (name, paths) in enumerate(sorted(series.items(), key=lambda item: len(item[1]))):
        sizes = [path.stat().st_size for path in paths]
        step = next((k for k in range(1, len(paths) + 1) if sum(sizes[::-k]) <= room // (len(series) - n)), 0)
        chosen[name] = paths[::-step][::-1] if step else []
        room -= sum(sizes[::-step]) if step else 0
    shown = (section(name, chosen[name], paths) for name, paths in sorted(series.items(), key=lambda s: -len(s[1])))
    return f'<div class="pictures">{"".join(shown)}</div>'


def section(name: str, chosen: list[Path], paths: list[Path]) -> str:
    """A picture with its title below, or the chosen ones of a series, the last one visible, with a slider above."""
    images = [(described(path, title), content) for path in chosen for title, content in opened(path)]
    drawn = "".join(f'<img alt="{escape(said)}" src="data:image/png;base64,{base64.b64encode(content).decode()}"'
                    f'{" hidden" * (i < len(images) - 1)}>' for i, (said, content) in enumerate(images))
    notes = []
    if not images:
        notes.append(f"{paths[-1].name} is too large for this page, or damaged")
    elif len(images) < len(paths):
        notes.append(f"{len(images)} of {len(paths)} pictures; the folder has all")
    caption = f"<output aria-live=\"off\">{escape(images[-1][0])}</output>" if images else ""
    slider = (f'<label>{escape(name)} over the epochs <input type="range" min="0" max="{len(images) - 1}" '
              f'value="{len(images) - 1}" aria-valuetext="{escape(images[-1][0])}"></label>') if len(images) > 1 else ""
    heading = name.replace("-", " ")
    return (f'<section{" class=series" * bool(slider)}><h2>{escape(heading[:1].upper() + heading[1:])}</h2>{slider}'
            f'{drawn}<p class="soft">{". ".join(filter(None, [caption, *map(escape, notes)]))}</p></section>')


def opened(path: Path) -> list[tuple[str, bytes]]:
    """The title of a PNG and its bytes; nothing if it is none."""
    try:
        content = files.read(path, ROOM)
        with Image.open(io.BytesIO(content), formats=["PNG"]) as image:
            return [(str(image.info.get("Title", "")), content)]
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return []


def described(path: Path, title: str) -> str:
    """samples-003.png: decoded from random codes"""
    return f"{path.name}: {title}" if title else path.name


def settings(config: dict[str, Any]) -> str:
    """The settings, the versions and the command that repeats the run."""
    kept = {name: value for name, value in config.items() if name not in UNSAID and value is not None}
    versions = ", ".join(f"{name} {value}" for name, value in config.get("versions", {}).items())
    said = f"<h2>Settings</h2>\n{table({n: text(v) for n, v in kept.items()})}\n<p>{escape(versions)}</p>"
    if "demo" not in config:
        return said
    parts = ["python", f"demos/{config['demo']}.py"]
    for name, value in kept.items():
        flag = f"--{name.replace('_', '-')}"
        if isinstance(value, bool):
            parts += [flag] * value
        else:
            parts.append(f"{flag} {shlex.quote(text(value))}")
    command = " ".join(f"<span>{escape(part)}</span>" for part in parts)       # a line ends between flags
    return f'{said}\n<h2>The same again</h2>\n<pre class="panel command">{command}</pre>'


def text(value: Any) -> str:
    """A setting as a flag takes it: 500,500 for a list."""
    return ",".join(map(str, value)) or "none" if isinstance(value, list) else str(value)

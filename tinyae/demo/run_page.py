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
import sys
from collections.abc import Callable
from contextlib import suppress
from html import escape
from pathlib import Path
from typing import Any, TypeVar

from PIL import Image

from .. import console, files
from ..errors import BadFile
from ..show import page
from ..train.history import Row, from_csv
from .flags import FLAGS, SPECIAL
from .run_curves import curves

ROOM, LIMIT = 1_200_000, 1 << 24    # bytes of all pictures in a page (base64 adds a third), and of a file of numbers
UNSAID = ("demo", "out", "resume", "versions")      # what config.json holds beside the settings
NAMED = {flag.key for flag in FLAGS + SPECIAL} | {"unroll", "captured", "page"}     # settings that have a flag
T = TypeVar("T")


def show(out: Path) -> None:
    """Print where the results are: the last of each series of pictures, the numbers, and report.html, which it writes.

    A report that fails is a note on stderr.
    """
    pictures = {path.stem.rstrip("0123456789"): path for path in sorted(out.glob("*.png"))}
    print("pictures:", *map(_from_here, pictures.values()), sep="\n  ")
    print("numbers:", *(_from_here(out / name) for name in ("history.csv", "weights.npz")), sep="\n  ")
    try:
        print("report:", _from_here(write(out)), sep="\n  ")
    except Exception as error:          # the run itself is complete
        print(f"note: no report.html, because {console.printable(str(error))}", file=sys.stderr)


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
    epochs = max(row["epoch"] for row in rows)
    count = f"{epochs} epoch{'s'[:epochs - 1]}"
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
        if name not in NAMED:
            continue
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


def _from_here(path: Path) -> str:
    """path as seen from the current folder, where there is one, on the same drive."""
    with suppress(OSError, ValueError):
        return console.printable(os.path.relpath(path))
    return console.printable(str(path))

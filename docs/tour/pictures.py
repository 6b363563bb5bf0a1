"""Draws the chapters' pictures anew, each from the numbers that its chapter's own cells have computed.

    python docs/tour/pictures.py                    # all of them, into docs/tour/pictures
    python docs/tour/pictures.py 05 --out FOLDER    # that of chapter 5, elsewhere

pictures/05.py defines draw(cells), which returns a matplotlib figure, or the text of an SVG. cells: the names that the
chapter's cells define.
"""
from __future__ import annotations

import argparse
import io
import os
import re
import runpy
import tempfile
from pathlib import Path

import matplotlib
from cells import run

HERE = Path(__file__).resolve().parent
# The same bits each time; text stays text, and letters come from the reader's browser.
STYLE = {"svg.hashsalt": "tour", "svg.fonttype": "none", "font.family": "sans-serif", "font.size": 11,
         "axes.spines.top": False, "axes.spines.right": False, "savefig.facecolor": "white",
         "figure.constrained_layout.use": True}


def draw(page: Path, cells: dict, folder: Path) -> Path:
    """Draw the picture that the page shows, from the names that its cells define."""
    name = re.search(r"!\[[^]]*\]\(pictures/([^)]+)\)", page.read_text(encoding="utf-8"))[1]
    with matplotlib.rc_context(STYLE):
        figure = runpy.run_path(str(HERE / "pictures" / f"{page.name[:2]}.py"))["draw"](cells)
        if not isinstance(figure, str):
            text = io.StringIO()
            figure.savefig(text, format="svg", metadata={"Date": None})
            figure = re.sub(r"[ \t]+\n", "\n", text.getvalue())
    (folder / name).write_text(figure, encoding="utf-8")
    return folder / name


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("chapter", nargs="*", help="such as 05; all if none is given")
    parser.add_argument("--out", type=Path, default=HERE / "pictures", metavar="FOLDER")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    out, here = options.out.resolve(), Path.cwd()
    with tempfile.TemporaryDirectory() as scratch:
        os.chdir(scratch)                               # some cells write files
        for page in sorted(HERE.glob("[0-9]*.md")):
            if not options.chapter or page.name[:2] in options.chapter:
                failed, names = run(page)
                if failed:
                    raise SystemExit(f"{page.name}: {failed} outputs differ from the page")
                print(draw(page, names, out))
        os.chdir(here)

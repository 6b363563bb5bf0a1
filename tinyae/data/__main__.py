"""List the named data sets, make one ready before a run, or show what a model would be trained on.

    python -m tinyae.data list                          the named sets
    python -m tinyae.data fetch fashion-mnist           download or draw it now, so that a run does not have to
    python -m tinyae.data show my_pictures/ --size 64   sizes, classes, notes, and a contact sheet of the images
"""
from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

import numpy as np

from .. import console
from ..demo import cli
from ..demo.flags import sides
from ..errors import BadValue
from ..train.interrupt import Interrupted
from .dataset import Dataset, fingerprint
from .report import described
from .sources import SOURCES, load, opened

SHEET = 100         # images on the contact sheet
PIXELS = 128        # the longer side of an image there, at most


def main(arguments: list[str] | None = None) -> int:
    """Run one command; -> its exit status. BadValue, BadFile: a flag, name or file that cannot be used."""
    options = parser().parse_args(arguments)
    if options.command == "list":
        for name, description in SOURCES.items():
            console.say(f"{name:14} {description}")
    elif options.command == "fetch":
        try:
            train, test = load(options.name, options.data_dir)
        except KeyboardInterrupt:
            raise Interrupted("stopped; the next fetch goes on from what has come", signal.SIGINT) from None
        console.say(f"{options.name} is ready: {len(train.images):,} images {train.images.shape[1:]} to train on, "
                    f"{len(test.images):,} to test with")
    else:
        show(options)
    return 0


def parser() -> argparse.ArgumentParser:
    flags = cli.Parser(prog="python -m tinyae.data", description=__doc__, allow_abbrev=False,
                       formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = flags.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("list", help="print the name and a description of each data set")
    fetch = commands.add_parser("fetch", help="download or draw a data set now, so that a run does not have to")
    fetch.add_argument("name", metavar="NAME", help=", ".join(SOURCES))
    look = commands.add_parser("show", help="print what a model would be trained on, and draw a contact sheet")
    look.add_argument("name", metavar="PATH",
                      help="a folder of pictures; a .npy, .npz, .csv or IDX file; or the name of a data set")
    look.add_argument("--size", metavar="SIDE",
                      help="scale pictures to SIDE x SIDE, or HEIGHTxWIDTH (default: the size of the first)")
    look.add_argument("--out", metavar="PNG", default="contact-sheet.png",
                      help="the picture to write (default: contact-sheet.png)")
    for command in (fetch, look):
        command.add_argument("--data-dir", metavar="DIR",
                             help="folder in which named sets are looked for and kept (default: $TINYAE_DATA, or the "
                                  "platform's cache folder)")
    return flags


def show(options: argparse.Namespace) -> None:
    """Print sizes, range, classes and sum of the data, and write its contact sheet."""
    out = Path(options.out)
    if out.suffix.lower() != ".png":
        raise BadValue("--out must be a PNG", expected="a name that ends in .png", got=options.out,
                       fix=f"--out {out.with_suffix('.png')}")
    train, test = opened(options.name, options.data_dir, True, True, options.size and sides(options.size))
    least, most, some = train.images.min(), train.images.max(), train.images[:1000]
    console.say(f"images     {described(train, test)}")
    console.say(f"range      {least:.4g} to {most:.4g} ({train.images.dtype}), {np.unique(some).size:,} different "
                f"values in the first {len(some):,} images; a model sees {_seen(least, train):.3f} to "
                f"{_seen(most, train):.3f}")
    console.say(f"SHA-256    {fingerprint(train, test)}")
    sheet(train, out)
    console.say(f"picture    {out}")


def sheet(train: Dataset, out: Path) -> None:
    """Draw SHEET of the training images, evenly spread over the set, so that all classes of a sorted one are seen."""
    from ..demo.images import save_grid  # late: it needs Pillow
    index = np.unique(np.linspace(0, len(train.images) - 1, SHEET).round().astype(int))
    step = -(-max(train.images.shape[1:3]) // PIXELS)       # every step-th pixel of large images
    images = np.asarray(train.images[index])[:, ::step, ::step]
    save_grid(out, images, images.shape[1:], columns=10, title=f"{len(index)} of {len(train.images):,} training images")


def _seen(value: float, train: Dataset) -> float:
    return float(value) / (255 if train.images.dtype == np.uint8 else 1)


if __name__ == "__main__":
    cli.main(lambda: sys.exit(main()))

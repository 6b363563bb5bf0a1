"""data · command line: list the data sets, or fetch one ahead of time."""
from __future__ import annotations

import argparse
import sys

from ..errors import Refusal
from .sources import SOURCES, load


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return the exit status: 0, or 2 after a Refusal."""
    parser = argparse.ArgumentParser(prog="python -m tinyae.data",
                                     description="List the named data sets, or make one ready before a run.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("list", help="print the name and a description of each data set")
    fetch = commands.add_parser("fetch", help="download or draw a data set now, so that a run does not have to")
    fetch.add_argument("name", metavar="NAME", help=", ".join(SOURCES))
    fetch.add_argument("--data-dir", metavar="DIR",
                       help="folder to keep it in (default: $TINYAE_DATA, or the platform's cache folder)")
    options = parser.parse_args(arguments)
    if options.command == "list":
        for name, description in SOURCES.items():
            print(f"{name:14} {description}")
        return 0
    try:
        train, test = load(options.name, options.data_dir)
    except Refusal as refusal:
        print(refusal, file=sys.stderr)
        return 2
    print(f"{options.name} is ready: {len(train.images):,} images {train.images.shape[1:]} to train on, "
          f"{len(test.images):,} to test with")
    return 0


if __name__ == "__main__":
    sys.exit(main())

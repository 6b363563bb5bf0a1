"""data · command line: what data there is, and fetching it ahead of time."""
from __future__ import annotations

import argparse
import sys

from ..errors import Refusal
from .sources import SOURCES, load


def main(arguments: list[str] | None = None) -> int:
    """Run one command; the exit status, 2 if what it asks cannot be done."""
    parser = argparse.ArgumentParser(prog="python -m tinyae.data", description="The data that has a name.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("list", help="name and describe each data set")
    fetch = commands.add_parser("fetch", help="make a data set ready, so that no run has to wait for it")
    fetch.add_argument("name", metavar="NAME", help=", ".join(SOURCES))
    fetch.add_argument("--data-dir", metavar="DIR",
                       help="where to keep it (default: $TINYAE_DATA, or the platform's cache folder)")
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

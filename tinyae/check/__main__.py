"""Is every gradient of this library right? The answer is a table, one line for each row, function, layer and model.

    python -m tinyae.check                      all of them, in a quarter of a minute
    python -m tinyae.check --only softmax       one of them
    python -m tinyae.check --thorough --json    at ten times as many points, as JSON for programs

Exit status: 0 if all is right, 1 if a gradient is wrong or has no case, 2 if a flag is refused.
"""
from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from difflib import get_close_matches

from .. import console
from ..backend import DEVICES, device
from ..demo.cli import Parser, main
from ..errors import BadValue
from .cases import CASES, subjects
from .table import check, table

THOROUGH = 10           # seeds, instead of one


def chosen(only: str | None) -> list[str]:
    """Every name that has a gradient or a case, or `only` the one."""
    names = list(dict.fromkeys([*subjects(), *CASES]))
    if only is None:
        return names
    if only not in names:
        near = get_close_matches(only, names, n=3, cutoff=0.5) or names
        raise BadValue(f"nothing is called {only}", expected="a row, function, layer or model of the library",
                       got=f"--only {only}", fix=f"--only {' or '.join(near)}")
    return [only]


def whole(text: str) -> int:
    """The value of --seed."""
    if not text.isdecimal():
        raise BadValue("--seed out of range", expected="a whole number, 0 or more", got=repr(text), fix="--seed 0")
    return int(text)


def parser() -> argparse.ArgumentParser:
    flags = Parser(prog="python -m tinyae.check", description=__doc__, allow_abbrev=False,
                   formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("--only", metavar="NAME", help="check this row, function, layer or model alone")
    flags.add_argument("--seed", metavar="N", default="0", help="of the random points and directions (default: 0)")
    flags.add_argument("--device", metavar="NAME", default="cpu", help=f"{', '.join(DEVICES)} (default: cpu)")
    flags.add_argument("--thorough", action="store_true", help=f"check with {THOROUGH} seeds instead of one")
    flags.add_argument("--json", action="store_true", help="print JSON instead of a table")
    return flags


def run(argv: Sequence[str] | None = None) -> int:
    """The command; returns its exit status."""
    flags = parser().parse_args(argv)
    first, names, where = whole(flags.seed), chosen(flags.only), device(flags.device)
    seeds = range(first, first + (THOROUGH if flags.thorough else 1))
    results = []
    with console.bar(len(names), desc="checked", unit="") as bar:
        for name in names:
            bar.set_postfix_str(name)
            results.append(check(name, seeds, where))
            bar.update()
    if flags.json:
        print(json.dumps({"device": where, "seeds": list(seeds), "right": not any(r.faults for r in results),
                          "results": [vars(r) for r in results]}, indent=1))
    else:
        print(table(results, colour=sys.stdout.isatty() and not os.environ.get("NO_COLOR")))
    return int(any(r.faults for r in results))


if __name__ == "__main__":
    main(run)

"""check: is every gradient of this library right? One line per row, function, layer and model.

    python -m tinyae.check                      all, in half a minute
    python -m tinyae.check --only softmax       one
    python -m tinyae.check --thorough --json    ten times as many points; the table for programs

Exit status: 0 if all is right, 1 if something is wrong or has no case, 2 if the call is refused.
"""
from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from difflib import get_close_matches

from tqdm import tqdm

from ..backend import DEVICES, device
from ..demo.cli import main
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


def run(argv: Sequence[str] | None = None) -> int:
    """The command; returns its exit status."""
    parser = argparse.ArgumentParser(prog="python -m tinyae.check", description=__doc__, allow_abbrev=False,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", metavar="NAME", help="of one row, function, layer or model")
    parser.add_argument("--seed", type=int, default=0, help="of the points and directions (default: 0)")
    parser.add_argument("--device", default="cpu", metavar="NAME", help=f"{', '.join(DEVICES)} (default: cpu)")
    parser.add_argument("--thorough", action="store_true", help=f"{THOROUGH} seeds instead of one")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    flags = parser.parse_args(argv)
    if flags.seed < 0:
        raise BadValue("--seed out of range", expected="a whole number >= 0", got=flags.seed, fix="--seed 0")
    names, where = chosen(flags.only), device(flags.device)
    seeds = range(flags.seed, flags.seed + (THOROUGH if flags.thorough else 1))
    bar = tqdm(names, file=sys.stderr, disable=None, leave=False, unit="")
    results = []
    for name in bar:
        bar.set_postfix_str(name)
        results.append(check(name, seeds, where))
    if flags.json:
        print(json.dumps({"device": where, "seeds": list(seeds), "right": not any(r.faults for r in results),
                          "results": [vars(r) for r in results]}, indent=1))
    else:
        print(table(results, colour=sys.stdout.isatty() and not os.environ.get("NO_COLOR")))
    return int(any(r.faults for r in results))


if __name__ == "__main__":
    main(lambda: sys.exit(run()))

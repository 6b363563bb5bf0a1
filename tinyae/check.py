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
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from tqdm import tqdm

from .backend import DEVICES, device
from .cases import CASES, subjects
from .cli import main
from .errors import BadValue, Refusal
from .properties import PROPERTIES, points

THOROUGH = 10           # seeds, instead of one
SPLIT = ("row", "function")             # whose arguments are also checked one at a time, the others being constants


@dataclass
class Result:
    """One line of the table. cells: property -> "ok", "wrong", or "" where it says nothing."""
    name: str
    kind: str
    cases: int
    cells: dict[str, str] = field(default_factory=lambda: dict.fromkeys(PROPERTIES, ""))
    worst: float = 0.0
    faults: list[str] = field(default_factory=list)


def check(name: str, seeds: Sequence[int] = (0,), device: str = "cpu") -> Result:
    """All properties at all cases of one row, function, layer or model."""
    kind, cases = subjects().get(name, "unknown"), CASES.get(name, [])
    result = Result(name, kind, len(cases))
    if kind == "unknown":
        result.faults.append(f"{name} has cases, but the library has nothing of that name")
    elif not cases:
        result.faults.append(f"{kind} {name} has no case: give it a line in tinyae/cases.py")
    for seed in seeds:
        for case in cases:
            for point in points(name, case, seed, device, split=kind in SPLIT):
                _look(point, result)
    return result


def _look(point: Any, result: Result) -> None:
    for column, holds in PROPERTIES.items():
        if result.cells[column] == "wrong":     # one fault of a kind is enough to read
            continue
        try:
            error = holds(point)
        except Exception as fault:              # whatever a broken row raises belongs into the table
            result.cells[column] = "wrong"
            text = str(fault) if isinstance(fault, Refusal) else f"{point.name}: {type(fault).__name__}: {fault}"
            result.faults.append(f"{column}: {text}")
            continue
        if error is not None:
            result.cells[column], result.worst = "ok", max(result.worst, error)


def table(results: Sequence[Result], colour: bool = False) -> str:
    """One line per result, a column per property, and below it every fault."""
    heads = ["", "", "cases", *PROPERTIES, "worst error"]
    lines = [[r.name, r.kind, str(r.cases), *(cell or "-" for cell in r.cells.values()), f"{r.worst:.1e}"]
             for r in results]
    wide = [max(map(len, column)) for column in zip(heads, *lines, strict=True)]
    text = [_line(heads, wide, False), *(_line(line, wide, colour) for line in lines)]
    for r in results:
        text += ["", *r.faults] if r.faults else []
    wrong = [r.name for r in results if r.faults]
    verdict = f"{len(wrong)} wrong: {', '.join(wrong)}" if wrong else "all right"
    return "\n".join([*text, "", f"{len(results)} checked, {sum(r.cases for r in results)} cases; {verdict}"])


def _line(cells: list[str], wide: list[int], colour: bool) -> str:
    paint = {"ok": "\033[32m", "wrong": "\033[31;1m"} if colour else {}
    padded = [f"{cell:{w}}" for cell, w in zip(cells, wide, strict=True)]
    return "  ".join(f"{paint[cell]}{text}\033[0m" if cell in paint else text
                     for cell, text in zip(cells, padded, strict=True)).rstrip()


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

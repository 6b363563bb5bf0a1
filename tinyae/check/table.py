"""table: one line for each row, function, layer and model, and one column for each property of its gradient."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ..errors import Refusal
from .cases import CASES, subjects
from .properties import PROPERTIES, points

SPLIT = ("row", "function")             # checked also with each argument alone, the others being constants


@dataclass
class Result:
    """One line of the table. cells: property -> "ok", "wrong", or "" if it does not apply."""
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
        result.faults.append(f"{kind} {name} has no case: give it a line in tinyae/check/cases.py")
    for seed in seeds:
        for case in cases:
            for point in points(name, case, seed, device, split=kind in SPLIT):
                _look(point, result)
    return result


def _look(point: Any, result: Result) -> None:
    for column, holds in PROPERTIES.items():
        if result.cells[column] == "wrong":     # the first fault of a kind is enough to read
            continue
        try:
            error = holds(point)
        except Exception as fault:              # a broken row may raise anything: the table shows it, then goes on
            result.cells[column] = "wrong"
            text = str(fault) if isinstance(fault, Refusal) else f"{point.name}: {type(fault).__name__}: {fault}"
            result.faults.append(f"{column}: {text}")
            continue
        if error is not None:
            result.cells[column], result.worst = "ok", max(result.worst, error)


def table(results: Sequence[Result], colour: bool = False) -> str:
    """One line for each result, one column for each property, and every fault below."""
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

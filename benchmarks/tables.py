"""tables: figures as text tables and as JSON files."""
from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np


def number(x: float, digits: int = 3) -> str:
    """x with three significant digits and no exponent: 0.0123, 1.23, 1,230."""
    if not np.isfinite(x):
        return ""
    if x == 0:
        return "0"
    decimals = max(0, digits - 1 - int(np.floor(np.log10(abs(x)))))
    return f"{x:,.{decimals}f}"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table with aligned columns, so that it also reads well as text; numbers are aligned to the right."""
    wide = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    lines = [[f"{cell:{'<' if i == 0 else '>'}{w}}" for i, (cell, w) in enumerate(zip(row, wide, strict=True))]
             for row in [head, *rows]]
    rule = ["-" * wide[0], *("-" * (w - 1) + ":" for w in wide[1:])]
    return "\n".join("| " + " | ".join(line) + " |" for line in [lines[0], rule, *lines[1:]])


def write(folder: Path, name: str, result: dict[str, Any]) -> Path:
    """Write folder/name.json, with lists of numbers on one line; return its path."""
    text = json.dumps(result, indent=1)
    text = re.sub(r"\[\s+([^][{}]*?)\s+\]", lambda found: "[" + re.sub(r"\s+", " ", found[1]) + "]", text)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    path.write_text(text + "\n")
    return path

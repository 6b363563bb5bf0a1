"""train · history: a run's losses per epoch, as a line to read and as a CSV to plot.

A row belongs to one phase of one epoch: epoch, step, phase, train_TERM ..., test_TERM ..., seconds. Losses are per
image, in the model's units (nats, or squared error), so they do not depend on the batch size. The term "total" is the
sum that is minimised.
"""
from __future__ import annotations

import csv
import io
import textwrap
from pathlib import Path
from typing import Any

from ..console import WIDTH

Row = dict[str, Any]


def row(epoch: int, step: int, phase: str, seconds: float, *, train: dict[str, float], test: dict[str, float]) -> Row:
    """The row of an epoch (1, 2, ...) that ended after `step` steps of the run."""
    with_total = {"train": train | {"total": sum(train.values())}, "test": test | {"total": sum(test.values())}}
    losses = {f"{side}_{term}": value for side, terms in with_total.items() for term, value in terms.items()}
    return {"epoch": epoch, "step": step, "phase": phase, **losses, "seconds": seconds}


def lines(rows: list[Row], epochs: int, notes: list[str]) -> list[str]:
    """The rows of an epoch, each as a line of at most WIDTH columns, or several with an indent; notes end the last.

    epoch 3/10 · train reconstruction 83.1 + kl 24.0 = 107.1
               · test 82.0 + 24.2 = 106.2 · 4.1 s
    """
    said = []
    for row in rows:
        epoch = f"epoch {row['epoch']:>{len(str(epochs))}}/{epochs}"
        parts = [row["phase"], f"train {_sum(row, 'train_', named=True)}", f"test {_sum(row, 'test_', named=False)}"]
        last = [f"{row['seconds']:.1f} s", *notes] if row is rows[-1] else []       # the same for all phases
        said.append(_wrapped(epoch, [part for part in parts + last if part]))
    return said


def _wrapped(head: str, parts: list[str]) -> str:
    """head · part · part ..., in lines of WIDTH columns; a part that is longer than a line breaks at its spaces."""
    found, indent = [head], " " * len(head)
    for part in parts:
        if len(found[-1]) + len(part) + 3 <= WIDTH:
            found[-1] += f" · {part}"
        else:
            found += textwrap.wrap(part, WIDTH, initial_indent=f"{indent} · ", subsequent_indent=f"{indent}   ",
                                   break_long_words=False, break_on_hyphens=False)
    return "\n".join(found)


def _sum(row: Row, prefix: str, named: bool) -> str:
    values = {name.removeprefix(prefix): value for name, value in row.items() if name.startswith(prefix)}
    total = f"{values.pop('total'):.2f}"
    terms = " + ".join(f"{term} {value:.2f}" if named else f"{value:.2f}" for term, value in values.items())
    return f"{terms} = {total}" if len(values) > 1 else terms


def to_csv(rows: list[Row]) -> str:
    """All rows as CSV. A phase leaves the columns of other phases' terms empty."""
    columns = list(dict.fromkeys(name for row in rows for name in row if name != "seconds")) + ["seconds"]
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def from_csv(text: str) -> list[Row]:
    """The inverse of to_csv."""
    def value(name: str, text: str) -> Any:
        return text if name == "phase" else int(text) if name in ("epoch", "step") else float(text)
    return [{name: value(name, text) for name, text in row.items() if text or name == "phase"}
            for row in csv.DictReader(io.StringIO(text))]


def read_csv(path: str | Path) -> list[Row]:
    """The rows in a run's history.csv."""
    return from_csv(Path(path).read_text(encoding="utf-8"))

"""train · progress: checks the progress that a checkpoint reports before a run goes on from it.

The seal of a checkpoint says that its bytes are whole, not that a run wrote them. Whatever they hold, a run must go on
correctly or be refused before it changes anything.
"""
from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import BadFile
from .schedule import Stage, stage_at

PROGRESS = {"epoch": int, "step": int, "seconds": float, "sums": dict, "noise": dict, "best": float, "history": list}
ROW = {"epoch": int, "step": int, "phase": str, "train_total": float, "test_total": float, "seconds": float}


def progress_of(meta: dict[str, Any], stages: Sequence[Stage], ends: Sequence[int], steps: float,
                where: object) -> dict[str, Any]:
    """A copy of meta["progress"]. BadFile: no run of these stages, with so many steps an epoch, can have written it."""
    progress: Any = meta.get("progress")
    try:
        _check_kinds("progress", progress, PROGRESS)
        if set(progress) != set(PROGRESS):
            raise ValueError(f"entries {', '.join(progress)}")
        epoch, step = progress["epoch"], progress["step"]
        _check("epoch", epoch, 0 <= epoch <= len(progress["history"]))
        _check("step", step, 0 <= step <= steps)
        _check("seconds", progress["seconds"], 0 <= progress["seconds"] < math.inf)
        _check("best", progress["best"], progress["best"] > -math.inf)          # nan is not
        _check("stopped", meta.get("stopped", False), isinstance(meta.get("stopped", False), bool))
        _check_history(progress["history"], epoch, stages, ends)
        _check_sums(progress["sums"], {phase.name for phase in stage_at(epoch, stages, ends)} if step else set())
        if progress["noise"]:
            np.random.default_rng().bit_generator.state = progress["noise"]
    except Exception as error:      # NumPy and nested values of any kind raise half a dozen kinds of errors
        raise BadFile(f"cannot use {where}", expected=f"the progress of a run: {', '.join(PROGRESS)}",
                      got=f"{str(error) or type(error).__name__:.200}",
                      fix="continue from another checkpoint, or start the run again") from error
    return dict(progress)


def _check_history(history: list[Any], epoch: int, stages: Sequence[Stage], ends: Sequence[int]) -> None:
    """The rows of `epoch` epochs in order, one for each phase, with the same columns whenever the phase has one."""
    phases = [(e + 1, phase.name) for e in range(epoch) for phase in stage_at(e, stages, ends)]
    _check("the length of history", len(history), len(history) == len(phases))
    columns: dict[str, set[str]] = {}
    for row, place in zip(history, phases, strict=True):
        _check_kinds("a row of history", row, ROW)
        _check("a row of history", row, (row["epoch"], row["phase"]) == place)
        _check("a row of history", row, set(row) == columns.setdefault(row["phase"], set(row)))
        _check("a row of history", row, all(isinstance(value, int | float) and math.isfinite(value)
                                            for name, value in row.items() if name != "phase"))


def _check_sums(sums: dict[str, Any], phases: set[str]) -> None:
    """Finite sums of the loss terms of each phase, once a step was made."""
    _check("the phases in sums", ", ".join(sums), set(sums) == phases)
    for terms in sums.values():
        _check("sums", terms, isinstance(terms, dict) and len(terms) > 0 and all(
            isinstance(value, float) and math.isfinite(value) for value in terms.values()))


def _check_kinds(what: str, found: Any, kinds: dict[str, type]) -> None:
    _check(what, found, isinstance(found, dict))
    for name, kind in kinds.items():
        _check(name, found.get(name), isinstance(found.get(name), kind) and not isinstance(found[name], bool))


def _check(what: str, value: Any, holds: bool) -> None:
    if not holds:
        raise ValueError(f"{what}: {value!r:.100}")

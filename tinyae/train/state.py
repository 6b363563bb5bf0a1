"""progress: all that a run must remember to go on as if it had never stopped.

Progress holds the numbers, the phases' parameters and optimizers hold the arrays. `take` makes a checkpoint's
content of both, `put_back` is its inverse. The shuffle of epoch e is drawn from (seed, e), so nobody has to
remember it.
"""
from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import Any

import numpy as np

from ..backend import device_of, to_device, to_host
from ..errors import BadFile
from .schedule import Optimizer, Stage, parameters

Content = tuple[dict[str, Any], dict[str, np.ndarray]]      # of a checkpoint: (meta, arrays)


@dataclass
class Progress:
    """Where a run stands: numbers and text, which JSON holds exactly."""

    epoch: int = 0              # epochs finished
    step: int = 0               # steps done of the next epoch
    seconds: float = 0.0        # spent on them
    sums: dict[str, dict[str, float]] = field(default_factory=dict)     # phase -> loss term -> sum over their images
    noise: dict[str, Any] = field(default_factory=dict)                 # the noise generator's state after them
    best: float = np.inf        # the least test loss of the stage under way
    history: list[dict[str, Any]] = field(default_factory=list)         # a row for every phase of every finished epoch


def take(stages: list[Stage], progress: Progress, facts: dict[str, Any]) -> Content:
    """(meta, arrays), copies of everything. facts describe the run; put_back wants the same ones."""
    arrays = {f"param/{name}": np.array(to_host(p.data)) for name, p in parameters(stages).items()}
    for place, optimizer in _optimizers(stages):
        arrays |= {f"{place}/{name}": np.asarray(value) for name, value in optimizer.state().items()}
    return {"facts": facts, "progress": asdict(progress)}, arrays


def put_back(content: Content, stages: list[Stage], facts: dict[str, Any], where: object) -> Progress:
    """Set every parameter and optimizer to what `take` took. All is checked before anything is set."""
    meta, arrays = content
    progress = _progress(meta, where)
    _same("what the run was started with", meta.get("facts"), facts, where)
    _same("the arrays of this model and its optimizers", {name: _describe(a) for name, a in arrays.items()},
          {name: _describe(a) for name, a in take(stages, progress, facts)[1].items()}, where)
    for name, p in parameters(stages).items():
        p.data = to_device(arrays[f"param/{name}"], device_of(p.data))
    for place, optimizer in _optimizers(stages):
        optimizer.load({name: arrays[f"{place}/{name}"] for name in optimizer.state()})
    return progress


def _optimizers(stages: list[Stage]) -> list[tuple[str, Optimizer]]:
    """Each with its place in the schedule: its first, as phases may share one."""
    found: dict[int, tuple[str, Optimizer]] = {}
    for s, stage in enumerate(stages):
        for i, phase in enumerate(stage):
            found.setdefault(id(phase.optimizer), (f"optimizer/{s}.{i}", phase.optimizer))
    return list(found.values())


def _describe(a: np.ndarray) -> str:
    return f"{a.shape} {a.dtype}"


def _same(what: str, saved: Any, live: dict[str, Any], where: object) -> None:
    """saved == live, or a refusal that names the first entry that differs."""
    saved = saved if isinstance(saved, dict) else {}
    for name in dict.fromkeys([*live, *saved]):
        if saved.get(name) != live.get(name):
            raise BadFile(f"{where} belongs to another run", expected=f"{what}: {name} {live.get(name, 'absent')}",
                          got=f"{name} {saved.get(name, 'absent')}",
                          fix="the settings, data and model of the run that wrote it; of a run in stages also as many "
                              "epochs as the run began with")


def _progress(meta: dict[str, Any], where: object) -> Progress:
    try:
        progress = Progress(**meta["progress"])
        for f, kind in zip(fields(Progress), (int, int, float, dict, dict, float, list), strict=True):
            if not isinstance(getattr(progress, f.name), kind):
                raise TypeError(f"{f.name} is {getattr(progress, f.name)!r}")
        if progress.noise:
            np.random.default_rng().bit_generator.state = progress.noise
    except (KeyError, TypeError, ValueError) as error:
        raise BadFile(f"cannot use {where}", expected="a run's progress", got=f"another content: {error}",
                      fix="start the run again") from error
    return progress

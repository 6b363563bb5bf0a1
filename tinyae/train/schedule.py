"""schedule: who is trained on what, in which order.

A phase is (losses, params, optimizer). A schedule is a list of stages that run in a row (layer-wise training); a
stage is a phase, or a tuple of phases that take turns on every batch (adversarial training).
"""
from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any, NamedTuple, Protocol

import numpy as np

from ..backend import Array
from ..errors import BadType, BadValue
from ..tensor import Tensor


class Losses(Protocol):
    """A model's losses: batch (n, d) and a random generator -> one-element Tensors by name, whose sum is minimised."""

    def __call__(self, batch: Array, rng: Any, /) -> dict[str, Tensor]: ...


class Optimizer(Protocol):
    """What a phase asks of its optimizer."""

    def step(self, grads: dict[str, Array], /) -> None: ...
    def state(self) -> dict[str, Any]: ...
    def load(self, state: dict[str, Any], /) -> None: ...


class Phase(NamedTuple):
    """One thing to minimise: losses, the params it may change, and the optimizer that was given these params.

    A parameter that is not in params is frozen. name marks the phase's rows in the history.
    """

    losses: Losses
    params: dict[str, Tensor]
    optimizer: Optimizer
    name: str = ""


Stage = tuple[Phase, ...]       # phases that take turns on every batch


def as_stages(schedule: Any) -> list[Stage]:
    """The schedule as tuples of phases, each with a name that its stage has only once."""
    listed = isinstance(schedule, list | tuple) and not isinstance(schedule, Phase)
    stages = [entry if isinstance(entry, tuple) and not isinstance(entry, Phase) else (entry,)
              for entry in (schedule if listed else [])]
    if not stages or not all(stage and all(isinstance(phase, Phase) for phase in stage) for stage in stages):
        raise BadType("this is no schedule", expected="a list of stages, each a Phase or a tuple of Phases",
                      got=f"{schedule!r:.100}", fix="[Phase(model.losses, params(model), Adam(params(model)))]")
    if len(stages) == 1 and len(stages[0]) == 1:
        return stages
    named = [tuple(phase._replace(name=phase.name or f"{s}.{i}") for i, phase in enumerate(stage, 1))
             for s, stage in enumerate(stages, 1)]
    for stage in named:
        if len({phase.name for phase in stage}) < len(stage):
            raise BadValue("two phases of a stage have one name", expected="a name of its own for each",
                           got=[phase.name for phase in stage], fix="leave the names out, or change one")
    return named


def stage_ends(epochs: Any, stages: int) -> list[int]:
    """The epochs, counted from the run's start, after which each stage is over."""
    counts = list(epochs) if isinstance(epochs, Sequence) else [epochs] * stages
    if len(counts) != stages:
        raise BadValue("epochs do not fit the schedule", expected=f"one number, or {stages}: one for each stage",
                       got=epochs, fix=f"epochs={counts[:1] * stages}")
    for count in counts:
        check_whole("epochs", count, 1)
    return list(accumulate(counts))


def split_epochs(epochs: int, shares: Sequence[float]) -> list[int]:
    """Whole epochs for stages in a row that take these shares, whose sum is 1. Few epochs go to the first stages.

    A learning rate that falls: for stages of rates 1, 0.3, 0.1, split_epochs(10, (0.5, 0.3, 0.2)) is [5, 3, 2].
    """
    ends = np.ceil(np.round(epochs * np.cumsum(shares), 6)).astype(int)         # 10 * (0.1 + 0.2) is 3.0000000000000004
    return [int(n) for n in np.diff(ends, prepend=0)]


def parameters(stages: list[Stage]) -> dict[str, Tensor]:
    """Every parameter of every phase by its name; one name for two Tensors is refused."""
    found: dict[str, Tensor] = {}
    for phase in (phase for stage in stages for phase in stage):
        for name, p in phase.params.items():
            if found.setdefault(name, p) is not p:
                raise BadValue(f"two parameters are called {name}", expected="one name for each Tensor of the schedule",
                               got="two Tensors under this name", fix="choose each phase's from one params(model)")
    return found


def check_whole(name: str, value: Any, least: int) -> None:
    if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < least:
        raise BadValue(f"{name} out of range", expected=f"a whole number, at least {least}", got=repr(value),
                       fix=f"{name}={max(least, 1)}")

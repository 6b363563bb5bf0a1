"""train · schedule: which parameters are trained on which loss, in which order.

A phase is (losses, params, optimizer). A schedule is a list of stages, trained one after the other (layer-wise
training). A stage is a phase, or a tuple of phases that take turns on every batch (adversarial training).
"""
from __future__ import annotations

import math
from bisect import bisect
from collections.abc import Callable, Sequence
from inspect import signature
from itertools import accumulate
from typing import Any, NamedTuple, Protocol

import numpy as np

from ..backend import Array
from ..errors import BadType, BadValue
from ..layers import params
from ..optim import Adam
from ..tensor import Tensor

Rng = Any                               # numpy.random.Generator, or CuPy's
Rate = Callable[[int], float]           # the number of epochs before this one -> this epoch's learning rate


class Losses(Protocol):
    """A model's losses: batch (n, d), rng -> one-element Tensors by name, whose sum is minimised."""

    def __call__(self, batch: Array, rng: Rng, /) -> dict[str, Tensor]: ...


class Optimizer(Protocol):
    """The part of an optimizer that a phase uses."""

    lr: float

    def step(self, grads: dict[str, Array], /) -> None: ...
    def state(self) -> dict[str, Any]: ...
    def load(self, state: dict[str, Any], /) -> None: ...


class Model(Protocol):
    """An object with losses whose parameters params(model) finds."""

    @property
    def losses(self) -> Losses: ...


class Phase(NamedTuple):
    """One sum of losses, the params that it may change, and the optimizer that was built on these params.

    A parameter outside params stays frozen. `name` marks the phase's rows in the history. `lr` is a learning-rate
    schedule: before epoch e, counted from 0 over the whole run, the optimizer's rate becomes lr(e).
    """

    losses: Losses
    params: dict[str, Tensor]
    optimizer: Optimizer
    name: str = ""
    lr: Rate | None = None


Stage = tuple[Phase, ...]               # phases that take turns on every batch


def as_stages(model: Model | Sequence[Phase | Stage], lr: float | Rate | None = None) -> list[Stage]:
    """A model's one stage, or a schedule's stages as tuples of phases. Within a stage each phase has its own name."""
    if hasattr(model, "losses") and not isinstance(model, Phase):
        stages = [_stage_of(model, lr)]
    else:
        stages = _stages_in(model, lr)
    if len(stages) == 1 and len(stages[0]) == 1:
        return stages
    named = [tuple(phase._replace(name=phase.name or f"{s}.{i}") for i, phase in enumerate(stage, 1))
             for s, stage in enumerate(stages, 1)]
    for stage in named:
        if len({phase.name for phase in stage}) < len(stage):
            raise BadValue("the phases of a stage must have different names", expected="one name for each phase",
                           got=[phase.name for phase in stage], fix="leave the names out, or change one")
    return named


def _stage_of(model: Model, lr: float | Rate | None) -> Stage:
    """A phase with Adam for the model's losses; for a model with players(), one phase for each player."""
    players = model.players() if hasattr(model, "players") else {"": (model.losses, params(model))}
    first = rate_of(lr, 0) if callable(lr) else 1e-3 if lr is None else lr
    return tuple(Phase(losses, own, Adam(own, first), name, lr if callable(lr) else None)
                 for name, (losses, own) in players.items())


def _stages_in(schedule: Any, lr: float | Rate | None) -> list[Stage]:
    """Each entry as a tuple of phases, if all are phases."""
    listed = isinstance(schedule, list | tuple) and not isinstance(schedule, Phase)
    stages = [entry if isinstance(entry, tuple) and not isinstance(entry, Phase) else (entry,)
              for entry in (schedule if listed else [])]
    if not stages or not all(stage and all(isinstance(phase, Phase) for phase in stage) for stage in stages):
        raise BadType("fit trains a model with losses(batch, rng), or a list of stages", got=f"{schedule!r:.100}",
                      expected="a model, or a list in which each stage is a Phase or a tuple of Phases",
                      fix="fit(model, ...), or fit([Phase(model.losses, params(model), Adam(params(model)))], ...)")
    if lr is not None:
        raise BadValue("lr is for a model; the optimizers of a schedule have their own rates", got=f"lr={lr!r}",
                       expected="a schedule without lr",
                       fix="Phase(losses, params, Adam(params, lr)); for a rate that changes, Phase(..., lr=function)")
    return stages


def rate_of(lr: Rate, epoch: int) -> float:
    """lr(epoch), checked, as a Python number: with a NumPy float64, float32 steps would be computed in float64."""
    rate = lr(epoch)
    if not (isinstance(rate, int | float | np.number) and 0 < rate < math.inf):
        raise BadValue(f"lr({epoch}) is not a learning rate", expected="a positive, finite number", got=repr(rate),
                       fix="lr=lambda epoch: 1e-3 * 0.5 ** epoch, with epoch = 0, 1, ...")
    return float(rate)


def constants(stages: Sequence[Stage]) -> dict[str, list[list[Any]]]:
    """For each phase of each stage: the learning rate with which it begins, None where a schedule sets it; and the
    optimizer with its other numbers.
    """
    def described(optimizer: Optimizer) -> str:
        given = {name: getattr(optimizer, name, None) for name in signature(type(optimizer)).parameters if name != "lr"}
        numbers = [f"{name}={np.ravel(value).astype(float).tolist()}" for name, value in given.items()
                   if isinstance(value, int | float | tuple | list)]
        return f"{type(optimizer).__name__}({', '.join(numbers)})"

    return {"learning rates": [[None if phase.lr else float(phase.optimizer.lr) for phase in stage]
                               for stage in stages],
            "optimizers": [[described(phase.optimizer) for phase in stage] for stage in stages]}


def stage_ends(epochs: int | Sequence[int], stages: int) -> list[int]:
    """The number of epochs, from the run's start, after which each stage is over."""
    counts = list(epochs) if isinstance(epochs, Sequence) else [epochs] * stages
    if len(counts) != stages:
        raise BadValue("epochs must be one number, or one for each stage", got=epochs,
                       expected=f"one number, or {stages}: one for each stage", fix=f"epochs={counts[:1] * stages}")
    for count in counts:
        check_whole("epochs", count, 1)
    return list(accumulate(counts))


def stage_at(epoch: int, stages: Sequence[Stage], ends: Sequence[int]) -> Stage:
    """The stage of the epoch after `epoch` finished ones; after the last of all, the last stage."""
    return stages[min(bisect(ends, epoch), len(stages) - 1)]


def split_epochs(epochs: int, shares: Sequence[float]) -> list[int]:
    """epochs whole epochs, split among consecutive stages by shares of sum 1; the first stages get the few there are.

    Stages of rates 1, 0.3 and 0.1 make a learning rate that falls: split_epochs(10, (0.5, 0.3, 0.2)) is [5, 3, 2].
    """
    ends = np.ceil(np.round(epochs * np.cumsum(shares), 6)).astype(int)         # 10 * (0.1 + 0.2) is 3.0000000000000004
    return [int(n) for n in np.diff(ends, prepend=0)]


def check_whole(name: str, value: object, least: int) -> None:
    if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < least:
        raise BadValue(f"{name} must be a whole number of at least {least}", got=repr(value),
                       expected=f"a whole number, at least {least}", fix=f"{name}={max(least, 1)}")

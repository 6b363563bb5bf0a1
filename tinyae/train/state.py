"""train · state: everything that a run needs to go on as if it had never stopped.

RunState holds the numbers; the phases' parameters and optimizers hold the arrays. `capture` copies all of it, and
`restore` is its inverse.
"""
from __future__ import annotations

import math
from functools import wraps
from typing import Any

import numpy as np

from ..backend import Array, device_of, generator, to_device, to_host
from ..errors import BadFile, BadValue
from ..tensor import Tensor
from ..unroll import Step
from .distributed import Ranks
from .history import Row
from .loader import EVALUATION, NOISE
from .metrics import LossSums, losses_of
from .progress import progress_of
from .schedule import Optimizer, Phase, Rng, Stage, check_whole, rate_of, stage_at

Content = tuple[dict[str, Any], dict[str, np.ndarray]]      # of a checkpoint: (meta, arrays)


class RunState:
    """Where a run stands: `step` steps into the epoch after `epoch` finished ones.

    ends: the number of epochs, from the run's start, after which each stage is over. unrolled: whether steps run as
    programs. ranks: the processes that share the run's batches.
    """

    def __init__(self, stages: list[Stage], ends: list[int], seed: int, unrolled: bool = False,
                 ranks: Ranks | None = None):
        check_whole("seed", seed, 0)
        self.stages, self.ends, self.seed, self.unrolled = stages, ends, seed, unrolled
        self.ranks = ranks or Ranks()
        if unrolled and self.ranks.size > 1:
            raise BadValue("unrolled=True runs whole steps of a single process", expected="one process",
                           got=f"{self.ranks.size} ranks", fix="unrolled=False: a program has no Allreduce")
        self.params = _parameters(stages)
        self.optimizers = _optimizers(stages)
        first = next(iter(self.params.values())).data
        self.device, self.dtype = device_of(first), first.dtype
        self.best, self.history, self.stopped = math.inf, list[Row](), False    # best: the stage's least test loss
        self._go_to(epoch=0)
        self.shapes = {name: _describe(a) for name, a in self.capture()[1].items()}

    @property
    def stage(self) -> Stage:
        return stage_at(self.epoch, self.stages, self.ends)

    @property
    def is_over(self) -> bool:
        return self.stopped or self.epoch >= self.ends[-1]

    def set_rates(self) -> None:
        """Give the optimizers of the stage their learning rates of this epoch, where a phase has a schedule."""
        for phase in self.stage:
            if phase.lr is not None:
                phase.optimizer.lr = rate_of(phase.lr, self.epoch)

    def measure(self, batch: Array) -> list[float]:
        """Numbers that differ if a setting of the model or of a schedule does: the stage's losses of a batch, summed
        for each phase, then the learning rates that schedules gave in the last epoch that has begun.
        """
        rng = generator([self.seed, EVALUATION], self.device)
        losses = [losses_of(phase, batch, rng)[1].item() for phase in self.stage]
        epoch = self.epoch - (self.step == 0)
        begun = stage_at(epoch, self.stages, self.ends) if epoch >= 0 else ()
        return losses + [rate_of(phase.lr, epoch) for phase in begun if phase.lr is not None]

    def unrolled_step(self, phase: Phase) -> Step:
        """The phase's step as a program. It is recorded anew in each epoch, since on_epoch may change what the losses
        depend on."""
        if phase.name not in self.programs:
            losses = wraps(phase.losses)(lambda batch, rng: losses_of(phase, batch, rng)[0])
            self.programs[phase.name] = Step(losses, phase.optimizer, phase.params)
        return self.programs[phase.name]

    def end_epoch(self, rows: list[Row]) -> bool:
        """Go on to the next epoch; -> whether this one's test loss is the best of its stage."""
        loss = rows[0]["test_total"]
        if self.epoch in self.ends:                             # the first epoch of another stage
            self.best = math.inf
        is_best = loss < self.best
        self.best, self.history = min(self.best, loss), self.history + rows     # a new list: a captured one stays
        self._go_to(self.epoch + 1)
        return is_best

    def _go_to(self, epoch: int, step: int = 0, seconds: float = 0.0, sums: dict[str, Any] | None = None,
               noise: dict[str, Any] | None = None) -> None:
        """Stand `step` steps into this epoch, with the losses summed and the generator's state after them."""
        self.epoch, self.step, self.seconds, self.sums = epoch, step, seconds, LossSums(sums or {})
        self.programs: dict[str, Step] = {}                     # of the phases; those of an epoch serve no other
        # A GPU's generator cannot be set to a state: there, the rest of an epoch draws from a stream of its own.
        self.rng: Rng = generator([self.seed, NOISE, epoch] + [step] * (step > 0), self.device)
        if noise and self.device == "cpu":
            self.rng.bit_generator.state = noise

    def capture(self) -> Content:
        """(meta, arrays): numbers that JSON holds exactly, and copies of all arrays on the host."""
        arrays = {f"param/{name}": np.array(to_host(p.data)) for name, p in self.params.items()}
        for place, optimizer in self.optimizers.items():
            arrays |= {f"{place}/{name}": np.asarray(value) for name, value in optimizer.state().items()}
        sums = {phase: dict(terms) for phase, terms in self.sums.sums.items()}
        noise = self.rng.bit_generator.state if self.step and self.device == "cpu" else {}
        progress = {"epoch": self.epoch, "step": self.step, "seconds": self.seconds, "sums": sums, "noise": noise,
                    "best": self.best, "history": self.history}
        return {"progress": progress, "stopped": self.stopped}, arrays

    def restore(self, content: Content, where: object, steps: float = math.inf) -> None:
        """Become what `capture` saw. Everything is checked before anything is set; `where` names it in a refusal.

        steps: how many an epoch has.
        """
        meta, arrays = content
        progress = progress_of(meta, self.stages, self.ends, steps, where)
        check_same("the arrays of this model and its optimizers",
                   {name: _describe(a) for name, a in arrays.items()}, self.shapes, where)
        for name, p in self.params.items():
            p.data = to_device(arrays[f"param/{name}"], device_of(p.data))
        for place, optimizer in self.optimizers.items():
            optimizer.load({name.removeprefix(f"{place}/"): a for name, a in arrays.items()
                            if name.startswith(f"{place}/")})
        self.best, self.history = progress.pop("best"), progress.pop("history")
        self.stopped = meta.get("stopped", False)       # absent in checkpoints of older versions
        self._go_to(**progress)


def check_same(what: str, saved: object, live: dict[str, Any], where: object) -> None:
    """saved == live, or a refusal that names the first entry that differs."""
    saved = saved if isinstance(saved, dict) else {}
    for name in dict.fromkeys([*live, *saved]):
        if saved.get(name) != live.get(name):
            raise BadFile(f"{where} belongs to another run", expected=f"{what}: {name} {live.get(name, 'absent')}",
                          got=f"{name} {saved.get(name, 'absent')}",
                          fix="the settings, data and model of the run that wrote it; of a run in stages also as many "
                              "epochs as the run began with")


def _parameters(stages: list[Stage]) -> dict[str, Tensor]:
    """Every parameter of every phase by its name. Two Tensors of one name are refused."""
    found: dict[str, Tensor] = {}
    for phase in (phase for stage in stages for phase in stage):
        for name, p in phase.params.items():
            if found.setdefault(name, p) is not p:
                raise BadValue(f"two parameters are called {name}", expected="one Tensor for each name of the schedule",
                               got="two Tensors", fix="choose the params of each phase from one params(obj)")
    return found


def _optimizers(stages: list[Stage]) -> dict[str, Optimizer]:
    """Each by its place in the schedule. Phases may share one: it stands at the first of them."""
    found: dict[int, tuple[str, Optimizer]] = {}
    for s, stage in enumerate(stages):
        for i, phase in enumerate(stage):
            found.setdefault(id(phase.optimizer), (f"optimizer/{s}.{i}", phase.optimizer))
    return dict(found.values())


def _describe(a: np.ndarray) -> str:
    return f"{a.shape} {a.dtype}"

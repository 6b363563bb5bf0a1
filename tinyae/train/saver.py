"""train · saver: a run's folder, and the moments at which its checkpoint is written."""
from __future__ import annotations

import json
import platform
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from .. import __version__, files
from ..backend import to_host
from . import checkpoint, history
from .diagnose import NonFinite
from .schedule import check_whole
from .state import Content, RunState, check_same


class Saver:
    """Keeps a run's last good content: in memory, to replay from, and in out/last.npz, to resume from.

    out None: nothing is written. every, steps: seconds and steps between two checkpoints of an epoch. facts identify
    the run: only a run of the same facts may go on from its checkpoint.
    """

    def __init__(self, out: str | Path | None, every: float, steps: int | None, facts: dict[str, Any]):
        check_whole("checkpoint_steps", 1 if steps is None else steps, 1)
        self.out = None if out is None else Path(out)
        self.every, self.steps, self.facts = every, steps, facts
        self.saved: Content
        self.saved_at = perf_counter()

    def begin(self, state: RunState, resume: bool, config: dict[str, Any]) -> None:
        """Claim the folder; to resume, set the state to its last.npz, if there is one."""
        if self.out is not None and not resume:
            files.claim(self.out)
        self.saved = state.capture()
        if self.out is not None and resume and (last := self.out / "last.npz").exists():
            limit = checkpoint.OVERHEAD + 2 * sum(a.nbytes for a in self.saved[1].values())
            meta, arrays = checkpoint.load(last, limit)
            check_same("what the run was started with", meta.get("facts"), self.facts, last)
            state.restore((meta, arrays), last)
        versions = {"tinyae": __version__, "numpy": np.__version__, "python": platform.python_version()}
        self.write("config.json", json.dumps(config | {"versions": versions}, indent=2) + "\n")
        self.save(state)

    def is_due(self, step: int) -> bool:
        """Whether the run should save itself after this step of the epoch."""
        counted = self.steps is not None and step % self.steps == 0
        return counted or perf_counter() - self.saved_at >= self.every

    def save(self, state: RunState, is_best: bool = False) -> None:
        """Capture the state and write it, unless it holds a number that is not finite: NonFinite."""
        meta, arrays = content = state.capture()
        if not all(np.isfinite(a).all() for a in arrays.values()):
            raise NonFinite("a parameter, or what an optimizer keeps")
        self.saved, self.saved_at = content, perf_counter()
        packed = checkpoint.pack({"facts": self.facts, **meta}, arrays)
        if is_best:     # first: a run killed between the two writes repeats the epoch, and this write
            self.write("best.npz", packed)
        self.write("last.npz", packed)

    def save_history(self, state: RunState) -> None:
        self.write("history.csv", history.to_csv(state.history))

    def finish(self, state: RunState) -> None:
        """Write the history, as a killed run may have missed it, and the weights as plain arrays."""
        self.save_history(state)
        self.write("weights.npz", checkpoint.npz({name: to_host(p.data) for name, p in state.params.items()}))

    def write(self, name: str, content: bytes | str) -> None:
        if self.out is not None:
            files.write(self.out / name, content.encode() if isinstance(content, str) else content)

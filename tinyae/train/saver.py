"""train · saver: what a run writes into its folder, and when."""
from __future__ import annotations

import json
import os
import platform
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from .. import __version__, files
from ..backend import to_host
from ..errors import BadFile, BadValue
from . import checkpoint, folder, history
from .diagnose import NonFinite
from .schedule import check_whole
from .state import Content, RunState, check_same

RESULTS = ("best.npz", "history.csv", "weights.npz")        # files that no run has without a last.npz
LATER = ("learning rates", "optimizers", "all training images", "all test images")
ROW_BYTES = 2048        # of JSON, for each row of the history, at most


class Saver:
    """Keeps a run's last good content: in memory, to replay from, and in out/last.npz, to resume from.

    out None: nothing is written. every, steps: seconds and steps between two checkpoints of an epoch. facts identify
    the run: only a run of the same facts may go on from its checkpoint, and only if measure() is what it was when the
    checkpoint was written, with the same parameters. `begin` locks the folder for this process, and the end of a `with`
    statement releases it.
    """

    def __init__(self, out: str | Path | None, every: float, steps: int | None, facts: dict[str, Any],
                 measure: Callable[[], list[float]]):
        check_whole("checkpoint_steps", 1 if steps is None else steps, 1)
        self.out = None if out is None else Path(out)
        self.every, self.steps, self.facts, self.measure = every, steps, facts, measure
        self.saved: Content
        self.saved_at = perf_counter()
        self.lock = ExitStack()

    def __enter__(self) -> Saver:
        return self

    def __exit__(self, *error: object) -> None:
        self.lock.close()

    def begin(self, state: RunState, steps: int, resume: bool, config: dict[str, Any]) -> None:
        """Claim the folder; to resume, set the state to its last.npz, if there is one. steps: those of an epoch."""
        if self.out is not None:
            self.lock.enter_context(folder.hold(self.out, new=not resume))
        self.saved = state.capture()
        if self.out is not None and resume and _was_begun(self.out):
            self._restore(state, steps, self.out / "last.npz")
        if state.ranks.size > 1:        # rank 0 has read the checkpoint; each other rank becomes its twin
            facts, content = state.ranks.same((self.facts, state.capture()))
            if facts != self.facts:
                raise BadValue("all ranks must train on the same data with the same settings", expected=facts,
                               got=self.facts, fix="the same script, flags and files for every rank")
            state.restore(content, "rank 0")
        versions = {"tinyae": __version__, "numpy": np.__version__, "python": platform.python_version()}
        self.write("config.json", json.dumps(config | {"versions": versions}, indent=2) + "\n")
        self.save(state)

    def _restore(self, state: RunState, steps: int, last: Path) -> None:
        rows = state.ends[-1] * max(map(len, state.stages))
        arrays_bytes = sum(a.nbytes for a in self.saved[1].values())
        meta, arrays = checkpoint.load(last, checkpoint.OVERHEAD + 2 * arrays_bytes + ROW_BYTES * rows)
        saved = meta.get("facts")
        if isinstance(saved, dict):     # checkpoints of older versions lack these facts
            saved = {name: self.facts[name] for name in LATER if name in self.facts} | saved
        check_same("what the run was started with", saved, self.facts, last)
        if bad := [name for name, a in arrays.items() if a.dtype.kind == "f" and not np.isfinite(a).all()]:
            raise BadFile(f"cannot use {last}", expected="finite numbers", got=f"nan or inf in {bad[0]}",
                          fix="continue from another checkpoint (copy RUN/best.npz to RUN/last.npz)")
        state.restore((meta, arrays), last, steps)
        self._compare(state, meta.get("measured", {}), last)

    def _compare(self, state: RunState, saved: Any, last: Path) -> None:
        """BadFile, and the state is as before: a setting of the model has changed since the checkpoint was written."""
        if not isinstance(saved, dict) or state.device not in saved:    # devices draw different random numbers
            return
        was, live = saved[state.device], self.measure()
        numbers = isinstance(was, list) and len(was) == len(live) and all(isinstance(value, float) for value in was)
        if not (numbers and np.allclose(was, live, rtol=1e-5, atol=1e-6, equal_nan=True)):
            state.restore(self.saved, last)
            raise BadFile(f"{last} was written with other settings of the model", got=str(live),
                          expected=f"losses on the first test batch (then scheduled learning rates) of {was!s:.200}",
                          fix="the settings of that run: activation, weights of the losses such as beta, noise, lr")

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
        measured = {} if self.out is None else {state.device: self.measure()}
        packed = checkpoint.pack({"facts": self.facts, "measured": measured, **meta}, arrays)
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


def _was_begun(out: Path) -> bool:
    """Whether there is a last.npz to go on from. BadFile: it is gone, and what the run reached would be overwritten."""
    if os.path.lexists(out / "last.npz"):
        return True
    if left := [name for name in RESULTS if os.path.lexists(out / name)]:
        raise BadFile(f"cannot continue {out}", expected="last.npz, the last checkpoint of the run",
                      got=f"no last.npz, but {', '.join(left)}, which a run from the start would overwrite",
                      fix="copy best.npz to last.npz to continue from the best epoch, or start a run in another folder")
    return False

"""train · interrupt: how a run ends early, by a signal or by its callback.

The first Ctrl-C (or SIGTERM) lets the step finish and the run save itself; the second stops it at once.
"""
from __future__ import annotations

import signal
import threading
from pathlib import Path
from types import FrameType
from typing import Any


class StopTraining(Exception):
    """Raised by on_epoch: the run ends with this epoch, as if it had been its last. The message ends its line."""


class Interrupted(KeyboardInterrupt):
    """A signal stopped the run. `out` is the folder that it was saved in, or None."""

    def __init__(self, message: str, signum: int, out: Path | None = None):
        super().__init__(message)
        self.signum, self.out = signum, out


class Interrupt:
    """with Interrupt() as interrupt: ... if interrupt.signum: a signal has asked the run to end.

    Outside the main thread, where Python allows no handlers, signals are not caught. The old handlers return at exit.
    """
    signals = (signal.SIGINT, signal.SIGTERM)

    def __init__(self) -> None:
        self.signum = 0
        self._old: dict[int, Any] = {}

    def __enter__(self) -> Interrupt:
        if threading.current_thread() is threading.main_thread():
            self._old = {s: signal.signal(s, self._receive) for s in self.signals}
        return self

    def __exit__(self, *error: object) -> None:
        for s, handler in self._old.items():
            signal.signal(s, handler)

    def _receive(self, signum: int, frame: FrameType | None) -> None:
        if self.signum:
            raise Interrupted("stopped at once; the last checkpoint is intact", signum)
        self.signum = signum

"""interrupt: Ctrl-C once finishes the step under way, twice stops at once. SIGTERM likewise."""
from __future__ import annotations

import signal
import threading
from pathlib import Path
from types import FrameType
from typing import Any


class Interrupted(KeyboardInterrupt):
    """A run was stopped by a signal; out is the folder where it was saved first, if it was."""

    def __init__(self, message: str, signum: int, out: Path | None = None):
        super().__init__(message)
        self.signum, self.out = signum, out


class Interrupt:
    """with Interrupt() as asked: ... if asked.signum: the person (or the machine) wants the run to end soon.

    Outside the main thread, where Python allows no handlers, nobody is heard. The old handlers come back at the end.
    """
    signals = (signal.SIGINT, signal.SIGTERM)

    def __init__(self) -> None:
        self.signum = 0
        self._old: dict[int, Any] = {}

    def __enter__(self) -> Interrupt:
        if threading.current_thread() is threading.main_thread():
            self._old = {s: signal.signal(s, self._heard) for s in self.signals}
        return self

    def __exit__(self, *error: object) -> None:
        for s, handler in self._old.items():
            signal.signal(s, handler)

    def _heard(self, signum: int, frame: FrameType | None) -> None:
        if self.signum:
            raise Interrupted("stopped at once; the last checkpoint is intact", signum)
        self.signum = signum

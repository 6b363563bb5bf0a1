"""interrupt: Ctrl-C once finishes the step under way, twice stops at once. SIGTERM likewise."""
from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any


class Interrupted(KeyboardInterrupt):
    """A run stopped in good order after a signal; its state is saved."""

    def __init__(self, signum: int, message: str):
        super().__init__(message)
        self.signum = signum


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
            raise Interrupted(signum, "stopped at once; what the last checkpoint holds is safe")
        self.signum = signum

"""train · interrupt: how a run ends early, by a signal or by its callback.

The first Ctrl-C (or SIGTERM, or SIGHUP) lets the step finish and the run save itself; a second stops it at once.
"""
from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from inspect import signature
from pathlib import Path
from types import FrameType
from typing import Any

from .history import Row


class StopTraining(Exception):
    """Raised by on_epoch: the run ends with this epoch, as if it had been its last. The message ends its line."""


class Interrupted(KeyboardInterrupt):
    """A signal stopped the run. `out` is the folder that it was saved in, or None."""

    def __init__(self, message: str, signum: int, out: Path | None = None):
        super().__init__(message)
        self.signum, self.out = signum, out


class Interrupt:
    """with Interrupt(out) as interrupt: ... if interrupt.signum: a signal has asked the run to end.

    If a signal comes and the block still ends by itself, for example while it draws the last pictures, Interrupted is
    raised at its end. Outside the main thread, where Python allows no handlers, signals are not caught. Signals that
    the process ignores, as in the background of a shell, stay ignored. The old handlers return at exit.
    """
    signals = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
                    if hasattr(signal, name))       # SIGHUP: a terminal was closed; SIGBREAK: Ctrl-Break on Windows

    def __init__(self, out: Path | None = None) -> None:
        self.signum, self.out = 0, out
        self._old: dict[int, Any] = {}

    def __enter__(self) -> Interrupt:
        if threading.current_thread() is threading.main_thread():
            for s in self.signals:
                if signal.getsignal(s) not in (signal.SIG_IGN, None):       # None: a handler that is not Python's
                    self._old[s] = signal.signal(s, self._receive)
        return self

    def __exit__(self, kind: object, *error: object) -> None:
        for s, handler in self._old.items():
            signal.signal(s, handler)
        if self.signum and kind is None:
            raise Interrupted("stopped after the last epoch" + (f", saved in {self.out}" if self.out else ""),
                              self.signum, self.out)

    def _receive(self, signum: int, frame: FrameType | None) -> None:
        if self.signum and signum != getattr(signal, "SIGHUP", 0):      # a closed terminal often sends two of these
            raise Interrupted("stopped at once; the last checkpoint is intact", signum, self.out)
        self.signum = self.signum or signum


def run_callback(on_epoch: Callable[..., str | None] | None, state: Any, rows: list[Row]) -> list[str]:
    """The text that on_epoch(epoch) or on_epoch(epoch, rows=...) adds to the epoch's line. StopTraining marks the state
    as stopped.

    The checkpoint comes after it: a run killed while it draws pictures draws them again.
    """
    wanted = {"rows": rows} if _takes_rows(on_epoch) else {}
    try:
        note = on_epoch(state.epoch + 1, **wanted) if on_epoch else None
    except StopTraining as stop:
        state.stopped, note = True, f"stopped: {stop}" if str(stop) else "stopped"
    state.stopped, note = state.ranks.same((state.stopped, note))
    return [note] if note else []


def _takes_rows(on_epoch: Any) -> bool:
    try:
        return "rows" in signature(on_epoch).parameters
    except (TypeError, ValueError):         # None, and some of the functions that Python has built in
        return False

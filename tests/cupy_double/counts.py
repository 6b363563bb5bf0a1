"""What costs time on a GPU: kernel launches, waits of the host for the device, copies from the host."""
from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any


class Counts:
    """What happened since counting began; a launch is one ufunc or function that makes an array, a view is none."""

    def __init__(self) -> None:
        self.launches = self.syncs = self.uploads = 0

    def launch(self) -> None:
        self.launches += 1

    def sync(self) -> None:
        self.syncs += 1

    def upload(self) -> None:
        self.uploads += 1


class NoSync(Counts):
    def sync(self) -> None:
        raise AssertionError("the host waited for the device inside no_sync()")


entered: list[Any] = []        # streams; the last one is the current one


def capturing() -> Any:
    """The graph that notes down what the current stream is asked to do, or None."""
    return entered[-1].captured if entered else None


_watching: list[Counts] = []


def count(event: str) -> None:
    """"launch", "sync" or "upload". In a capture, the first is put off, and the others are refused."""
    if capturing() is not None:
        if event != "launch":
            raise RuntimeError("cudaErrorStreamCaptureUnsupported: the host cannot wait within a capture"
                               if event == "sync" else "H2D transfers are disallowed within a capture")
        return
    for counts in _watching:
        getattr(counts, event)()


@contextmanager
def _watch(counts: Counts) -> Iterator[Counts]:
    _watching.append(counts)
    try:
        yield counts
    finally:
        _watching.remove(counts)


def counting() -> AbstractContextManager[Counts]:
    return _watch(Counts())


def no_sync() -> AbstractContextManager[Counts]:
    """Whatever waits for the device in here raises AssertionError: float(x), x.get(), x[mask], nonzero, print(x) ..."""
    return _watch(NoSync())

"""What costs time on a GPU: kernel launches, waits of the host for the device, copies from the host."""
from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager


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


_watching: list[Counts] = []


def count(event: str) -> None:
    """"launch", "sync" or "upload"."""
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

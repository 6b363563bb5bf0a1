"""data · reply: what a server answers, read with a deadline for the whole answer.

A socket's timeout bounds one silence, not their number: a server that sends a byte a minute would never be given up. So
a thread of its own asks and reads, and the caller waits for it only until the deadline.
"""
from __future__ import annotations

import http.client
import queue
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Generator
from typing import Any, NamedTuple

TIMEOUT = 20.0                                    # seconds of silence
PATIENCE, PACE = 60.0, 20_000                     # seconds that an address is given, and one more for so many bytes
PASSING = (408, 425, 429, 500, 502, 503, 504)     # HTTP errors that may be gone at the next attempt


class Lost(Exception):
    """The reason why no answer came, whether another attempt may help, and the HTTP status or 0."""

    def __init__(self, reason: str, passing: bool, status: int = 0):
        super().__init__(reason)
        self.reason, self.passing, self.status = reason, passing, status


class Head(NamedTuple):
    """What comes before the bytes of a file: the HTTP status, the headers, and the number of bytes if it is known."""

    status: int
    headers: http.client.HTTPMessage
    length: int | None


class Deadline:
    """PATIENCE seconds from now, moved by the bytes that have come: one for all attempts at an address."""

    def __init__(self) -> None:
        self.start, self.received = time.monotonic(), 0

    def left(self) -> float:
        return self.start + PATIENCE + self.received / PACE - time.monotonic()


def pieces(request: urllib.request.Request, deadline: Deadline) -> Generator[Any, None, None]:
    """The Head of the answer, then its bytes in pieces. Lost: there is no answer, or none before the deadline."""
    found: queue.Queue[Any] = queue.Queue(maxsize=16)
    over = threading.Event()
    threading.Thread(target=_ask, args=(request, found, over), daemon=True).start()
    try:
        while True:
            try:
                piece = found.get(timeout=max(0.0, deadline.left()))
            except queue.Empty:
                seconds = time.monotonic() - deadline.start
                raise Lost(f"too slow, {deadline.received:,} bytes in {seconds:.0f} seconds", False) from None
            if piece is None:
                return
            if isinstance(piece, Exception):
                raise _lost(piece) from piece
            if isinstance(piece, bytes):
                deadline.received += len(piece)
            yield piece
    finally:
        over.set()


def _ask(request: urllib.request.Request, found: queue.Queue, over: threading.Event) -> None:
    """Put the Head, the pieces and None, or an exception, into the queue, until the caller has gone."""
    def put(piece: Any) -> bool:
        while not over.is_set():
            try:
                found.put(piece, timeout=0.1)
                return True
            except queue.Full:      # noqa: PERF203, the caller writes to a disk
                pass
        return False
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as reply:
            more = put(Head(reply.status, reply.headers, reply.length))
            while more and (chunk := reply.read1(1 << 16)):
                more = put(chunk)
        put(None)
    except Exception as error:      # urllib answers a hostile server with many kinds of exceptions
        put(error)


def _lost(error: Exception) -> Lost:
    """The reason in a few words, and whether it may pass."""
    if isinstance(error, urllib.error.HTTPError):
        error.close()
        return Lost(f"HTTP {error.code} {error.reason}", error.code in (*PASSING, 416), error.code)
    cause = getattr(error, "reason", error)
    reason = str(cause) or type(error).__name__
    if isinstance(cause, socket.gaierror):      # no such host: offline, so waiting will not help
        return Lost(reason, False)
    passing = isinstance(error, OSError | http.client.HTTPException) and not isinstance(error, http.client.InvalidURL)
    return Lost(reason if passing else f"its answer makes no sense ({type(error).__name__}: {reason})", passing)

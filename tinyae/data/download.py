"""data · download: fetch one file from the first of several addresses that serves it correctly.

The file is written as NAME.part and renamed after it has been checked. An interrupted transfer is resumed where it
stopped, by this process or a later one, if the server still has the same version of the file (RFC 9110, If-Range).
NAME.part.tag records the address and the version that the part came from.
"""
from __future__ import annotations

import errno
import http.client
import os
import time
import urllib.request
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

from .. import console
from ..errors import BadFile, Refusal
from .checks import MAX_FETCHED
from .reply import Deadline, Head, Lost, pieces

LIMIT = MAX_FETCHED
WAITS = (0.5, 1.5, 4.0)     # seconds before the second, third and fourth attempt


def fetch(urls: Sequence[str], target: Path, check: Callable[[Path], object], progress: bool = True) -> None:
    """Write to `target` the first copy among `urls` that passes `check`. BadFile: no address has such a copy.

    Disk errors are raised as OSError. Two processes must not fetch the same target at once; use `cache.locked`.
    """
    part, reasons = target.with_name(f"{target.name}.part"), []
    for path in (part, _tag(part), target):
        if os.path.lexists(path) and not os.path.isfile(path):     # to open a pipe would block for ever
            raise OSError(errno.EEXIST, f"{path.name} is there, but is not a file; remove it")
    for url in urls:
        reason = _receive(url, part, progress)
        if reason is None:
            try:
                check(part)
            except Refusal as refusal:
                part.unlink()
                reason = f"it sends something else ({refusal.got})"
            else:
                _tag(part).unlink(missing_ok=True)
                os.replace(part, target)
                return
        reasons.append(f"{url}: {reason}")
    raise BadFile(f"{target.name} could not be fetched", expected="one of its addresses to serve it",
                  got="; ".join(reasons), fix=f"put it into {target.parent} by hand")


def _receive(url: str, part: Path, progress: bool) -> str | None:
    """Download url into `part`, with several attempts; None on success, else the reason for the failure."""
    deadline = Deadline()
    for wait in (*WAITS, None):
        try:
            return _transfer(url, part, progress, deadline)
        except Lost as lost:
            reason = lost.reason
            if lost.status == 416:      # the part is longer than the file on the server
                part.unlink(missing_ok=True)
            if not lost.passing:
                return reason
        if wait:
            time.sleep(wait)
    return f"{reason}, {len(WAITS) + 1} times"


def _transfer(url: str, part: Path, progress: bool, deadline: Deadline) -> str | None:
    """One attempt, continuing after the bytes already in `part`. Lost: the connection was interrupted."""
    request = urllib.request.Request(url, headers={"User-Agent": "tinyae"})    # some servers refuse urllib's default
    have = 0
    if tag := _known(url, part):
        have = part.stat().st_size
        request.add_header("Range", f"bytes={have}-")
        request.add_header("If-Range", tag)
    with closing(pieces(request, deadline)) as answer:
        head: Head = next(answer)
        if head.status != 206:    # the whole file: it has changed, or the server ignores ranges
            have = 0
        elif not tag or not head.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
            part.unlink(missing_ok=True)
            raise Lost("it sends another piece than the one asked for", True)
        total = None if head.length is None else have + head.length
        if total is not None and total > LIMIT:
            return f"it offers {total:,} bytes, more than the file can have"
        _tag(part).write_text(f"{url}\n{_version(head.headers)}", encoding="utf-8")
        bar = console.bar(total, desc=part.stem, initial=have, unit="B", unit_scale=True, leave=True, shown=progress)
        with bar, open(part, "ab" if have else "wb") as file:
            for chunk in answer:
                file.write(chunk)
                bar.update(len(chunk))
                have += len(chunk)
                if have > LIMIT:
                    return "it does not stop sending"
    if total is not None and have < total:
        raise Lost(f"it broke off after {have:,} of {total:,} bytes", True)
    return None


def _tag(part: Path) -> Path:
    return part.with_name(f"{part.name}.tag")


def _known(url: str, part: Path) -> str:
    """The version of `url` of which `part` is the beginning; empty if it is not, or if the server named no version."""
    try:
        whose, tag = _tag(part).read_text(encoding="utf-8").split("\n")
    except (OSError, ValueError):
        return ""
    return tag if whose == url and part.exists() else ""


def _version(headers: http.client.HTTPMessage) -> str:
    """An identifier of the exact bytes: a strong ETag, else the Last-Modified date, if it is plain text."""
    tag = str(headers.get("ETag", ""))
    tag = tag if tag.startswith('"') else str(headers.get("Last-Modified", ""))
    return tag if tag.isascii() and tag.isprintable() else ""

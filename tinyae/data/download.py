"""data · download: fetch one file from the first of several addresses that serves it correctly.

The file is written as NAME.part and renamed after it has been checked. An interrupted transfer is resumed where it
stopped, by this process or a later one, if the server still has the same version of the file (RFC 9110, If-Range).
NAME.part.tag records the address and the version that the part came from.
"""
from __future__ import annotations

import http.client
import os
import socket
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path

from tqdm import tqdm

from ..errors import BadFile, Refusal

TIMEOUT = 20.0                                    # seconds of silence
WAITS = (0.5, 1.5, 4.0)                           # seconds before the second, third and fourth attempt
PASSING = (408, 425, 429, 500, 502, 503, 504)     # HTTP errors that may be gone at the next attempt
LIMIT = 64 << 20                                  # bytes; every file in published.SETS is much smaller


def fetch(urls: Sequence[str], target: Path, check: Callable[[Path], object], progress: bool = True) -> None:
    """Write to `target` the first copy among `urls` that passes `check`. BadFile: no address has such a copy.

    Disk errors are raised as OSError. Two processes must not fetch the same target at once; use `cache.locked`.
    """
    part, reasons = target.with_name(f"{target.name}.part"), []
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
    for wait in (*WAITS, None):
        try:
            return _transfer(url, part, progress)
        except urllib.error.HTTPError as error:
            error.close()
            reason = f"HTTP {error.code} {error.reason}"
            if error.code == 416:    # the part is longer than the file on the server
                part.unlink(missing_ok=True)
            elif error.code not in PASSING:
                return reason
        except (urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError, ssl.SSLError) as error:
            cause = getattr(error, "reason", error)
            reason = str(cause) or type(error).__name__
            if isinstance(cause, socket.gaierror):    # no such host: offline, so waiting will not help
                return reason
        if wait:
            time.sleep(wait)
    return f"{reason}, {len(WAITS) + 1} times"


def _transfer(url: str, part: Path, progress: bool) -> str | None:
    """One attempt, continuing after the bytes already in `part`; an interrupted connection raises an exception."""
    request = urllib.request.Request(url, headers={"User-Agent": "tinyae"})    # some servers refuse urllib's default
    have = 0
    if tag := _known(url, part):
        have = part.stat().st_size
        request.add_header("Range", f"bytes={have}-")
        request.add_header("If-Range", tag)
    with urllib.request.urlopen(request, timeout=TIMEOUT) as reply:
        if reply.status != 206:    # the whole file: it has changed, or the server ignores ranges
            have = 0
        elif not reply.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
            part.unlink()
            raise ConnectionError("it sends another piece than the one asked for")
        total = None if reply.length is None else have + reply.length
        if total is not None and total > LIMIT:
            return f"it offers {total:,} bytes, more than the file can have"
        _tag(part).write_text(f"{url}\n{_version(reply.headers)}", encoding="utf-8")
        bar = tqdm(desc=part.stem, initial=have, total=total, unit="B", unit_scale=True, disable=not progress)
        with bar, open(part, "ab" if have else "wb") as file:
            while chunk := reply.read(1 << 16):
                file.write(chunk)
                bar.update(len(chunk))
                have += len(chunk)
                if have > LIMIT:
                    return "it does not stop sending"
    if total is not None and have < total:
        raise ConnectionError(f"it broke off after {have:,} of {total:,} bytes")
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
    """An identifier of the exact bytes: a strong ETag, else the Last-Modified date."""
    tag = headers.get("ETag", "")
    return tag if tag.startswith('"') else headers.get("Last-Modified", "")

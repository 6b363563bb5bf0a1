"""console: printing and progress bars that cannot fail, wherever their text goes.

A stream may be absent (a service, `>&-`), closed, full, a terminal that is gone, or of an encoding without "·". A
notebook has streams of its own. Only this file makes assumptions about them.
"""
from __future__ import annotations

import codecs
import io
import os
import shutil
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from tqdm import tqdm

from .errors import printable

WIDTH = 80              # columns of a line
PLAIN = {"·": "-", "×": "x", "…": "...", "²": "^2"}


def _plain(error: UnicodeError) -> tuple[str, int]:
    """For what an encoding lacks: a plain sign, or \\x and its number."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    sign = error.object[error.start]
    return PLAIN.get(sign) or sign.encode("ascii", "backslashreplace").decode(), error.start + 1


codecs.register_error("tinyae.plain", _plain)


def say(line: str) -> None:
    """print(line) to stdout, if there is one and it takes the line; a full or closed log does not end a run."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    try:
        print(line.encode(encoding, "tinyae.plain").decode(encoding), flush=True)
    except (OSError, ValueError):               # ValueError: the stream was closed
        _forget(sys.stdout)


def _forget(stream: Any) -> None:
    """Empty the buffer of a stream that could not be written to; else Python complains of it at its end."""
    with suppress(AttributeError, OSError, ValueError):         # one without a file has nothing to empty
        kept, nowhere = os.dup(stream.fileno()), os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        stream.flush()
        os.dup2(kept, stream.fileno())
        os.close(kept)
        os.close(nowhere)


def bar(total: int | None, *, shown: bool = True, leave: bool = False, **settings: Any) -> tqdm:
    """A progress bar of `total` steps (None: not known) on stderr, of at most WIDTH columns: loss terms are cut last.

    It is shown on a terminal, and in a notebook in the notebook's form; leave keeps it there at its end. settings:
    those of tqdm.
    """
    if _in_notebook():
        with warnings.catch_warnings():         # without ipywidgets the bar is one of text, and tqdm warns of it
            warnings.simplefilter("ignore")
            from tqdm.auto import tqdm as in_notebook
        return in_notebook(total=total, leave=leave, disable=not shown, **settings)
    form = "{desc} {percentage:3.0f}%{postfix} |{bar}| {n_fmt}/{total_fmt} [{remaining}, {rate_fmt}]"
    columns = min(WIDTH, shutil.get_terminal_size().columns) - 1
    return tqdm(total=total, leave=leave, disable=not (shown and _is_terminal(sys.stderr)), ncols=columns,
                bar_format=form if total else None, **settings)


@contextmanager
def safe_streams() -> Iterator[None]:
    """Within it, print(...) to stdout and stderr succeeds on any stream, and warnings are one line each.

    Where a stream cannot be written to, its text is lost, and one line on stderr says so. Where its reader has gone
    away (`| head`), the program ends with status 1.
    """
    before = sys.stdout, sys.stderr, warnings.showwarning
    sys.stderr = _safe(sys.stderr, "stderr")
    sys.stdout = _safe(sys.stdout, "stdout")
    warnings.showwarning = lambda message, *place: print(f"note: {printable(str(message))}", file=sys.stderr)
    try:
        yield
    finally:
        for stream in (sys.stdout, sys.stderr):
            if stream not in before:            # one of ours; closing it leaves the file below it open
                with suppress(OSError, ValueError):
                    stream.close()
        sys.stdout, sys.stderr, warnings.showwarning = before


class _Patient(io.RawIOBase):
    """The bytes of a stream, written where that is possible."""

    def __init__(self, raw: Any, name: str):
        self.raw, self.name, self.failed = raw, name, False

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return self.raw.isatty()

    def fileno(self) -> int:
        return self.raw.fileno()

    def write(self, content: Any) -> int | None:
        try:
            return self.raw.write(content)
        except BrokenPipeError:
            with suppress(OSError):             # so that nothing complains at the end of Python either
                os.dup2(os.open(os.devnull, os.O_WRONLY), self.raw.fileno())
            sys.exit(1)
        except OSError as error:
            if not self.failed and self.name == "stdout":
                self.failed = True
                with suppress(OSError, ValueError):
                    print(f"note: stdout cannot be written to ({error.strerror or error}), so some lines are missing "
                          "there", file=sys.stderr)
            return len(content)


def _safe(stream: Any, name: str) -> Any:
    """A stream that takes every text: to the same place, or to nowhere if there is none."""
    if stream is None or getattr(stream, "closed", False):
        return open(os.devnull, "w", encoding="utf-8")
    buffer = getattr(stream, "buffer", None)
    raw = getattr(buffer, "raw", buffer)        # python -u has no buffer above the file
    if not isinstance(raw, io.RawIOBase):       # the stream of a notebook or a test
        return stream
    with suppress(OSError, ValueError):
        stream.flush()
    return io.TextIOWrapper(io.BufferedWriter(_Patient(raw, name)), stream.encoding, "tinyae.plain",
                            line_buffering=True)


def _is_terminal(stream: Any) -> bool:
    with suppress(AttributeError, ValueError, OSError):     # absent, closed, gone
        return stream.isatty()
    return False


def _in_notebook() -> bool:
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    return "IPKernelApp" in getattr(shell, "config", ())

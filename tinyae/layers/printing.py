"""layers · printing: what print(obj), repr(obj) and a notebook show of a layer or model."""
from __future__ import annotations

from html import escape
from typing import Any

from .parameters import params
from .summary import summary


def printed(*classes: Any) -> None:
    """For objects of these classes, print(obj) and a notebook show summary(obj), and repr(obj) is one line. There is no
    base class."""
    for kind in classes:
        kind.__str__, kind.__repr__, kind._repr_html_ = summary, _in_a_line, _in_html


def _in_a_line(obj: Any) -> str:
    return f"<{type(obj).__name__}, {sum(p.size for p in params(obj).values()):,} parameters; print it for its layers>"


def _in_html(obj: Any) -> str:
    return f"<pre>{escape(summary(obj))}</pre>"

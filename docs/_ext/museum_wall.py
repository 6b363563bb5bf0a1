"""The museum as a wall: a card for every exhibit, and each exhibit's wrong lines beside its right ones.

docs/museum.md is written from tests/museum/exhibits and reads from top to bottom; here it is only arranged.
"""
import re
from pathlib import Path
from typing import Any

EXHIBIT = re.compile(r"^### (\d+)\. ([^\n]+)\n(.*?)(?=^##|\Z)", re.S | re.M)
PAIR = re.compile(r"Wrong:\n\n(```python\n.*?\n```)\n\n(\*\*What comes out\.\*\*.*?)\n\n"
                  r"Right:\n\n(```python\n.*?\n```)", re.S)
SIDES = """\
:::::{{container}} pair
::::{{container}} wrong
Wrong

{}
::::
::::{{container}} right
Right

{}
::::
:::::

{}"""


def button(caught: re.Match) -> str:
    """A button that breaks the library; not for exhibits that need processes, a GPU's stand-in or a deep stack."""
    source = (Path(__file__).parents[2] / "tests/museum/exhibits" / f"test_{caught[1]}.py").read_text(encoding="utf-8")
    alone = not re.search(r"\bsubprocess\b|\bcupy_double\b|RecursionError", source)
    return f"```{{break}} {caught[1]}\n```\n\n" * alone + caught[0]


def arrange(app: Any, docname: str, content: list[str]) -> None:
    if docname != "museum":
        return
    text, cards = content[0], {}
    for room in re.findall(r"^## ([^\n]+)\n", text, re.M):
        part = text[text.index(f"\n## {room}\n"):].split("\n## ")[1]
        cards[room] = [f"[{number} · {title}](#exhibit-{number})" for number, title, _ in EXHIBIT.findall(part)]
    wall = "\n\n".join(f"**{room}**\n\n::::{{container}} wall\n" + "\n\n".join(links) + "\n::::"
                       for room, links in cards.items() if links)
    text = re.sub(r"(^ *- \[[^\n]+\n)+", lambda _: wall + "\n\n", text, count=1, flags=re.M)
    text = PAIR.sub(lambda m: SIDES.format(m[1], m[3], m[2]), text)
    text = re.sub(r"^Caught by `\w+` in \[test_(\w+)\.py\]", button, text, flags=re.M)
    content[0] = re.sub(r"^### (\d+)\. ", r"(exhibit-\1)=\n### \1. ", text, flags=re.M)


def setup(app: Any) -> dict[str, Any]:
    app.connect("source-read", arrange, priority=600)       # after the links have been resolved
    return {"parallel_read_safe": True}

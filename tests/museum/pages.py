"""docs/museum.md, from the exhibits."""
from __future__ import annotations

import re
from pathlib import Path

from .catalogue import ROOMS, WAITING, Exhibit
from .visit import catching_test

DOCS = Path(__file__).parents[2] / "docs" / "museum.md"

INTRODUCTION = """\
# A museum of published mistakes

{exhibits} mistakes that were published in libraries, books, courses and tutorials. Each exhibit shows the wrong lines
and the right ones, in tinyae's own terms, what comes out, and the test that catches the mistake. The exhibits compute
the numbers, and a test asserts those that a report states.

`python tests/museum/run.py` puts each mistake into the library, one at a time, and names the test that then fails. It
also breaks every vjp of every row in four ways: the gradient check notices each break that changes a result.
`python tests/museum/run.py --write-docs` writes this page. To add an exhibit, copy a file of
[tests/museum/exhibits](../tests/museum/exhibits), and name it in [catalogue.py](../tests/museum/catalogue.py).
"""

PAGE = """\
### {number}. {title}

{story}

Wrong:

```python
{wrong}
```

**What comes out.** {outcome}

Right:

```python
{right}
```

Caught by `{test}` in [{file}](../tests/museum/exhibits/{file}).
Seen in {sources}.
"""


def render() -> str:
    parts, number = [INTRODUCTION.format(exhibits=sum(map(len, ROOMS.values()))), _contents()], 0
    for room, names in ROOMS.items():
        parts.append(f"## {room}\n")
        for name in names:
            number += 1
            parts.append(_page(number, Exhibit(name)))
    return "\n".join([*parts, _waiting()])


def _page(number: int, exhibit: Exhibit) -> str:
    return PAGE.format(
        number=number, title=exhibit.title, story=exhibit.story, wrong=exhibit.lines("wrong"),
        right=exhibit.lines("right"), outcome=exhibit.outcome(), file=exhibit.path.name,
        test=catching_test(exhibit),
        sources=", ".join(f"[{label}]({url})" if url else label for label, url in exhibit.sources.items()))


def _contents() -> str:
    """The rooms, each with its exhibits."""
    lines, number = [], 0
    for room, names in ROOMS.items():
        lines.append(f"- [{room}](#{anchor(room)})")
        for name in names:
            number += 1
            title = f"{number}. {Exhibit(name).title}"
            lines.append(f"  - [{title}](#{anchor(title)})")
    return "\n".join([*lines, "- [Not on show yet](#not-on-show-yet)", ""])


def anchor(heading: str) -> str:
    """As a code host makes it: lower case, without signs, hyphens for spaces."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def _waiting() -> str:
    lines = ["## Not on show yet\n", "Two more published mistakes, which no exhibit shows yet:\n"]
    for model, mistakes in WAITING.items():
        for mistake, urls in mistakes.items():
            links = "".join(f"; [{url.removeprefix('https://github.com/')}]({url})" for url in urls)
            lines.append(f"- {model[0].upper()}{model[1:]}: {mistake}{links}")
    return "\n".join([*lines, ""])

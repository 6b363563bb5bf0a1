"""docs/museum.md, from the exhibits."""
from __future__ import annotations

from pathlib import Path

from .catalogue import ROOMS, WAITING, Exhibit
from .visit import catching_test

DOCS = Path(__file__).parents[2] / "docs" / "museum.md"

INTRODUCTION = """\
# A museum of published mistakes

Each of these was published, in a library, a book, a course or a tutorial. They are shown in tinyae's own terms. The
numbers are computed by the exhibits, and those that a report states are asserted by a test.

`python tests/museum/run.py` puts each mistake into the library, one at a time, and names the test of the suite that
then fails; it also breaks every derivative of every row in four ways and shows that the gradient check notices. This
page is written by `python tests/museum/run.py --write-docs`.

To add an exhibit, copy a file of [tests/museum/exhibits](../tests/museum/exhibits), and name it in
[catalogue.py](../tests/museum/catalogue.py).
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
    parts, number = [INTRODUCTION, _contents()], 0
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
    lines, number = [], 0
    for room, names in ROOMS.items():
        first, number = number + 1, number + len(names)
        lines.append(f"- [{room}](#{room.lower().replace(' ', '-')}), {first} to {number}")
    return "\n".join([*lines, "- [Not on show yet](#not-on-show-yet)", ""])


def _waiting() -> str:
    lines = ["## Not on show yet\n", "Mistakes that were published as well, and that no exhibit shows yet.\n"]
    for model, mistakes in WAITING.items():
        for mistake, urls in mistakes.items():
            links = "".join(f"; [{url.removeprefix('https://github.com/')}]({url})" for url in urls)
            lines.append(f"- {model[0].upper()}{model[1:]}: {mistake}{links}")
    return "\n".join([*lines, ""])

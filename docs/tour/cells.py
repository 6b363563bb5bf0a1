"""Runs the cells of a chapter, as the tests and pictures.py do.

    python docs/tour/cells.py docs/tour/01-one-number.md        # prints what differs from the page
"""
from __future__ import annotations

import doctest
import re
import sys
from pathlib import Path


def fences(text: str, language: str = "python") -> list[tuple[int, str]]:
    """[(the line before its first, its code)] of every fence of this language."""
    return [(text[:found.start()].count("\n") + 1, found[1])
            for found in re.finditer(rf"^```{language}\n(.*?)^```", text, re.S | re.M)]


def run(page: Path) -> tuple[int, dict]:
    """(how many outputs differ from the page, the names that the cells have defined). The differences are printed."""
    examples = []
    for line, code in fences(page.read_text(encoding="utf-8")):
        for example in doctest.DocTestParser().get_examples(code, page.name):
            example.lineno += line
            examples.append(example)
    names = {"__name__": "__main__"}
    test = doctest.DocTest(examples, names, page.name, str(page), 0, None)
    return doctest.DocTestRunner().run(test, clear_globs=False).failed, test.globs


if __name__ == "__main__":
    sys.exit(sum(run(Path(page))[0] for page in sys.argv[1:]))

"""Put every published mistake into the library, break every vjp, and see all of it caught.

    python tests/museum/run.py                  exit status 0 if every mistake and mutant is caught, else 1
    python tests/museum/run.py --write-docs     write docs/museum.md
"""
from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]         # to run as a script, from anywhere

from tqdm import tqdm  # noqa: E402

from museum import mutants, pages  # noqa: E402
from museum.catalogue import exhibits  # noqa: E402
from museum.visit import catching_test  # noqa: E402


def show_exhibits() -> int:
    """Prints each exhibit and the test that catches it; -> how many are not caught."""
    found = [(exhibit, catching_test(exhibit)) for exhibit in progress(exhibits(), "exhibits")]
    for exhibit, test in found:
        where = f"{exhibit.path.relative_to(ROOT)}{'::' + test if test else ''}"
        print(f"{'caught' if test else 'NOT CAUGHT'}  {exhibit.title}\n        {where}")
    missed = sum(test is None for _, test in found)
    print(f"\n{len(found)} published mistakes: {len(found) - missed} caught, {missed} not caught\n")
    return missed


def show_mutants() -> int:
    """Prints what became of every broken vjp; -> how many survived."""
    every = [mutant for row in mutants.ROWS for mutant in mutants.mutants(row)]
    groups: dict[str, list[mutants.Mutant]] = {"caught": [], "equivalent": [], "survived": []}
    for mutant in progress(every, "mutants"):
        groups[mutants.fate(mutant)].append(mutant)
    ways = len(mutants.KINDS)
    print(f"{len(every)} mutants ({len(every) // ways} vjps of {len(mutants.ROWS)} rows, broken in {ways} ways): "
          + ", ".join(f"{len(group)} {fate}" for fate, group in groups.items()))
    print("equivalent, as the vjp depends on g alone: " + ", ".join(mutant.vjp for mutant in groups["equivalent"]))
    for mutant in groups["survived"]:
        print(f"SURVIVED  {mutant}")
    return len(groups["survived"])


def progress(items: list, what: str) -> Iterator:
    return iter(tqdm(items, what, leave=False, disable=None))


def main() -> int:
    parser = argparse.ArgumentParser(description="Put published mistakes into the library, and see them caught.")
    parser.add_argument("--write-docs", action="store_true", help="write docs/museum.md instead")
    if parser.parse_args().write_docs:
        pages.DOCS.write_text(pages.render(), encoding="utf-8")
        print(pages.DOCS.relative_to(ROOT))
        return 0
    return int(show_exhibits() + show_mutants() > 0)


if __name__ == "__main__":
    sys.exit(main())

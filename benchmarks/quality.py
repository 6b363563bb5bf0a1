"""Every demo's figures against what they should reach: one table.

    python benchmarks/quality.py                    all runs of tinyae/demo/experiments.py: hours on two cores
    python benchmarks/quality.py --only linear      those whose name begins so; the others' results stay
    python benchmarks/quality.py --missing          those that have no result yet
    python benchmarks/quality.py --report           no run: docs/results.md again, from the result files
    python benchmarks/quality.py --smoke            each demo once, an epoch on few images: does it run to its end?

Published data sets are looked for in $TINYAE_DATA, or fetched. Exit status 1: a demo failed or missed a target.
"""
from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tinyae import data, files  # noqa: E402
from tinyae.data import published  # noqa: E402
from tinyae.demo import experiments  # noqa: E402

RESULTS, PAGE = ROOT / "benchmarks" / "results", ROOT / "docs" / "results.md"
SMOKE = (500, 100)         # training and test images
HEAD = """# Results

Every figure is from a run's own result.json (benchmarks/results), and this page is drawn from those by
`python benchmarks/quality.py --report`. A heading says what repeats its run: `python demos/NAME.py FLAGS`.
Errors and nats are per test image, summed over its pixels. Of grey images a cross-entropy, and what is built on it, is
no likelihood: such nats compare with each other, not with those that are published for black and white digits.
"""


def run(card: experiments.Experiment, flags: str, folder: Path) -> dict[str, Any] | None:
    """demos/DEMO.py with these flags; -> its result, or None where it failed, and said why."""
    command = [sys.executable, str(ROOT / "demos" / f"{card.demo}.py"), *flags.split(), "--out", str(folder)]
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=folder.parent,
                           env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)})
    if ended.returncode == 0 and (folder / "result.json").exists():
        return experiments.read(folder / "result.json")
    print(f"{card.name} failed, status {ended.returncode}:\n{ended.stderr[-2000:]}", file=sys.stderr)
    return None


def rows(card: experiments.Experiment, result: dict[str, Any]) -> list[list[str]]:
    """A line for each figure: run, figure, ours, target, its source, verdict."""
    targets = {target.figure: target for target in card.targets}
    lines = []
    for figure, value in result["figures"].items():
        target = targets.pop(figure, None)
        verdict = "" if target is None else "met" if target.met(value) else "missed"
        lines.append([f"{card.demo} {card.flags}", figure, f"{value:.6g}", target.text if target else "",
                      target.source if target else "", verdict])
    lines += [[f"{card.demo} {card.flags}", figure, "none", target.text, target.source, "missed"]
              for figure, target in targets.items()]
    return lines


def page(results: dict[str, dict[str, Any]]) -> str:
    """docs/results.md: a table for each card that has a result."""
    parts, machines = [HEAD], {}
    for card in experiments.EXPERIMENTS:
        if card.name not in results:
            continue
        result = results[card.name]
        number = machines.setdefault(result["machine"], len(machines) + 1)
        parts += [f"## {card.demo} {card.flags}\n",
                  f"Seed {result['setting']['seed']}, {result['seconds']:,.0f} s of training on machine {number}.\n",
                  "| figure | ours | target | source | verdict |", "|---|---|---|---|---|"]
        parts += ["| " + " | ".join(line[1:]) + " |" for line in rows(card, result)]
        parts.append("")
    parts += ["## Machines\n", *(f"{number}. {machine}" for machine, number in machines.items())]
    return "\n".join(parts) + "\n"


def table(lines: list[list[str]]) -> str:
    lines = [["run", "figure", "ours", "target", "source", "verdict"], *lines]
    wide = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(f"{cell:{w}}" for cell, w in zip(line, wide, strict=True)).rstrip() for line in lines)


def stored() -> dict[str, dict[str, Any]]:
    return {path.stem: experiments.read(path) for path in sorted(RESULTS.glob("*.json"))}


def few(name: str, folder: Path) -> Path:
    """A file of SMOKE images and labels: digits, or what is drawn here under another name."""
    name = "digits" if name in published.SETS else name
    path = folder / f"{name}.npz"
    if not path.exists():
        train, test = ((part.images[:n], part.labels[:n]) for part, n in zip(data.load(name), SMOKE, strict=True))
        np.savez(path, images=train[0], labels=train[1], test_images=test[0], test_labels=test[1])
    return path


def smoke(only: str) -> int:
    """Each demo once, on few images; -> how many failed."""
    # Codes of two numbers are drawn in other ways: a run of its own for each demo that has a card of them.
    flat = {card: " --latent 2" * f"{card.flags} ".count(" --latent 2 ") for card in experiments.EXPERIMENTS}
    first = {card.demo + flat[card]: card for card in reversed(experiments.EXPERIMENTS) if card.name.startswith(only)}
    lines, failed = [], 0
    with tempfile.TemporaryDirectory() as folder:
        for demo, card in sorted(first.items()):
            print(f"{demo} ...", flush=True)
            name = card.flags.split()[1]
            images = name if name == "moon" else few(name, Path(folder))        # the demo looks for this name
            result = run(card, f"--data {images} --epochs 1 --batch-size 50" + flat[card], Path(folder, demo))
            failed += result is None
            lines += [[demo, *line[1:3], "", "", "" if np.isfinite(float(line[2])) else "not finite"]
                      for line in rows(experiments.Experiment(demo, ""), result)] if result else \
                [[demo, "", "", "", "", "failed"]]
    print(table(lines))
    return failed + sum(line[-1] == "not finite" for line in lines)


def full(only: str, missing: bool, report: bool) -> int:
    """Run the cards (unless it is for the report alone), keep their results, draw the page; -> how many missed."""
    chosen = [card for card in experiments.EXPERIMENTS if card.name.startswith(only)
              and not (missing and (RESULTS / f"{card.name}.json").exists())]
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        for card in [] if report else chosen:
            print(f"{card.name} ...", flush=True)
            result = run(card, card.flags, Path(folder, card.name))
            failed += result is None
            if result is not None:
                RESULTS.mkdir(exist_ok=True)
                (RESULTS / f"{card.name}.json").write_bytes(Path(folder, card.name, "result.json").read_bytes())
    results = stored()
    files.write(PAGE, page(results).encode())
    lines = [line for card in chosen if card.name in results for line in rows(card, results[card.name])]
    print(table(lines))
    return failed + sum(line[-1] == "missed" for line in lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smoke", action="store_true", help="each demo once, on few images")
    parser.add_argument("--only", default="", metavar="NAME", help="the runs whose name begins so")
    parser.add_argument("--missing", action="store_true", help="the runs that have no result yet")
    parser.add_argument("--report", action="store_true", help="draw docs/results.md from the result files")
    asked = parser.parse_args()
    if not any(card.name.startswith(asked.only) for card in experiments.EXPERIMENTS):
        parser.error(f"no run begins with {asked.only!r}; there are "
                     + ", ".join(card.name for card in experiments.EXPERIMENTS))
    sys.exit(bool(smoke(asked.only) if asked.smoke else full(asked.only, asked.missing, asked.report)))

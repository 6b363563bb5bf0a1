"""Run the demos, and compare their figures with the targets in one table.

    python benchmarks/quality.py                    all runs in tinyae/demo/experiments.py: hours on two cores
    python benchmarks/quality.py --only linear      only runs whose name begins with "linear"; other results stay
    python benchmarks/quality.py --missing          only runs without a result, or with one of other data
    python benchmarks/quality.py --report           no runs: only writes docs/results.md from the result files
    python benchmarks/quality.py --verify           the quick runs again, with data drawn anew, beside their results
    python benchmarks/quality.py --seeds            the quick runs with other seeds: how far --verify lets figures lie
    python benchmarks/quality.py --smoke            each demo once, for one epoch on few images, to see that it works

Published data sets are read from $TINYAE_DATA or downloaded. Exit status 1: a demo failed or missed a target.
"""
from __future__ import annotations

import json
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

import command
import numpy as np
import tables

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

import demo_process  # noqa: E402

from tinyae import data, files  # noqa: E402
from tinyae.data import published  # noqa: E402
from tinyae.demo import experiments  # noqa: E402
from tinyae.errors import BadFile, BadValue  # noqa: E402

RESULTS, PAGE = ROOT / "benchmarks" / "results", ROOT / "docs" / "results.md"
SPREAD = ROOT / "benchmarks" / "measured" / "seeds.json"
QUICK = ("linear-moon-latent-2-batch-size-100", "interpolate-moon", "linear-digits", "anomaly-digits")
SEEDS = range(1, 6)
DEVIATIONS, ROUNDING = 4, 1e-5      # --verify: how many standard deviations over seeds, and a share of the figure
SMOKE = (500, 100)         # numbers of training and test images
HEAD = """# Results

{runs} runs of the demos have {targets} targets: {met} are met, {missed} are missed. A target comes from a
publication, from the same net in another library, from mathematics, or is our own aim. The first table lists the
targets. Below it, a section for each run lists all figures.

- **Reading.** A heading gives the demo and the flags of its run: `python demos/NAME.py FLAGS`. Errors and nats are per
  test image, summed over its pixels. For grey images a cross-entropy is not a likelihood, and neither is anything
  computed from it: compare such nats with each other, not with those published for black and white digits.
- **Times** are those of a machine that may have been busy with other programs.
- **Data.** Each run states the first digits of the SHA-256 of its images and labels, which
  `python -m tinyae.data show NAME` prints. A result of other data does not enter this page.
- **Reproduction.** Every figure comes from a run's result.json in benchmarks/results, and
  `python benchmarks/quality.py --report` writes this page from those files. `--verify` runs the quick ones again, with
  data drawn anew.

## Targets

{table}
"""


def run(job: experiments.Experiment, flags: str, folder: Path, **environment: str) -> dict[str, Any] | None:
    """Run demos/DEMO.py with these flags; return its result, or None after printing why it failed."""
    line = [*flags.split(), "--out", str(folder)]
    result, why = demo_process.run(ROOT / "demos" / f"{job.demo}.py", line, folder, folder.parent, **environment)
    if result is None:
        print(f"{job.name} failed, {why}", file=sys.stderr)
    return result


def rows(job: experiments.Experiment, result: dict[str, Any]) -> list[list[str]]:
    """A row for each figure: run, figure, our value, target, source of the target, verdict."""
    targets = {target.figure: target for target in job.targets}
    lines = []
    for figure, value in result["figures"].items():
        target = targets.pop(figure, None)
        verdict = "" if target is None else "met" if target.met(value) else "missed"
        lines.append([f"{job.demo} {job.flags}", figure, f"{value:.6g}", target.text if target else "",
                      target.source if target else "", verdict])
    lines += [[f"{job.demo} {job.flags}", figure, "none", target.text, target.source, "missed"]
              for figure, target in targets.items()]
    return lines


def is_of(job: experiments.Experiment, result: dict[str, Any]) -> bool:
    """Whether it is a result of today's data: the set of this name that today's code draws, or that is published."""
    return result.get("fingerprint") == data.FINGERPRINTS[job.flags.split()[1]]


def page(results: dict[str, dict[str, Any]]) -> str:
    """docs/results.md: the targets, and a table for each experiment that has a result.

    BadFile: a result is of other data.
    """
    parts, machines, judged = [], {}, []
    jobs = [job for job in experiments.EXPERIMENTS if job.name in results]
    for job in jobs:
        result = results[job.name]
        if not is_of(job, result):
            name = job.flags.split()[1]
            raise BadFile(f"benchmarks/results/{job.name}.json is a result of other data",
                          expected=f"{name} of SHA-256 {data.FINGERPRINTS[name]}",
                          got=result.get("fingerprint"), fix="python benchmarks/quality.py --missing")
        number = machines.setdefault(result["machine"], len(machines) + 1)
        lines = rows(job, result)
        judged += [line for line in lines if line[-1]]
        parts += [f"## {job.demo} {job.flags}\n",
                  f"Seed {result['setting']['seed']}, {result['seconds']:,.0f} s of training on machine {number}, "
                  f"data {result['fingerprint'][:8]}.\n"]
        if any(line[-1] for line in lines):
            parts += ["| figure | ours | target |", "|---|---|---|",
                      *(f"| {figure} | {ours} | {', '.join(filter(None, (target, verdict)))} |"
                        for _, figure, ours, target, _, verdict in lines)]
        else:
            parts += ["| figure | ours |", "|---|---|", *(f"| {line[1]} | {line[2]} |" for line in lines)]
        parts.append("")
    met = sum(line[-1] == "met" for line in judged)
    head = HEAD.format(runs=len(jobs), targets=len(judged), met=met, missed=len(judged) - met, table=targets(judged))
    parts += ["## Machines\n", *(f"{number}. {machine}" for machine, number in machines.items())]
    return "\n".join([head, *parts]) + "\n"


def targets(judged: list[list[str]]) -> str:
    """The rows that have a target, in a table; runs of a demo with the same target for the same figure share a row."""
    groups: dict[tuple[str, ...], list[list[str]]] = {}
    for line in judged:
        run, figure, _, *target = line
        groups.setdefault((run.split()[0], figure, *target), []).append(line)
    cells = []
    for (demo, figure, target, source, verdict), group in groups.items():
        runs, ours = [line[0] for line in group], [line[2] for line in group]
        sets = list(dict.fromkeys(run.split()[2] for run in runs))
        more = f", {len(runs)} runs" * (len(runs) > len(sets))
        cells.append([f"{demo} on {', '.join(sets)}{more}" if len(runs) > 1 else f"[{runs[0]}](#{anchor(runs[0])})",
                      figure, " to ".join(dict.fromkeys((min(ours, key=float), max(ours, key=float)))), target, verdict,
                      source])
    head = ["run", "figure", "ours", "target", "verdict", "source of the target"]
    return "\n".join([f"| {' | '.join(head)} |", "|---" * len(head) + "|", *(f"| {' | '.join(c)} |" for c in cells)])


def anchor(heading: str) -> str:
    """As a code host makes it: lower case, without signs, hyphens for spaces."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def table(lines: list[list[str]]) -> str:
    lines = [["run", "figure", "ours", "target", "source", "verdict"], *lines]
    wide = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(f"{cell:{w}}" for cell, w in zip(line, wide, strict=True)).rstrip() for line in lines)


def stored() -> dict[str, dict[str, Any]]:
    return {path.stem: experiments.read(path) for path in sorted(RESULTS.glob("*.json"))}


def few(name: str, folder: Path) -> Path:
    """A file of SMOKE images and labels: digits in place of published sets, else the images of this name."""
    name = "digits" if name in published.SETS else name
    path = folder / f"{name}.npz"
    if not path.exists():
        train, test = ((part.images[:n], part.labels[:n]) for part, n in zip(data.load(name), SMOKE, strict=True))
        np.savez(path, images=train[0], labels=train[1], test_images=test[0], test_labels=test[1])
    return path


def smoke(only: str) -> int:
    """Run each demo once on few images; return how many failed."""
    # Codes of two numbers are drawn differently, so a demo with such an experiment gets a second run.
    flat = {job: " --latent 2" * f"{job.flags} ".count(" --latent 2 ") for job in experiments.EXPERIMENTS}
    first = {job.demo + flat[job]: job for job in reversed(experiments.EXPERIMENTS) if job.name.startswith(only)}
    lines, failed = [], 0
    with tempfile.TemporaryDirectory() as folder:
        for demo, job in sorted(first.items()):
            print(f"{demo} ...", flush=True)
            name = job.flags.split()[1]
            images = name if name == "moon" else few(name, Path(folder))        # the demo checks this name
            result = run(job, f"--data {images} --epochs 1 --batch-size 50" + flat[job], Path(folder, demo))
            failed += result is None
            lines += [[demo, *line[1:3], "", "", "" if np.isfinite(float(line[2])) else "not finite"]
                      for line in rows(experiments.Experiment(demo, ""), result)] if result else \
                [[demo, "", "", "", "", "failed"]]
    print(table(lines))
    return failed + sum(line[-1] == "not finite" for line in lines)


def quick(only: str) -> list[experiments.Experiment]:
    return [job for job in experiments.EXPERIMENTS if job.name in QUICK and job.name.startswith(only)]


def seeds(only: str) -> int:
    """Run the quick experiments with SEEDS, and keep each figure's values; return how many runs failed."""
    spread, failed = json.loads(SPREAD.read_text()) if SPREAD.exists() else {}, 0
    with tempfile.TemporaryDirectory() as folder:
        for job in quick(only):
            print(f"{job.name} ...", flush=True)
            results = [run(job, f"{job.flags} --seed {seed}", Path(folder, f"{job.name}-{seed}")) for seed in SEEDS]
            made = [result["figures"] for result in results if result]
            failed += len(results) - len(made)
            spread[job.name] = {figure: [figures[figure] for figures in made] for figure in made[0]} if made else {}
    tables.write(SPREAD.parent, SPREAD.stem, spread)
    return failed


def verify(only: str) -> int:
    """Run the quick experiments again, with their data drawn anew; return how many figures are not the published ones.

    A figure may differ by DEVIATIONS of its standard deviations over SEEDS: on another processor, sums are rounded
    otherwise, and a training makes of that what it makes of another seed.
    """
    lines, published, spread = [], stored(), json.loads(SPREAD.read_text())
    with tempfile.TemporaryDirectory() as folder:
        for job in quick(only):
            print(f"{job.name} ...", flush=True)
            again = run(job, job.flags, Path(folder, job.name), TINYAE_DATA=folder, XDG_CACHE_HOME=folder,
                        LOCALAPPDATA=folder)
            for figure, value in published[job.name]["figures"].items():
                new = again["figures"].get(figure, np.nan) if again else np.nan
                allowed = DEVIATIONS * np.std(spread[job.name][figure], ddof=1) + ROUNDING * abs(value)
                lines.append([job.name, figure, f"{value:.6g}", f"{new:.6g}", f"{allowed:.2g}",
                              "same" if abs(new - value) <= allowed else "differs"])
    print(tables.table(["run", "figure", "published", "again", "tolerance", "verdict"], lines))
    return sum(line[-1] == "differs" for line in lines)


def full(only: str, missing: bool, report: bool) -> int:
    """Run the experiments unless report, keep their results, write the page; return how many failed or missed."""
    before = stored()
    chosen = [job for job in experiments.EXPERIMENTS if job.name.startswith(only)
              and not (missing and job.name in before and is_of(job, before[job.name]))]
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        for job in [] if report else chosen:
            print(f"{job.name} ...", flush=True)
            result = run(job, job.flags, Path(folder, job.name))
            failed += result is None
            if result is not None:
                RESULTS.mkdir(exist_ok=True)
                (RESULTS / f"{job.name}.json").write_bytes(Path(folder, job.name, "result.json").read_bytes())
    results = stored()
    files.write(PAGE, page(results).encode())
    lines = [line for job in chosen if job.name in results for line in rows(job, results[job.name])]
    print(table(lines))
    return failed + sum(line[-1] == "missed" for line in lines)


def main() -> int:
    parser = command.parser(__doc__)
    parser.add_argument("--smoke", action="store_true", help="run each demo once, on few images")
    parser.add_argument("--only", default="", metavar="NAME", help="only runs whose name begins with NAME")
    parser.add_argument("--missing", action="store_true", help="only runs without a result, or with one of other data")
    parser.add_argument("--report", action="store_true", help="only write docs/results.md, from the result files")
    parser.add_argument("--verify", action="store_true", help="run the quick ones again and compare their figures")
    parser.add_argument("--seeds", action="store_true", help="run the quick ones with other seeds, for --verify")
    asked = parser.parse_args()
    if not any(job.name.startswith(asked.only) for job in experiments.EXPERIMENTS):
        raise BadValue(f"no run begins with {asked.only!r}", got=f"--only {asked.only}", fix="--only linear",
                       expected="the beginning of one of " + ", ".join(job.name for job in experiments.EXPERIMENTS))
    for way, chosen in ((smoke, asked.smoke), (verify, asked.verify), (seeds, asked.seeds)):
        if chosen:
            return bool(way(asked.only))
    return bool(full(asked.only, asked.missing, asked.report))


if __name__ == "__main__":
    command.start(main)

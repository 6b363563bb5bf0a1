"""Run a demo with every combination of settings and with several seeds; one table and one chart.

    python benchmarks/sweep.py demos/vae.py --grid latent=2,10,20 --seeds 5
    python benchmarks/sweep.py demos/vae.py --grid latent=2,10 --grid beta=1,4 --jobs 4 -- --epochs 3 --data digits
    python benchmarks/sweep.py demos/vae.py --grid "hidden=400;500,500"     values that hold commas

Each run has a folder of its own below FOLDER. Runs that have ended are not run again, and one that was stopped goes on
where it was saved: after Ctrl-C, or with more values or seeds, give the same command once more. Flags after -- go to
every run, and stay the same for all runs of a folder. The table and the chart (with matplotlib) show means over the
seeds and their standard deviation. They are printed and saved as FOLDER/sweep.md, sweep.json and sweep.png. Exit status
1: a run failed.
"""
from __future__ import annotations

import io
import json
import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path
from statistics import fmean, stdev
from threading import Event
from typing import Any
from urllib.parse import quote

import command
import conditions
import demo_process
import tables
from tqdm import tqdm

from tinyae import files
from tinyae.demo import experiments, plots
from tinyae.errors import BadFile, BadValue

Setting = dict[str, str]        # value by flag
OURS = {"seed": "--seeds 5", "out": "--out FOLDER, before --", "resume": "the same command again"}      # not the demo's


def flag_of(text: str) -> str:
    """latent=2,10 and --latent=3 -> latent"""
    return text.partition("=")[0].strip().lstrip("-")


def check_flags(texts: Sequence[str], more: Sequence[str]) -> None:
    """BadValue: a run would get a flag twice, and the table would name a value that it did not have."""
    times = Counter(map(flag_of, [*texts, *(part for part in more if part.startswith("--"))]))
    for flag, count in times.items():
        if count > 1 or flag in OURS:
            raise BadValue(f"--{flag} is given twice", expected="each flag once: in one --grid or after --",
                           got="this flag, which the sweep gives to every run" if flag in OURS else f"{count} times",
                           fix=OURS.get(flag, f'--grid "{flag}=A,B"'))


def keep_flags(out: Path, demo: Path, more: Sequence[str]) -> None:
    """Write FOLDER/flags.json. BadFile: the runs in the folder are of another demo, or have other flags."""
    content, path = {"demo": demo.stem, "flags": list(more)}, out / "flags.json"
    begun = [*out.glob("*/last.npz"), *out.glob("*/result.json")]       # none, if the demo refused the flags
    if begun and path.exists() and (before := json.loads(path.read_text())) != content:
        raise BadFile(f"the runs in {out} have other flags", expected=before, got=content,
                      fix="the same demo and flags after --, or another --out")
    out.mkdir(parents=True, exist_ok=True)
    files.write(path, json.dumps(content).encode())


def grid(texts: Sequence[str]) -> Iterator[Setting]:
    """latent=2,10 and beta=1,4 -> the four combinations."""
    split = {}
    for text in texts:
        values = text.partition("=")[2]
        split[flag_of(text)] = list(dict.fromkeys(map(str.strip, values.split(";" if ";" in values else ","))))
    for values in product(*split.values()):
        yield dict(zip(split, values, strict=True))


def named(setting: Setting) -> str:
    return ", ".join(f"{name} {value}" for name, value in setting.items()) or "as it is"


def folder_of(out: Path, setting: Setting, seed: int) -> Path:
    parts = [f"{name}-{quote(value, safe=',')}" for name, value in setting.items()]
    return out / "_".join([*parts, f"seed-{seed}"])


def run(demo: Path, folder: Path, flags: Sequence[str], threads: int, stop: Event) -> str | None:
    """Run the demo, or go on with its run; -> None, or why it failed."""
    if stop.is_set() or (folder / "result.json").exists():
        return None
    begun = (folder / "last.npz").exists()
    how = ["--resume", str(folder)] if begun else ["--out", str(folder), *flags]
    result, why = demo_process.run(demo, how, folder, **dict.fromkeys(conditions.THREADS, str(threads)))
    return None if result else f"{folder.name}: {why}"


def gathered(out: Path, settings: Sequence[Setting], seeds: int) -> list[dict[str, Any]]:
    """Each setting with the figures of its runs that have ended, over the seeds."""
    found = []
    for setting in settings:
        paths = [folder_of(out, setting, seed) / "result.json" for seed in range(seeds)]
        results = [experiments.read(path)["figures"] for path in paths if path.exists()]
        figures = {name: [result[name] for result in results if name in result]
                   for name in dict.fromkeys(name for result in results for name in result)}
        found.append({"setting": setting, "runs": len(results), "figures": figures})
    return found


def spread(values: Sequence[float]) -> str:
    """mean ± standard deviation"""
    if not values:
        return ""
    return tables.number(fmean(values), 4) + (f" ± {tables.number(stdev(values), 2)}" if len(values) > 1 else "")


def report(found: Sequence[dict[str, Any]]) -> str:
    names = list(dict.fromkeys(name for one in found for name in one["figures"]))
    rows = [[named(one["setting"]), str(one["runs"]), *(spread(one["figures"].get(name, [])) for name in names)]
            for one in found]
    return tables.table(["setting", "runs", *names], rows)


def draw(found: Sequence[dict[str, Any]], figure: str, path: Path) -> None:
    """The figure's mean and standard deviation for each setting, and every run as a dot."""
    if not plots.available():
        return
    from matplotlib.figure import Figure

    shown = [one for one in found if one["figures"].get(figure)]
    chart = Figure(figsize=(max(4.0, 1.2 * len(shown) + 1.5), 3.6), layout="constrained")
    axis = chart.subplots()
    for i, one in enumerate(shown):
        values = one["figures"][figure]
        axis.plot([i] * len(values), values, "o", color="C0", alpha=0.4, markersize=4)
        axis.errorbar(i, fmean(values), stdev(values) if len(values) > 1 else 0.0, fmt="_", color="C1", capsize=6,
                      markersize=16)
    axis.set_xticks(range(len(shown)), [named(one["setting"]).replace(", ", "\n") for one in shown])
    axis.set(ylabel=figure, xlim=(-0.6, len(shown) - 0.4))
    axis.grid(alpha=0.3)
    content = io.BytesIO()
    chart.savefig(content, format="png", dpi=100)
    files.write(path, content.getvalue())
    print(path)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = command.parser(__doc__)
    parser.add_argument("demo", type=Path, help="a file in demos")
    parser.add_argument("--grid", action="append", default=[], metavar="FLAG=A,B", help="values of a flag; repeatable")
    parser.add_argument("--seeds", type=command.count(), default=3, help="runs of each setting, seeds 0, 1, ... (3)")
    parser.add_argument("--jobs", type=command.count(), default=os.cpu_count() or 1,
                        help="runs at a time (one per core)")
    parser.add_argument("--figure", help="the figure that the chart shows (the first of all settings)")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="folder of the runs (runs/sweep-DEMO)")
    given = list(sys.argv[1:] if arguments is None else arguments)
    end = given.index("--") if "--" in given else len(given)
    asked, more = parser.parse_args(given[:end]), given[end + 1:]
    if not asked.demo.is_file():
        parser.error(f"there is no demo {asked.demo}")
    if wrong := [text for text in asked.grid if not all(text.partition("=")[::2])]:
        parser.error(f"--grid {wrong[0]} must be FLAG=A,B")
    check_flags(asked.grid, more)
    out, settings = asked.out or Path("runs", f"sweep-{asked.demo.stem}"), list(grid(asked.grid))
    threads, stop = max(1, (os.cpu_count() or 1) // asked.jobs), Event()
    jobs = [(asked.demo, folder_of(out, setting, seed),
             [*(part for name, value in setting.items() for part in (f"--{name}", value)), "--seed", str(seed), *more],
             threads, stop) for setting in settings for seed in range(asked.seeds)]
    keep_flags(out, asked.demo, more)
    failed = []
    with ThreadPoolExecutor(asked.jobs) as pool:
        try:
            for why in tqdm(pool.map(lambda job: run(*job), jobs), total=len(jobs), unit="run", disable=None):
                if why is not None:
                    failed.append(why)
                    tqdm.write(why, file=sys.stderr)
        except KeyboardInterrupt:       # the runs have received the signal, too, and save
            stop.set()
            print("stopped; the same command goes on from here", file=sys.stderr)
            return 130
    found = gathered(out, settings, asked.seeds)
    names = [name for one in found for name in one["figures"]]
    if names and asked.figure not in (None, *names):
        parser.error(f"no run has a figure {asked.figure!r}; there are {', '.join(dict.fromkeys(names))}")
    text = report(found)
    print(f"\n{text}\n")
    files.write(out / "sweep.md", f"# {asked.demo.stem}\n\n{text}\n".encode())
    print(tables.write(out, "sweep", {"demo": asked.demo.stem, "flags": more, "settings": found}))
    if names:
        shared = [name for name in names if all(name in one["figures"] for one in found if one["runs"])]
        draw(found, asked.figure or (shared or names)[0], out / "sweep.png")
    return bool(failed)


if __name__ == "__main__":
    command.start(main)

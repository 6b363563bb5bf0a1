"""demo · cli: a demo's command line, checked before anything else happens.

A demo gets its settings from flags(...), its images from images(...) and the run's folder from folder(...), and
main(run) starts it. A mistake that the user can correct prints three lines to stderr and exits with status 2, never
with a traceback. From flags(...) or folder(...) to the program's end, no other process can start a run in the folder.
"""
from __future__ import annotations

import argparse
import atexit
import json
import os
import shlex
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

from .. import console, data, files
from ..errors import BadFile, BadValue, Refusal
from ..train import distributed
from ..train import folder as run_folder
from ..train.interrupt import Interrupted
from .flags import FLAGS, SPECIAL, Flag
from .run_page import show

__all__ = ["at_least", "flags", "folder", "images", "main", "show"]

CONFIG_BYTES = 1 << 20      # of a config.json, at most


def flags(demo: str, doc: str, argv: Sequence[str] | None = None, **defaults: Any) -> argparse.Namespace:
    """The demo's settings by flag (batch_size for --batch-size), with out (None: not given), resume, unroll, captured.

    doc: the demo's docstring, which --help shows. defaults: values that replace those of FLAGS; a demo takes the
    SPECIAL flags for which it gives a default. BadValue or BadFile: a flag is out of range, conflicts with the resumed
    run, or names a folder that is in use.
    """
    mine = FLAGS + [flag for flag in SPECIAL if flag.key in defaults]
    usual = {flag.key: flag.default for flag in mine} | defaults
    texts = vars(_parser(doc, mine, usual).parse_args(argv))
    ways = {"unroll", "captured", "page"} & {*texts}
    out, run, how = texts.pop("out"), texts.pop("resume"), {way: texts.pop(way) for way in ways}
    given = {flag.key: _value(flag, texts[flag.key]) for flag in mine if texts[flag.key] is not None}
    if run is None:
        if out is not None and distributed.world().rank == 0:
            run_folder.keep(Path(out), new=True)
        return argparse.Namespace(**usual | given | how, demo=demo, out=out, resume=False)
    if out is not None:
        raise BadValue("--out conflicts with --resume", expected="one of them", got=f"--out {out} --resume {run}",
                       fix=f"leave out --out: the run continues in {run}")
    saved = _saved(Path(run), demo, mine)
    if distributed.world().rank == 0:
        run_folder.keep(Path(run), new=False)
    for key, value in given.items():
        longer = key == "epochs" and value >= saved[key]
        moved = key in ("data", "data_dir")     # fit compares the images
        if value != saved[key] and not (longer or moved):
            name = key.replace("_", "-")
            raise BadValue(f"--{name} conflicts with the run in {run}", got=f"--{name} {_text(value)}",
                           expected=f"{_text(saved[key])}, as in that run" + (", or more" if key == "epochs" else ""),
                           fix=f"leave out --{name}, or start a new run without --resume")
    here = {} if "data" in given else {"data": _beside(Path(run), saved["data"])}
    return argparse.Namespace(**saved | here | given | how, demo=demo, out=run, resume=True)


def images(settings: argparse.Namespace) -> tuple[data.Dataset, data.Dataset]:
    """(train, test) of --data. Their sum becomes the setting `fingerprint`, which config.json and result.json hold."""
    train, test = data.load(settings.data, settings.data_dir, size=settings.size)
    settings.fingerprint = data.fingerprint(train, test)
    return train, test


def folder(settings: argparse.Namespace) -> Path:
    """The run's folder: --out, --resume, or a new one, runs/DEMO-1, -2, ... Call it after the data has been loaded.

    Of several processes that train together, rank 0 gets the run's folder; each other gets a temporary one.
    """
    if distributed.world().rank:
        scratch = tempfile.TemporaryDirectory(prefix="tinyae-")
        atexit.register(scratch.cleanup)
        return Path(scratch.name)
    if settings.out is None:
        settings.out = str(run_folder.new_folder(Path("runs", settings.demo)))
        run_folder.keep(Path(settings.out), new=True)
    return Path(settings.out)


def main(run: Callable[[], int | None]) -> NoReturn:
    """Call run and exit Python: its status (None: 0), 2 after a Refusal, or 128 + the signal that stopped the run.

    Of several processes that train together, only rank 0 prints.
    """
    with console.safe_streams():
        try:
            with distributed.world() as ranks:
                if ranks.rank:
                    sys.stdout = sys.stderr = open(os.devnull, "w", encoding="utf-8")   # noqa: SIM115     safe_streams
                status = run() or 0                                                     # closes it
        except Interrupted as stop:
            print(f"\n{stop}", file=sys.stderr)
            if stop.out is not None:
                print(f"continue with: python {shlex.join([sys.argv[0], '--resume', str(stop.out)])}", file=sys.stderr)
            status = 128 + stop.signum
        except Refusal as refusal:
            print(console.printable(str(refusal)), file=sys.stderr)
            status = 2
        except MemoryError as error:
            print(BadValue("out of memory", expected="memory for the model, its gradients and a batch",
                           got=str(error) or "a MemoryError",
                           fix="smaller --hidden, --latent or --batch-size, or fewer images"), file=sys.stderr)
            status = 2
        except KeyboardInterrupt:
            status = 130
        finally:
            run_folder.release_all()
    sys.exit(status)


def _beside(run: Path, name: str) -> str:
    """The data of a saved run. A relative path that leads nowhere is looked for beside the run and its folder."""
    if name in data.SOURCES or os.path.isabs(name) or os.path.exists(name):
        return name
    return next((str(near) for folder in run.absolute().parents[:2] if os.path.exists(near := folder / name)), name)


class Parser(argparse.ArgumentParser):
    """An ArgumentParser that refuses a bad flag as everything else is refused, in three lines."""

    def error(self, message: str) -> NoReturn:
        raise BadValue(message, expected="the flags that --help lists", got=shlex.join(sys.argv[1:]) or "no flags",
                       fix=f"{self.prog} --help")


def _parser(doc: str, mine: list[Flag], usual: dict[str, Any]) -> argparse.ArgumentParser:
    parser = Parser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False)
    for flag in mine:
        default = "" if usual[flag.key] is None else f" (default: {_text(usual[flag.key])})"
        parser.add_argument(f"--{flag.name}", metavar=flag.metavar, help=flag.help + default)
    parser.add_argument("--out", metavar="FOLDER", help="the run's folder, new or empty (default: runs/DEMO-1, ...)")
    parser.add_argument("--unroll", action="store_true", help="train with unrolled programs: the same bits, sooner")
    parser.add_argument("--captured", action="store_true", help="on a GPU, train with one launch a step: a CUDA graph")
    if "page" in usual:
        parser.add_argument("--page", action="store_true", help="write explorer.html: the model, run in a browser")
    parser.add_argument("--resume", metavar="RUN", help="continue the run in this folder, with its own settings")
    return parser


def at_least(least: int) -> Callable[[str], int]:
    """The type of a parser's argument: a whole number of at least `least`."""
    def whole(text: str) -> int:
        with suppress(ValueError):
            if (value := int(text)) >= least:
                return value
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least {least}")
    return whole


def _value(flag: Flag, text: str) -> Any:
    try:
        return flag.read(text)
    except Refusal:
        raise
    except ValueError:
        raise BadValue(f"--{flag.name} out of range", expected=flag.allowed, got=repr(text),
                       fix=f"--{flag.name} {_text(flag.default)}") from None


def _text(value: Any) -> str:
    return ",".join(map(str, value)) or "none" if isinstance(value, list) else str(value)


def _saved(run: Path, demo: str, mine: list[Flag]) -> dict[str, Any]:
    """The settings of the run in this folder, checked as strictly as flags."""
    def refuse(got: object) -> BadFile:
        return BadFile(f"cannot continue {run}", expected=f"the folder of a run of {demo}, with its config.json",
                       got=got, fix="give --resume the folder that the run printed at its end")
    try:
        config = json.loads(files.read(run / "config.json", CONFIG_BYTES))
    except OSError as error:
        raise refuse(error.strerror or error) from error
    except (ValueError, RecursionError) as error:
        raise refuse(f"a config.json that is not valid JSON: {error}") from error
    if not isinstance(config, dict) or config.get("demo") != demo:
        raise refuse(f"a run of {config.get('demo')!s:.100}" if isinstance(config, dict) else "a run of something else")
    config = {flag.key: None for flag in mine if flag.default is None} | config     # a run from before such a flag
    if missing := [flag.key for flag in mine if flag.key not in config]:
        raise refuse(f"a config.json without {', '.join(missing)}")
    return {flag.key: None if config[flag.key] is None is flag.default else _value(flag, _text(config[flag.key]))
            for flag in mine}

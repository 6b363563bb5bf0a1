"""Attacks on demos as they run: kills, pairs of processes, signals, disks that fill.

    python attacks.py KIND FOLDER TRIES SEED        prints what happened as JSON

Each attempt is a fork of this process, which has imported everything and trains nothing. A demo must never lose what it
had saved, nor print a traceback; whatever happened to a run, resumed it must end as one that nothing happened to.
"""
from __future__ import annotations

import json
import os
import random
import runpy
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tiny_runs

from tinyae import files
from tinyae.demo import cli, experiments, images, plots  # noqa: F401      # before the forks
from tinyae.models import vae_evaluation  # noqa: F401

DEMO = Path(__file__).parents[1] / "demos" / "vae.py"
FLAGS = ["--data", "data.npz", "--epochs", "40", "--hidden", "6", "--latent", "3", "--batch-size", "8",
         "--samples", "2"]


class Attempt:
    """A demo in a fork; its output goes to files in the current folder."""

    made = 0

    def __init__(self, *flags: str, first: Callable[[], object] = lambda: None):
        Attempt.made += 1
        self.log = Path(f"log-{Attempt.made}")
        self.pid = os.fork()
        if self.pid == 0:
            self._run(flags, first)

    def _run(self, flags: tuple[str, ...], first: Callable[[], object]) -> None:
        status = 99
        try:
            handle = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            os.dup2(handle, 1)
            os.dup2(handle, 2)
            sys.stdout = open(1, "w", closefd=False)        # noqa: SIM115
            sys.stderr = open(2, "w", closefd=False)        # noqa: SIM115
            sys.modules["matplotlib"] = None                # type: ignore[assignment]   # plots take a second
            sys.argv = [str(DEMO), *flags]
            first()
            runpy.run_path(str(DEMO), run_name="__main__")
        except SystemExit as stop:
            status = int(stop.code or 0)
        except BaseException as error:
            print(f"Traceback: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
        finally:
            os._exit(status)

    @property
    def text(self) -> str:
        return self.log.read_text() if self.log.exists() else ""

    def wait_for(self, words: str) -> None:
        while words not in self.text:
            if os.waitpid(self.pid, os.WNOHANG)[0]:
                sys.exit(f"it ended before it said {words!r}: {self.text}")
            time.sleep(0.005)

    def send(self, signum: int) -> None:
        os.kill(self.pid, signum)

    def end(self, *allowed: int) -> int:
        """Its status, which must be one of the allowed ones: -9 after a kill, 2 after a refusal of three lines."""
        status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        text = self.text
        refusal = text[-1000:].split("\n")[-5:]
        if status not in allowed or "Traceback" in text or "Error" in text or (
                status == 2 and [line[:6] for line in refusal[1:4]] != ["  expe", "  got:", "  fix:"]):
            sys.exit(f"status {status} of {allowed}:\n{text}")
        return status


def go_on(run: str) -> tuple[str, ...]:
    """The flags that continue a run, or begin it again where it has not yet saved its settings."""
    return ("--resume", run) if Path(run, "config.json").exists() else (*FLAGS, "--out", run)


def outcome(run: str) -> dict[str, bytes]:
    pictures = {path.name: path.read_bytes() for path in Path(run).glob("*.png")}
    return tiny_runs.outcome(Path(run)) | pictures


def check_end(run: str, plain: dict[str, bytes]) -> None:
    """Let the run end, and compare it with one that was left alone."""
    Attempt(*go_on(run)).end(0)
    found = outcome(run)
    if differing := [name for name in plain.keys() | found.keys() if plain.get(name) != found.get(name)]:
        sys.exit(f"{run} differs in {differing}")
    if left := [path.name for path in Path(run).iterdir() if path.suffix == ".tmp" or path.name == ".lock"]:
        sys.exit(f"{run} holds {left}")


def kills(tries: int, rng: random.Random, plain: dict[str, bytes], seconds: float) -> Counter:
    """SIGKILL at a random moment, from the first line of the program on; then the run goes on, to the next kill."""
    told: Counter = Counter()
    run = "killed-0"
    for k in range(tries):
        attempt = Attempt(*go_on(run))
        time.sleep(rng.uniform(0, seconds / 2))
        attempt.send(signal.SIGKILL)
        ended = attempt.end(-signal.SIGKILL, 0) == 0
        told["ended before" if ended else "killed"] += 1
        if ended or k % 8 == 7:
            check_end(run, plain)
            run = f"killed-{k + 1}"
    if Path(run).exists():
        check_end(run, plain)
    return told


def pairs(tries: int, rng: random.Random, plain: dict[str, bytes], seconds: float) -> Counter:
    """Two processes with one folder: two new runs, or two that go on; in every second pair one is killed."""
    told: Counter = Counter()
    for k in range(tries):
        run = f"pair-{k}"
        if k % 2:           # something to go on from
            first = Attempt(*FLAGS, "--out", run)
            first.wait_for("epoch  3/40")
            first.send(signal.SIGKILL)
            first.end(-signal.SIGKILL)
        flags = go_on(run)
        both = [Attempt(*flags)]
        time.sleep(rng.choice([0, 0, rng.uniform(0, seconds / 2)]))
        both.append(Attempt(*flags))
        if k % 4 >= 2:
            time.sleep(rng.uniform(0, seconds / 2))
            rng.choice(both).send(signal.SIGKILL)
        statuses = sorted(attempt.end(0, 2, -signal.SIGKILL) for attempt in both)
        for attempt in both:
            if "expected" in attempt.text and "is in use" not in attempt.text:
                sys.exit(attempt.text)
            told["a process is named"] += " writes into it" in attempt.text
        told[str(statuses)] += 1
        if statuses == [2, 2]:
            sys.exit(f"both were refused: {both[0].text} {both[1].text}")
        check_end(run, plain)
    return told


SIGNALS: dict[str, tuple[list[int], int]] = {      # what is sent, and the status that follows
    "TERM": ([signal.SIGTERM], 143), "INT": ([signal.SIGINT], 130), "HUP": ([signal.SIGHUP], 129),
    "INT twice": ([signal.SIGINT] * 2, 130), "HUP twice": ([signal.SIGHUP] * 2, 129),
    "HUP, then INT": ([signal.SIGHUP, signal.SIGINT], 0), "TERM, then INT": ([signal.SIGTERM, signal.SIGINT], 0),
    "STOP, CONT, TERM": ([signal.SIGSTOP, signal.SIGCONT, signal.SIGTERM], 143),
    "ignored INT": ([signal.SIGINT], 0), "ignored HUP": ([signal.SIGHUP], 0)}


def signals(tries: int, rng: random.Random, plain: dict[str, bytes], seconds: float) -> Counter:
    """Each kind of signal in turn; the run saves itself, says how to go on and can go on, or does not notice."""
    told: Counter = Counter()
    for k, (name, (sent, status)) in enumerate([*SIGNALS.items()][:tries]):
        ignored = getattr(signal, f"SIG{name.split()[-1]}") if name.startswith("ignored") else None
        run = f"signal-{k}"
        attempt = Attempt(*FLAGS, "--out", run, first=lambda ignored=ignored: ignored and signal.signal(
            ignored, signal.SIG_IGN))
        attempt.wait_for("epoch  2/40")
        for signum in sent:
            attempt.send(signum)
        # Of two different signals, either may be handled first.
        ended = attempt.end(*([128 + signum for signum in sent] if not status and not ignored else [status]))
        if ended and f"continue with: python {DEMO} --resume {run}" not in attempt.text:
            sys.exit(attempt.text)
        check_end(run, plain)
        told[f"{name}: {ended}"] += 1
    return told


def disk(tries: int, rng: random.Random, plain: dict[str, bytes], seconds: float) -> Counter:
    """The disk is full from a random write on: status 2, and what was saved is there."""
    told: Counter = Counter()
    for k in range(tries):
        run, left = f"disk-{k}", [rng.randrange(1, 120)]

        def fill(left: list[int] = left) -> None:
            original = os.fsync

            def fsync(handle: int) -> None:
                left[0] -= 1
                if left[0] < 0:
                    raise OSError(28, "No space left on device")
                original(handle)

            files.os.fsync = fsync      # type: ignore[attr-defined]

        attempt = Attempt(*go_on(run), first=fill)
        told[str(attempt.end(2))] += 1
        if "cannot write" not in attempt.text or "is unchanged" not in attempt.text:
            sys.exit(attempt.text)
        check_end(run, plain)
    return told


def main(kind: str, folder: Path, tries: int, seed: int) -> None:
    folder.mkdir(exist_ok=True)
    os.chdir(folder)
    drawn = np.random.default_rng(0).integers(0, 256, (40, 4, 4), dtype=np.uint8)
    np.savez("data.npz", images=drawn)
    began = time.perf_counter()
    Attempt(*FLAGS, "--out", "plain").end(0)
    plain, seconds = outcome("plain"), time.perf_counter() - began
    attack = {"kills": kills, "pairs": pairs, "signals": signals, "disk": disk}[kind]
    print(json.dumps(attack(tries, random.Random(seed), plain, seconds)))
    shutil.rmtree(folder)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))

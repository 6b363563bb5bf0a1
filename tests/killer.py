"""Starts a run, kills it with SIGKILL, lets it go on, kills it again, ... and at last lets it end.

    python killer.py FOLDER KILLS SEED      prints what happened as JSON

Each attempt is a fork of this process, so that none has to import anything. This process itself trains nothing: the
first progress bar makes a semaphore, which forks would share, and one killed while it held it would stop all others.
Half of the kills come from outside, after a random time; the other half a process deals to itself inside the write
of a file, at each of its four stages. A fifth of the attempts trains with unrolled programs.
"""
from __future__ import annotations

import builtins
import json
import os
import random
import signal
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import tiny_runs

from tinyae import files

EPOCHS = [100, 200]          # long enough for a hundred kills on a fast machine as well


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class HalfWritten:
    """A file whose first write reaches the disk by half."""

    def __init__(self, file: Any):
        self.file = file

    def __enter__(self) -> HalfWritten:
        return self

    def __exit__(self, *error: object) -> None:
        self.file.close()

    def write(self, content: bytes) -> None:
        self.file.write(content[:len(content) // 2])
        self.file.flush()
        die()


def die_inside(stage: str, writes: int) -> None:
    """Arrange for this process to kill itself at that stage of the write after so many others."""
    name = {"half written": "open", "before rename": "replace"}.get(stage, "fsync")
    # Every write calls fsync twice, for the file and for its folder.
    left = [writes * 2 + (stage == "before the folder's fsync") if name == "fsync" else writes]

    def fatal(original: Any) -> Any:
        def call(*args: Any) -> Any:
            left[0] -= 1
            if left[0] >= 0:
                return original(*args)
            if stage == "half written":
                return HalfWritten(original(*args))
            return die()
        return call

    if stage == "half written":
        files.open = fatal(builtins.open)       # type: ignore[attr-defined]
    else:
        setattr(os, name, fatal(getattr(os, name)))


def attempt(out: Path, kill: str | None, rng: random.Random, checkpoint_steps: int | None = 2) -> bool:
    """Go on with the run in a fork, to its end or to its death by `kill`; -> whether it ended."""
    unrolled = checkpoint_steps is not None and rng.random() < 0.2
    pid = os.fork()
    if pid == 0:
        if kill not in (None, "outside"):
            die_inside(kill, rng.randrange(6))
        try:
            tiny_runs.run(out, epochs=EPOCHS, checkpoint_steps=checkpoint_steps, resume=True, unrolled=unrolled)
        except BaseException as error:
            print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)
    if kill == "outside":
        time.sleep(rng.uniform(0, 0.1))
        os.kill(pid, signal.SIGKILL)
    status = os.waitpid(pid, 0)[1]
    if os.WIFEXITED(status) and os.WEXITSTATUS(status) != 0:
        sys.exit("an attempt failed by itself")
    return os.WIFEXITED(status)


def main(out: Path, kills: int, seed: int) -> None:
    rng = random.Random(seed)
    stages = ["half written", "before fsync", "before rename", "before the folder's fsync"]
    happened: Counter[str] = Counter()
    plain = out / "plain"
    plain.mkdir(parents=True)
    attempt(plain, None, rng, checkpoint_steps=None)
    killed = out / "killed"
    killed.mkdir()
    while happened.total() < kills:
        kill = rng.choice(stages) if happened.total() % 2 else "outside"
        if attempt(killed, kill, rng):
            sys.exit(f"the run ended after {happened.total()} kills")
        happened[kill] += 1
    while not attempt(killed, None, rng):
        pass
    print(json.dumps({"kills": happened, "equal": tiny_runs.outcome(plain) == tiny_runs.outcome(killed)}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))

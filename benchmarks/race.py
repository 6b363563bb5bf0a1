"""race: time the steps of several programs in turns.

Each program has its own process. All are started before the timing; then, in every round, each gets one turn, in random
order, while the others wait. Ratios are computed round by round, so that a slow period of the machine affects both
sides. With one thread, a step's time is the CPU time of its process, which other programs disturb least; with more
threads it is the wall time.
"""
from __future__ import annotations

import multiprocessing
import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from statistics import median, quantiles
from typing import Any, NamedTuple

import numpy as np
from conditions import THREADS, others_cpu, others_since, page_faults, peak_memory

WARM = 6                    # steps before the timing; their losses are kept
Step = Callable[[], Any]


class Turn(NamedTuple):
    """The measurements of one turn of a program."""

    seconds: list[float]    # of each step
    faults: float           # page faults per step
    others: float           # CPUs kept busy by other programs during the turn


def run(makers: dict[str, Callable[[], Step]], *, rounds: int, seconds: float, threads: int = 1
         ) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    """Time the steps that makers return. Makers must be picklable: partials of a module's functions.

    seconds: the length of a turn. Returns (figures by name, reasons by name for programs without figures).
    """
    runners, failed = {}, {}
    try:
        with environment(threads):
            for name, make in makers.items():
                runner = Runner(make, threads)
                if runner.error:
                    failed[name] = runner.error
                    runner.stop()
                else:
                    runners[name] = runner
        rng = random.Random(0)
        for _ in range(rounds):
            for name in rng.sample(list(runners), len(runners)):
                runners[name].turn(seconds)
        return {name: runner.figures() for name, runner in runners.items()}, failed
    finally:
        for runner in runners.values():
            runner.stop()


class Runner:
    """A program in its own process."""

    def __init__(self, make: Callable[[], Step], threads: int):
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=serve, args=(theirs, make, threads), daemon=True)
        self.process.start()
        theirs.close()
        self.turns: list[Turn] = []
        try:
            self.losses, self.error = self.pipe.recv()
        except EOFError:
            self.losses, self.error = [], "its process ended"

    def turn(self, seconds: float) -> None:
        self.pipe.send(seconds)
        self.turns.append(self.pipe.recv())

    def figures(self) -> dict[str, Any]:
        """The median milliseconds per step of each round, and page faults, memory, other programs and losses."""
        self.pipe.send(0)
        return {"rounds_ms": [float(f"{1e3 * median(turn.seconds):.5g}") for turn in self.turns],
                "steps": sum(len(turn.seconds) for turn in self.turns),
                "faults": round(median(turn.faults for turn in self.turns)), "peak_MB": self.pipe.recv(),
                "others": round(median(turn.others for turn in self.turns), 2), "losses": self.losses}

    def stop(self) -> None:
        self.pipe.close()
        self.process.join(5)
        if self.process.is_alive():
            self.process.kill()


def serve(pipe: Any, make: Callable[[], Step], threads: int) -> None:
    """In the program's process: send the first losses, then a Turn for each number of seconds, then the peak memory."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)        # Ctrl-C is for the parent process
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)        # libraries print much; errors go through the pipe
    with suppress(AttributeError):      # Linux only; JAX and others start a thread for each CPU they may use
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-threads:])
    clock = time.process_time if threads == 1 else time.perf_counter
    with suppress(EOFError, BrokenPipeError):           # the parent has gone
        try:
            step = make()
            losses = [float(step()) for _ in range(WARM)]
        except Exception as error:
            what = "" if isinstance(error, NotImplementedError) else f"{type(error).__name__}: "
            pipe.send(([], f"{what}{error}"[:300]))
            return
        pipe.send((losses, None))
        while seconds := pipe.recv():
            float(step())
            before, faults, others, began = time.perf_counter(), page_faults(), others_cpu(), clock()
            times = [began]
            while times[-1] < began + seconds:
                float(step())
                times.append(clock())
            pipe.send(Turn(np.diff(times).tolist(), (page_faults() - faults) / (len(times) - 1),
                           others_since(others, time.perf_counter() - before)))
        pipe.send(peak_memory())


@contextmanager
def environment(threads: int) -> Iterator[None]:
    """The environment for processes started within: this many threads, and no messages from TensorFlow."""
    before = dict(os.environ)
    os.environ.update({name: str(threads) for name in THREADS} | {"TF_CPP_MIN_LOG_LEVEL": "3"})
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def ratio(a: dict[str, Any], b: dict[str, Any]) -> float:
    """The time of a step of a divided by that of b: the median over the rounds."""
    return median(x / y for x, y in zip(a["rounds_ms"], b["rounds_ms"], strict=True))


def quartiles(figures: dict[str, Any]) -> tuple[float, float, float]:
    """Lower quartile, median and upper quartile of the rounds' milliseconds."""
    rounds = figures["rounds_ms"]
    low, middle, high = quantiles(rounds, n=4, method="inclusive") if len(rounds) > 1 else rounds * 3
    return low, middle, high

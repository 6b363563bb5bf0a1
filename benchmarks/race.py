"""race: steps of several programs, timed in turns.

Each program has a process of its own. All are started before the timing; then, round after round, each gets a turn, in
random order, while the others wait. Ratios are taken round by round, so that a slow spell of the machine hits both
sides. With one thread a step's time is the CPU time of its process, which other programs disturb least; with more it
is the time on the clock.
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
from conditions import THREADS, others_cpu, page_faults, peak_memory

WARM = 6                    # steps before the timing; their losses are kept
Step = Callable[[], Any]


class Turn(NamedTuple):
    """What one turn of a program gave."""

    seconds: list[float]    # of each step
    faults: float           # page faults per step
    others: float           # CPUs that other programs kept busy meanwhile


def run(makers: dict[str, Callable[[], Step]], *, rounds: int, seconds: float, threads: int = 1
         ) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    """Time the steps that makers make (picklable: partials of functions of a module).

    seconds: of a turn. -> (figures by name, why there are none by name).
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
    """A program in a process of its own."""

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
        """Milliseconds per step in each round (medians), and what else is known."""
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
    """The program's side: losses of the first steps, then a Turn for each number of seconds, then its peak memory."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)        # Ctrl-C is for the program that started this one
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)        # libraries chatter; what goes wrong goes through the pipe
    with suppress(AttributeError):      # Linux only. Thread pools of JAX and others ask for the CPUs that they may use
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-threads:])
    clock = time.process_time if threads == 1 else time.perf_counter
    with suppress(EOFError, BrokenPipeError):           # nobody listens any more
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
                           (others_cpu() - others) / (time.perf_counter() - before)))
        pipe.send(peak_memory())


@contextmanager
def environment(threads: int) -> Iterator[None]:
    """For the processes started in here: this many threads, and no chatter of TensorFlow's."""
    before = dict(os.environ)
    os.environ.update({name: str(threads) for name in THREADS} | {"TF_CPP_MIN_LOG_LEVEL": "3"})
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def ratio(a: dict[str, Any], b: dict[str, Any]) -> float:
    """How many times as long as b's a's step takes: the median over the rounds."""
    return median(x / y for x, y in zip(a["rounds_ms"], b["rounds_ms"], strict=True))


def quartiles(figures: dict[str, Any]) -> tuple[float, float, float]:
    """Of the rounds' milliseconds."""
    rounds = figures["rounds_ms"]
    low, middle, high = quantiles(rounds, n=4, method="inclusive") if len(rounds) > 1 else rounds * 3
    return low, middle, high

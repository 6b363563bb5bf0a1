"""timing: steps of several programs, timed in turns.

Each program has a process of its own. All are started before the timing; then, round after round, each gets a turn, in
random order, while the others wait. Ratios are taken round by round, so that a slow spell of the machine hits both
sides. With one thread a step's time is the CPU time of its process, which other programs disturb least; with more it
is the time on the clock.
"""
from __future__ import annotations

import json
import multiprocessing
import os
import platform
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from statistics import median, quantiles
from typing import Any, NamedTuple

import numpy as np

try:
    import resource
except ImportError:         # not on Windows
    resource = None         # type: ignore[assignment]

sys.path.insert(0, str(Path(__file__).parents[1]))         # tinyae is the one of this clone
BUSY = 0.1                  # CPUs kept busy by other programs, above which we say so
WARM = 6                    # steps before the timing; their losses are kept
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS",
           "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
Step = Callable[[], Any]


class Turn(NamedTuple):
    """What one turn of a program gave."""

    seconds: list[float]    # of each step
    faults: float           # page faults per step
    others: float           # CPUs that other programs kept busy meanwhile


def race(makers: dict[str, Callable[[], Step]], *, rounds: int, seconds: float, threads: int = 1
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


# ---- what the system knows

def page_faults() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt if resource else 0


def others_cpu() -> float:
    """Seconds of CPU that everything but this process has used; stays 0 where there is no /proc/stat."""
    try:
        user, nice, system, _, _, irq, soft, steal = map(int, Path("/proc/stat").read_text().split()[1:9])
    except OSError:
        return 0.0
    return (user + nice + system + irq + soft + steal) / os.sysconf("SC_CLK_TCK") - time.process_time()


def peak_memory() -> float:
    """The most memory that this process has held, in MB; 0 where the system does not say."""
    try:        # not ru_maxrss, which a process inherits from the one that started it
        status = Path("/proc/self/status").read_text()
        return round(int(status.split("VmHWM:")[1].split()[0]) / 1024, 1)
    except OSError:
        return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 1) if resource else 0.0


def others_now(seconds: float = 0.5) -> float:
    """CPUs that other programs keep busy right now."""
    before = others_cpu()
    time.sleep(seconds)
    return (others_cpu() - before) / seconds


def busy(others: float) -> str:
    """The warning, or nothing."""
    return "" if others <= BUSY else (
        f"warning: the machine was busy: other programs kept {others:.1f} of {os.cpu_count()} CPUs at work. Ratios "
        "suffer less than times; take neither to the last digit.")


def import_ms(modules: Sequence[str], rounds: int) -> dict[str, float]:
    """CPU time of a Python that imports the module, less that of one that imports numpy; median of the rounds."""
    def seconds(module: str) -> float:
        before = os.times()
        subprocess.run([sys.executable, "-c", f"import {module}"], check=True, stderr=subprocess.DEVNULL,
                       env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))})
        after = os.times()
        return after.children_user + after.children_system - before.children_user - before.children_system

    took: dict[str, list[float]] = {module: [] for module in modules}
    for _ in range(rounds + 1):                             # the first brings the files into memory
        least = seconds("numpy")
        for module in modules:
            took[module].append(seconds(module) - least)
    return {module: round(1e3 * median(times[1:]), 1) for module, times in took.items()}


def machine(threads: int | str | None = None) -> dict[str, Any]:
    """What the figures depend on; threads: of each program, if not those of the environment."""
    from tinyae.cards import machine  # not above: programs that are timed import this file

    blas = np.show_config("dicts")["Build Dependencies"]["blas"]        # type: ignore[call-overload, index]
    asked = next((os.environ[name] for name in ("OPENBLAS_NUM_THREADS", *THREADS) if name in os.environ), "all")
    return {"machine": machine(), "blas": f"{blas['name']} {blas['version']}", "threads": str(threads or asked),
            "system": f"{platform.system()} {platform.machine()}", "date": time.strftime("%Y-%m-%d")}


# ---- figures

def ratio(a: dict[str, Any], b: dict[str, Any]) -> float:
    """How many times as long as b's a's step takes: the median over the rounds."""
    return median(x / y for x, y in zip(a["rounds_ms"], b["rounds_ms"], strict=True))


def quartiles(figures: dict[str, Any]) -> tuple[float, float, float]:
    """Of the rounds' milliseconds."""
    rounds = figures["rounds_ms"]
    low, middle, high = quantiles(rounds, n=4, method="inclusive") if len(rounds) > 1 else rounds * 3
    return low, middle, high


def number(x: float, digits: int = 3) -> str:
    """Three figures, without an exponent: 0.0123, 1.23, 1,230."""
    if not np.isfinite(x):
        return ""
    if x == 0:
        return "0"
    decimals = max(0, digits - 1 - int(np.floor(np.log10(abs(x)))))
    return f"{x:,.{decimals}f}"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table that reads well both as it stands and as Markdown; all columns but the first to the right."""
    wide = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    lines = [[f"{cell:{'<' if i == 0 else '>'}{w}}" for i, (cell, w) in enumerate(zip(row, wide, strict=True))]
             for row in [head, *rows]]
    rule = ["-" * wide[0], *("-" * (w - 1) + ":" for w in wide[1:])]
    return "\n".join("| " + " | ".join(line) + " |" for line in [lines[0], rule, *lines[1:]])


def write(folder: Path, name: str, result: dict[str, Any]) -> Path:
    """folder/name.json; lists of numbers on one line."""
    text = json.dumps(result, indent=1)
    text = re.sub(r"\[\s+([^][{}]*?)\s+\]", lambda found: "[" + re.sub(r"\s+", " ", found[1]) + "]", text)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    path.write_text(text + "\n")
    return path

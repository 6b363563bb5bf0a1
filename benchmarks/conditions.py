"""conditions: what a measurement depends on: the machine, other programs on it, and the process's own resources."""
from __future__ import annotations

import os
import platform
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

try:
    import resource
except ImportError:         # not on Windows
    resource = None         # type: ignore[assignment]

sys.path.insert(0, str(Path(__file__).parents[1]))         # import tinyae from this clone
BUSY = 0.1                  # warn if other programs keep more CPUs busy than this
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS",
           "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")


def page_faults() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt if resource else 0


def children_cpu() -> float:
    """CPU seconds used by the child processes that have ended."""
    if resource is None:
        return 0.0
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def others_cpu() -> float:
    """CPU seconds used by all other processes; always 0 without /proc/stat."""
    try:
        user, nice, system, _, _, irq, soft, steal = map(int, Path("/proc/stat").read_text().split()[1:9])
    except OSError:
        return 0.0
    return (user + nice + system + irq + soft + steal) / os.sysconf("SC_CLK_TCK") - time.process_time()


def peak_memory() -> float:
    """Peak memory of this process in MB; 0 if the system does not report it."""
    try:        # not ru_maxrss, which a process inherits from its parent
        status = Path("/proc/self/status").read_text()
        return round(int(status.split("VmHWM:")[1].split()[0]) / 1024, 1)
    except OSError:
        return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 1) if resource else 0.0


def others_now(seconds: float = 0.5) -> float:
    """The number of CPUs that other programs keep busy right now."""
    before = others_cpu()
    time.sleep(seconds)
    return others_since(before, seconds)


def others_since(before: float, seconds: float) -> float:
    """The number of CPUs that other programs kept busy in the last seconds, at whose start others_cpu() was before.

    /proc/stat counts whole ticks of 10 ms and process_time nanoseconds, so on an idle machine their difference may
    fall: then it is 0.
    """
    return max(0.0, (others_cpu() - before) / seconds)


def busy(others: float) -> str:
    """A warning if the machine was busy, else an empty string."""
    return "" if others <= BUSY else (
        f"warning: the machine was busy: other programs used {others:.1f} of {os.cpu_count()} CPUs. This affects "
        "times more than ratios; do not trust the last digits of either.")


def machine(threads: int | str | None = None) -> dict[str, Any]:
    """The machine, BLAS, threads, system and date. threads: per program, if not given by the environment."""
    from tinyae.demo.experiments import machine  # here, because the timed programs import this file

    blas = np.show_config("dicts")["Build Dependencies"]["blas"]        # type: ignore[call-overload, index]
    asked = next((os.environ[name] for name in ("OPENBLAS_NUM_THREADS", *THREADS) if name in os.environ), "all")
    return {"machine": machine(), "blas": f"{blas['name']} {blas['version']}", "threads": str(threads or asked),
            "system": f"{platform.system()} {platform.machine()}", "date": time.strftime("%Y-%m-%d")}

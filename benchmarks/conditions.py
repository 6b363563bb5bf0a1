"""conditions: what a measurement depends on. The machine, who else is at work on it, what a process has taken."""
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

sys.path.insert(0, str(Path(__file__).parents[1]))         # tinyae is the one of this clone
BUSY = 0.1                  # CPUs kept busy by other programs, above which we say so
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS",
           "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")


def page_faults() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt if resource else 0


def children_cpu() -> float:
    """Seconds of CPU that processes have used which this one started, and which have ended."""
    if resource is None:
        return 0.0
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


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


def machine(threads: int | str | None = None) -> dict[str, Any]:
    """What the figures depend on; threads: of each program, if not those of the environment."""
    from tinyae.demo.experiments import machine  # not above: programs that are timed import this file

    blas = np.show_config("dicts")["Build Dependencies"]["blas"]        # type: ignore[call-overload, index]
    asked = next((os.environ[name] for name in ("OPENBLAS_NUM_THREADS", *THREADS) if name in os.environ), "all")
    return {"machine": machine(), "blas": f"{blas['name']} {blas['version']}", "threads": str(threads or asked),
            "system": f"{platform.system()} {platform.machine()}", "date": time.strftime("%Y-%m-%d")}

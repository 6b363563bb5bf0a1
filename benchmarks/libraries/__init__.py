"""One file for each library that is timed.

build(workload) -> step: step() makes one whole training step and returns what float() turns into its loss.
chain(n) -> run: run() adds a constant to a number n times, and differentiates (where the library is not only NumPy).
IMPORT: what its users import. SKIP: workloads that it cannot do, and why. To add a library, add a file.
"""
from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import workloads

NAMES = ["tinyae", "hand", "products", "torch", "torch_compile", "jax", "tensorflow", "autograd", "mygrad"]
NAMES += sorted({path.stem for path in Path(__file__).parent.glob("[!_]*.py")} - set(NAMES))


def missing(name: str) -> str | None:
    """The module that the library's file imports and that is not installed; None where all is there."""
    try:
        importlib.import_module(f"{__name__}.{name}")
    except ModuleNotFoundError as error:
        return error.name
    return None


def step(name: str, workload: str) -> Callable[[], Any]:
    return importlib.import_module(f"{__name__}.{name}").build(workloads.WORKLOADS[workload])

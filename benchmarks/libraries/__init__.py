"""libraries: one file for each library that is timed.

build(workload) -> step: step() makes one training step and returns its loss, as anything that float() takes. If the
library cannot compute the workload, NotImplementedError says why. chain(n) -> run: run() adds a constant to a number n
times and differentiates the result. To add a library, add a file and its entry here.
"""
from __future__ import annotations

import importlib
from collections.abc import Callable
from importlib import metadata
from importlib.util import find_spec
from typing import Any

import workloads

MODULES = {"tinyae": "tinyae", "tinyae_unrolled": "tinyae", "hand": "numpy", "products": "numpy", "torch": "torch",
           "torch_compile": "torch", "jax": "jax", "tensorflow": "tensorflow", "autograd": "autograd",
           "mygrad": "mygrad"}      # their modules
WITHOUT_TAPE = {"tinyae_unrolled", "hand", "products", "torch_compile"}     # no chain: they record no operations


def missing(name: str) -> bool:
    return find_spec(MODULES[name]) is None


def version(name: str) -> str:
    """The installed version; the distribution may have another name than the module."""
    distributions = metadata.packages_distributions().get(MODULES[name])
    return metadata.version(distributions[0]) if distributions else ""


def step(name: str, workload: str) -> Callable[[], Any]:
    return importlib.import_module(f"{__name__}.{name}").build(workloads.WORKLOADS[workload])


def chain(name: str, n: int) -> Callable[[], float]:
    """n additions to one number, forward and backward."""
    run = importlib.import_module(f"{__name__}.{name}").chain(n)

    def step() -> float:
        run()
        return 0.0
    return step

"""train · metrics: sums of losses, which stay on the device until they are read.

Reading a number from a GPU waits for all its kernels. A step therefore only records its losses, as arrays, and one
read copies all that were recorded.
"""
from __future__ import annotations

import math
from functools import reduce
from operator import add
from time import perf_counter

import numpy as np

from ..backend import Array, Value, to_host
from ..errors import BadType
from ..tensor import Tensor, data_of
from .diagnose import NonFinite
from .schedule import Phase, Rng

Sums = dict[str, dict[str, float]]      # phase -> loss term -> sum over images


class LossSums:
    """Sums of loss terms over images, so that a batch counts by its number of images."""

    def __init__(self, sums: Sums):
        self.sums = {phase: dict(terms) for phase, terms in sums.items()}
        self.recorded: list[tuple[str, int, dict[str, Array]]] = []     # (phase, images, terms) since the last read
        self.read_at = perf_counter()

    def record(self, phase: Phase, images: int, terms: dict[str, Value]) -> None:
        """Keep a batch's losses, means over its images, without waiting for them."""
        self.recorded.append((phase.name, images, {term: data_of(t).reshape(()) for term, t in terms.items()}))

    def read(self) -> None:
        """Add what was recorded to the sums, with one copy from the device. A sum that is not finite: NonFinite."""
        if self.recorded:
            losses = np.stack([loss for _, _, terms in self.recorded for loss in terms.values()])
            values = iter(to_host(losses).astype(np.float64).tolist())
            for phase, images, terms in self.recorded:      # one by one, so that the moment of reading changes no bit
                sums = self.sums.setdefault(phase, {})
                for term in terms:
                    sums[term] = sums.get(term, 0.0) + images * next(values)
            self.recorded.clear()
        self.read_at = perf_counter()
        if not all(math.isfinite(value) for terms in self.sums.values() for value in terms.values()):
            raise NonFinite("a loss")

    def per_image(self, phase: Phase, images: int) -> dict[str, float]:
        """Each term's mean over this many images."""
        return {term: value / images for term, value in self.sums[phase.name].items()}


def losses_of(phase: Phase, batch: Array, rng: Rng) -> tuple[dict[str, Tensor], Tensor]:
    """(a phase's loss terms by name, their sum)."""
    terms = phase.losses(batch, rng)
    if not (isinstance(terms, dict) and terms and all(isinstance(t, Tensor) and t.size == 1 for t in terms.values())):
        raise BadType("losses(batch, rng) must return a dict of losses", expected="one-element Tensors by name",
                      got=f"{terms!r:.100}", fix='return {"reconstruction": ops.mean(per_image)}')
    return terms, reduce(add, terms.values())

"""ledger: losses on their way from the device. They are noted as arrays, step by step, and read all together."""
from __future__ import annotations

import math
from functools import reduce
from operator import add
from typing import Any

import numpy as np

from ..backend import Array, to_host
from ..errors import BadType
from ..tensor import Tensor
from .schedule import Phase

Sums = dict[str, dict[str, float]]      # phase -> loss term -> sum over images


class Ledger:
    """Sums of loss terms over images, so that a short last batch weighs what its images weigh."""

    def __init__(self, sums: Sums):
        self.sums = sums                                            # kept up to date by read()
        self.waiting: list[tuple[str, int, dict[str, Array]]] = []  # phase, images, terms: noted since then

    def note(self, phase: Phase, images: int, terms: dict[str, Tensor]) -> None:
        """Remember a batch's losses, means over its images, without waiting for them."""
        self.waiting.append((phase.name, images, {term: t.data.reshape(()) for term, t in terms.items()}))

    def read(self) -> bool:
        """Bring the sums up to date, with one copy from the device; -> whether all are finite."""
        if self.waiting:
            losses = np.stack([loss for _, _, terms in self.waiting for loss in terms.values()])
            values = iter(to_host(losses).astype(np.float64).tolist())
            for phase, images, terms in self.waiting:       # one by one: when they are read makes no difference
                sums = self.sums.setdefault(phase, {})
                for term in terms:
                    sums[term] = sums.get(term, 0.0) + images * next(values)
            self.waiting.clear()
        return all(math.isfinite(value) for terms in self.sums.values() for value in terms.values())

    def per_image(self, phase: Phase, images: int) -> dict[str, float]:
        """Each term's mean over this many images."""
        return {term: value / images for term, value in self.sums[phase.name].items()}


def losses_of(phase: Phase, batch: Array, rng: Any) -> tuple[dict[str, Tensor], Tensor]:
    """(a phase's loss terms by name, their sum)."""
    terms = phase.losses(batch, rng)
    if not (isinstance(terms, dict) and terms and all(isinstance(t, Tensor) and t.size == 1 for t in terms.values())):
        raise BadType("losses(batch, rng) did not give losses", expected="one-element Tensors by name",
                      got=f"{terms!r:.100}", fix='return {"reconstruction": ops.mean(per_image)}')
    return terms, reduce(add, terms.values())

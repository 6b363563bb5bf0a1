"""unroll · step: one whole training step, losses, gradients and new parameters, as a program."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..backend import Array
from .program import Program


class Step:
    """step(batch, rng) -> losses, as arrays by name; afterwards the optimizer's parameters are new.

    The program is recorded at the first batch, and again at a batch of another size. `program` holds it.
    """

    def __init__(self, losses: Callable, optimizer: Any, constants: Any = None):
        self.losses, self.optimizer, self.constants = losses, optimizer, constants
        self.program: Program | None = None

    def __call__(self, batch: Array, rng: Any = None) -> dict[str, Array]:
        if self.program is None:
            self.program = Program(self._f, self.optimizer.params, rng is not None, self.constants, "record again")
        losses, gradients = self.program(batch, rng=rng)
        self.optimizer.step(gradients)
        return losses

    def _f(self, batch: Array, rng: Any = None) -> Any:
        return self.losses(batch, rng)


def unroll_step(model: Any, optimizer: Any, constants: Any = None) -> Step:
    """A training step of the model, unrolled: the bits of grad and optimizer.step, without the tape.

        step = unroll_step(model, Adam(params(model), lr=1e-3))
        losses = step(batch, rng)

    model: an object with losses(batch, rng), or this function itself. constants: as for unroll. Other settings of the
    model that change between steps are not seen: make a new step after changing one.
    """
    return Step(getattr(model, "losses", model), optimizer, constants)

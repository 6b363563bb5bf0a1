"""unroll · step: one whole training step, losses, gradients and new parameters, as a program."""
from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from ..backend import Array
from .program import Program


class Step:
    """step(batch, rng) -> losses, as arrays by name; afterwards the optimizer's parameters are new.

    The program is recorded at the first batch, and again at a batch of another size or after a setting of the optimizer
    has changed. `program` holds it; print(step) shows it.
    """

    def __init__(self, losses: Callable, optimizer: Any, params: Any, constants: Any = None):
        self.losses, self.optimizer, self.params, self.constants = losses, optimizer, params, constants
        # On a GPU the optimizer's step is one kernel already. Optimizers of other libraries are called as well.
        self.is_whole = (hasattr(optimizer, "formula") and optimizer.flat.device == "cpu"
                         and [*map(id, params.values())] == [*map(id, optimizer.params.values())])
        self.program: Program | None = None
        self.settings: Any = None

    def __call__(self, batch: Array, rng: Any = None) -> dict[str, Array]:
        optimizer = self.optimizer
        if not self.is_whole:
            program = self.program = self.program or self._program(rng)
            losses, gradients = program(batch, rng=rng)
            optimizer.step(gradients)
            return losses
        formula = optimizer.formula()
        if self.program is None or self.settings != repr(formula.settings):
            self.program, self.settings = self._program(rng, optimizer), repr(formula.settings)
        losses, new = self.program.run((batch,), rng, optimizer.flat.joined(), *formula.moments, *formula.numbers)
        optimizer.flat.give(new)
        if hasattr(optimizer, "t"):
            optimizer.t += 1
        return losses

    def __str__(self) -> str:
        return str(self.program)

    def _program(self, rng: Any, optimizer: Any = None) -> Program:
        @wraps(self.losses)
        def losses(batch: Array, rng: Any = None) -> Any:
            return self.losses(batch, rng)
        return Program(losses, self.params, rng is not None, self.constants, "record again", optimizer=optimizer)


def unroll_step(model: Any, optimizer: Any, constants: Any = None) -> Step:
    """A training step of the model, unrolled: the bits of grad and optimizer.step, without the tape.

        step = unroll_step(model, Adam(params(model), lr=1e-3))
        losses = step(batch, rng)

    model: an object with losses(batch, rng), or this function itself. constants: as for unroll. The learning rate comes
    in with each step; after another setting of the optimizer or a number of the model has changed, the step is recorded
    again. On a GPU, and with optimizers of other libraries, the program ends with the gradients.
    """
    return Step(getattr(model, "losses", model), optimizer, optimizer.params, constants)

"""8 of 9 · joined: parameters as one flat array, for an optimizer to update at one go.

All parameters lie end to end in one array, so that a step is a dozen passes over blocks of it (on a GPU, one kernel)
however many parameters there are. It makes a new array and gives each parameter its piece: a parameter's old data
keeps its values.
"""
from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from operator import is_not

import numpy as np

from ..backend import Array, device_of, freeze
from ..errors import BadValue
from ..refusals import describe
from ..tensor import Tensor, renew

BLOCK = 1 << 16     # numbers: a block of Adam's five arrays stays in a core's cache through a dozen passes over it

Params = Sequence[Tensor] | dict[str, Tensor]
Grads = Sequence[Array] | dict[str, Array]


class Joined:
    """Leaf Tensors as one flat array, and back."""

    def __init__(self, params: Params):
        self.tensors = _leaves(params)
        self.places, self.kinds, start = [], [], 0          # where each one's numbers lie in flat, and what they are
        for p in self.tensors.values():
            self.places.append(slice(start, start := start + p.size))
            self.kinds.append((p.shape, p.dtype, device_of(p.data)))
        self.pieces: list[Array] = []
        self.flat: Array = None
        self.blocks = list(self._blocks(start, BLOCK if device_of(p.data) == "cpu" else start))

    def _blocks(self, size: int, block: int) -> Iterator[tuple[slice, list[tuple[int, slice]]]]:
        """Cuts of the flat array, each with the parts of the tensors that lie in it."""
        for start in range(0, size, block):
            stop = min(start + block, size)
            yield slice(start, stop), [(i, slice(max(start, at.start) - at.start, min(stop, at.stop) - at.start))
                                       for i, at in enumerate(self.places) if at.start < stop and start < at.stop]

    def update(self, rule: Callable[..., None], grads: Grads, moments: Sequence[Array], *numbers: float,
               **settings: float) -> None:
        """rule(g, p, *moments, new, *numbers, **settings) by blocks: g is a copy, moments are written in place."""
        flat, p = [g.reshape(-1) for g in self.gradients(grads)], self.data()
        new = np.empty_like(p)
        for block, parts in self.blocks:
            g = np.concatenate([flat[i][part] for i, part in parts])
            rule(g, p[block], *[m[block] for m in moments], new[block], *numbers, **settings)
        self.give(new)

    def data(self) -> Array:
        """The parameters' data, joined: as `give` left it, unless somebody has changed a parameter since."""
        now = [p.data for p in self.tensors.values()]
        if not self.pieces or any(map(is_not, now, self.pieces)):
            self.give(self.join(now))
        return self.flat

    def give(self, flat: Array) -> None:
        """Each parameter gets its piece of flat, a new array that belongs to nobody else."""
        self.flat = freeze(flat)
        self.pieces = self.split(self.flat)
        for p, piece in zip(self.tensors.values(), self.pieces, strict=True):
            renew(p, piece)

    def zeros(self) -> Array:
        return np.zeros_like(self.join([p.data for p in self.tensors.values()]))

    def join(self, arrays: Sequence[Array]) -> Array:
        return np.concatenate([a.reshape(-1) for a in arrays])

    def split(self, flat: Array) -> list[Array]:
        """Views of flat in the parameters' shapes."""
        return [flat[place].reshape(shape) for place, (shape, *_) in zip(self.places, self.kinds, strict=True)]

    def gradients(self, grads: Grads) -> Sequence[Array]:
        """The gradients in the parameters' order: a dict is matched by name, a list by position."""
        if isinstance(grads, dict) and grads.keys() == self.tensors.keys():
            grads = [grads[name] for name in self.tensors]
        if isinstance(grads, dict) or [(getattr(g, "shape", None), getattr(g, "dtype", None), device_of(g))
                                       for g in grads] != self.kinds:
            raise BadValue("gradients do not match the parameters",
                           expected=", ".join(f"{name} {describe(p)}" for name, p in self.tensors.items()),
                           got=", ".join(grads) if isinstance(grads, dict) else ", ".join(map(describe, grads)),
                           fix="grad(loss, the params that the optimizer was given)")
        return grads


def _leaves(params: Params) -> dict[str, Tensor]:
    named = dict(params) if isinstance(params, dict) else {str(i): p for i, p in enumerate(params)}
    if not named or not all(isinstance(p, Tensor) and p.op is None for p in named.values()):
        raise BadValue("an optimizer needs parameters", expected="leaf Tensors, at least one", got=repr(params)[:200],
                       fix="params(model)")
    if len(set(named.values())) < len(named):
        raise BadValue("a parameter stands in the list twice", expected="each Tensor once",
                       got=f"{len(named)} entries, {len(set(named.values()))} Tensors",
                       fix="params(obj) lists a shared (tied) weight once")
    if len({(p.dtype, device_of(p.data)) for p in named.values()}) > 1:
        raise BadValue("parameters of two kinds", expected="one dtype, one device",
                       got=", ".join(f"{name} {describe(p)}" for name, p in named.items())[:200],
                       fix="an optimizer for each kind")
    return named

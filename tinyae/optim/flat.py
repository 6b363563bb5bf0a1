"""optim · flat: parameters as one flat array, so that an optimizer can update them all at once.

The parameters stand end to end in that array. A step is a dozen passes over blocks of it (on a GPU, one kernel),
however many parameters there are. The step writes a new array, of which each parameter's data becomes a view; the data
that a parameter had before keeps its values.
"""
from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from operator import is_not
from typing import Any, NamedTuple

import numpy as np

from ..backend import Array, describe, device_of, freeze, keep_memory, to_device, to_host
from ..errors import BadValue
from ..tensor import Tensor, renew
from .join import end_to_end

BLOCK = 1 << 16     # numbers: that much of each of Adam's five arrays stays in a core's cache for a dozen passes

Params = Sequence[Tensor] | dict[str, Tensor]
Grads = Sequence[Array] | dict[str, Array]


class Formula(NamedTuple):
    """A step, as FlatParameters.update takes it. numbers change from step to step, settings do not."""

    rule: Callable[..., None]
    moments: Sequence[Array]
    numbers: Sequence[float]
    settings: dict[str, Any]


class FlatParameters:
    """Leaf Tensors of one dtype on one device, as slices of one array."""

    def __init__(self, params: Params):
        self.tensors = _leaves(params)
        keep_memory()                                           # training is about to begin
        first = next(iter(self.tensors.values()))
        self.dtype, self.device = first.dtype, device_of(first.data)
        self.shapes = [p.shape for p in self.tensors.values()]
        self.slices, start = [], 0                              # each tensor's part of the array
        for p in self.tensors.values():
            self.slices.append(slice(start, start := start + p.size))
        self.array: Array = None                                # made by the first step
        self.pieces: list[Array] = []                           # the views of it that are the tensors' data
        self.blocks = list(self._blocks(start, BLOCK if self.device == "cpu" else max(1, start)))

    def _blocks(self, size: int, block: int) -> Iterator[tuple[slice, list[tuple[int, slice]]]]:
        """The blocks of the array, each with the tensors (by number) and the slices of them that lie in it."""
        for start in range(0, size, block):
            stop = min(start + block, size)
            yield slice(start, stop), [(i, slice(max(start, at.start) - at.start, min(stop, at.stop) - at.start))
                                       for i, at in enumerate(self.slices) if at.start < stop and start < at.stop]

    def update(self, rule: Callable[..., None], moments: Sequence[Array], numbers: Sequence[float],
               settings: dict[str, Any], grads: Grads) -> None:
        """Block by block, rule(g, p, *moments, new, *numbers, **settings), which writes the new parameters into new.

        g is a copy of the gradients, which the rule may overwrite; it also updates the moments in place.
        """
        gs, p = [g.reshape(-1) for g in self.gradients(grads)], self.data()
        new = np.empty_like(p)
        for block, parts in self.blocks:
            g = self.join([gs[i][part] for i, part in parts])
            rule(g, p[block], *[m[block] for m in moments], new[block], *numbers, **settings)
        self.give(new)

    def data(self) -> Array:
        """The parameters' data as one array: the last one that `give` got, unless a parameter has been set since."""
        if (now := self.joined()) is not self.array:
            self.give(now)
        return self.array

    def joined(self) -> Array:
        """The same, while each parameter keeps its data as it lies in memory."""
        now = [p.data for p in self.tensors.values()]
        return self.join(now) if not self.pieces or any(map(is_not, now, self.pieces)) else self.array

    def give(self, array: Array) -> None:
        """Make each parameter's data a view of a new array, which becomes read-only."""
        self.array = freeze(array)
        self.pieces = self.split(self.array)
        for p, piece in zip(self.tensors.values(), self.pieces, strict=True):
            renew(p, piece)

    def zeros(self) -> Array:
        return np.zeros_like(self.join([p.data for p in self.tensors.values()]))

    def join(self, arrays: Sequence[Array]) -> Array:
        return end_to_end([a.reshape(-1) for a in arrays])

    def split(self, array: Array) -> list[Array]:
        """Views of a flat array in the parameters' shapes."""
        return [array[at].reshape(shape) for at, shape in zip(self.slices, self.shapes, strict=True)]

    def gradients(self, grads: Grads) -> Sequence[Array]:
        """The gradients in the parameters' order: a dict is matched by name, a list by position."""
        if isinstance(grads, dict) and grads.keys() == self.tensors.keys():
            grads = [grads[name] for name in self.tensors]
        if isinstance(grads, dict) or [(getattr(g, "shape", None), getattr(g, "dtype", None), device_of(g))
                                       for g in grads] != [(s, self.dtype, self.device) for s in self.shapes]:
            raise BadValue("gradients do not match the parameters",
                           expected=", ".join(f"{name} {describe(p)}" for name, p in self.tensors.items()),
                           got=", ".join(grads) if isinstance(grads, dict) else ", ".join(map(describe, grads)),
                           fix="grad(loss, the params that the optimizer was given)")
        return grads


def _leaves(params: Params) -> dict[str, Tensor]:
    named = dict(params) if isinstance(params, dict) else {str(i): p for i, p in enumerate(params)}
    if not named or not all(isinstance(p, Tensor) and p.op is None for p in named.values()):
        raise BadValue("the parameters must be leaf Tensors, at least one", got=repr(params)[:200],
                       expected="Tensors made by Tensor(array), in a list or a dict by name", fix="params(model)")
    if len(set(named.values())) < len(named):
        raise BadValue("each parameter must be listed once", expected="no Tensor twice",
                       got=f"{len(named)} entries, {len(set(named.values()))} Tensors",
                       fix="params(obj) lists a shared (tied) weight once")
    if len({(p.dtype, device_of(p.data)) for p in named.values()}) > 1:
        raise BadValue("all parameters must have one dtype and one device", expected="one dtype, one device",
                       got=", ".join(f"{name} {describe(p)}" for name, p in named.items())[:200],
                       fix="an optimizer for each dtype and device")
    return named


def state_of_moments(**moments: list[Array]) -> dict[str, np.ndarray]:
    """Copies on the host: array i of the moments `name` as "name.i"."""
    return {f"{name}.{i}": to_host(a).copy() for name, arrays in moments.items() for i, a in enumerate(arrays)}


def load_moments(state: dict[str, Any], **moments: list[Array]) -> None:
    """Write what state_of_moments has returned into the moments of an optimizer of the same parameters."""
    named = {f"{name}.{i}": a for name, arrays in moments.items() for i, a in enumerate(arrays)}
    if state.keys() != named.keys():
        raise BadValue("a state must have the arrays of this optimizer", expected=", ".join(sorted(named)),
                       got=", ".join(sorted(state)), fix="the state() of one with the same parameters")
    for name, a in named.items():
        if np.shape(state[name]) != a.shape or state[name].dtype != a.dtype:
            raise BadValue(f"state {name} must be like its parameter", expected=describe(a), got=describe(state[name]),
                           fix="the state() of one with the same parameters")
    for name, a in named.items():
        a[...] = to_device(state[name], device_of(a))

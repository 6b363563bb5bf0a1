"""show · story: the steps that grad takes along a tape, as a list that can be printed or drawn.

grad itself keeps nothing. Here each vjp runs once more, to show its contribution.
"""
from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import count
from typing import Any, NamedTuple

import numpy as np

from .. import guards
from ..backend import Array, is_array, to_host
from ..tensor import Tensor, grad, sum_to, tape
from ..unroll.text import OPERATORS, vjp_source

FEW = 4             # so many numbers are shown one by one; of more, the norm


class Part(NamedTuple):
    """What one use of a Tensor contributes to its gradient: the row's vjp, and the axes over which it is summed."""
    to: Tensor
    vjp: str                    # "g @ y.mT", or "" where the source does not say
    axes: tuple[int, ...]       # of the row's result; not empty where `to` was broadcast
    array: Array


class Step(NamedTuple):
    """A Tensor on the tape, its gradient (None if no gradient flows to it), and what it hands to its arguments."""
    t: Tensor
    name: str
    made: str                   # "x @ W + b", or "leaf"
    gradient: Array | None
    parts: list[Part]


def steps(y: Tensor, names: dict[str, Tensor] | None = None, wrt: Sequence[Tensor] = ()) -> list[Step]:
    """The tape of y, oldest first; with the gradients of all that lies between y and wrt."""
    past = tape(y)
    called = names_of(past, names or {})
    live = set(wrt)
    for t in past:                                          # as in grad: which Tensors depend on wrt?
        if not live.isdisjoint(t.parents):
            live.add(t)
    reached = [t for t in past if t in live]
    gradients = dict(zip(reached, grad(y, reached, unused="zero"), strict=True)) if wrt else {}
    return [Step(t, called[t], written(t, called), gradients.get(t), parts(t, gradients)) for t in past]


def parts(t: Tensor, gradients: dict[Tensor, Array]) -> list[Part]:
    """What t, whose gradient is known, contributes to the gradients of its arguments."""
    if t.op is None or t not in gradients:
        return []
    arrays, found = [a._data if isinstance(a, Tensor) else a for a in t.args], []
    for i, a in enumerate(t.args):
        if isinstance(a, Tensor) and a in gradients:
            part = t.op.vjps[i](gradients[t], t._data, *arrays, **t.settings)
            axes = summed(part.shape, a.shape)
            found.append(Part(a, vjp_source(t.op, i)[1], axes,
                              part if part.shape == a.shape else sum_to(part, shape=a.shape)))
    return found


def summed(shape: tuple[int, ...], to: tuple[int, ...]) -> tuple[int, ...]:
    """The axes over which an array of this shape is summed to get the shape `to`."""
    new = len(shape) - len(to)
    return tuple(i for i, n in enumerate(shape) if i < new or n != to[i - new])


def names_of(past: list[Tensor], names: dict[str, Tensor]) -> dict[Tensor, str]:
    """A name for each Tensor: its own, or else x1, x2, ... for a leaf and z1, z2, ... for a result."""
    given, numbered = {t: name for name, t in reversed(names.items())}, {"x": count(1), "z": count(1)}

    def fresh(letter: str) -> str:
        return next(name for n in numbered[letter] if (name := f"{letter}{n}") not in names)
    return {t: given.get(t) or fresh("z" if t.op else "x") for t in past}


def written(t: Tensor, called: dict[Tensor, str]) -> str:
    """The call that made t, as one would type it: x @ W + b is matmul, then add."""
    if t.op is None:
        return "leaf"
    args = [called[a] if isinstance(a, Tensor) else constant(a) for a in t.args]
    sign = OPERATORS.get(t.op)
    if sign and not t.settings:
        return f"{args[0]} {sign} {args[1]}" if len(args) == 2 else f"{sign}{args[0]}"
    if t.op.__name__ == "index" and args:
        return f"{args[0]}[{constant(t.settings['key']).strip('()').removesuffix(',')}]"
    settings = [f"{name}={constant(value)}" for name, value in t.settings.items()]
    return f"{t.op.__name__}({', '.join([*args, *settings])})"


def constant(value: Any) -> str:
    """A constant or a setting: itself if it is short, an array's shape if it is not."""
    if is_array(value):
        return numbers(value) if value.size <= FEW else f"array{value.shape}".replace(",)", ")")
    if isinstance(value, tuple):
        return f"({', '.join(map(constant, value))}{',' * (len(value) == 1)})"
    if isinstance(value, slice):
        return ":".join("" if part is None else str(part) for part in (value.start, value.stop, value.step)[:2 + (
            value.step is not None)])
    text = re.sub(r"<class '(?:\w+\.)*(\w+)'>", r"\1", repr(value))
    return text if len(text) <= 40 else f"<{type(value).__name__}>"


def numbers(x: Array) -> str:
    """Up to FEW numbers of x: -1, or [0.5, 2]."""
    listed = np.vectorize(lambda v: float(f"{v:.4g}") if x.dtype.kind == "f" else v, otypes=[object])(to_host(x))
    return re.sub(r"\.0(?!\d)", "", str(listed.tolist()))


def size_of(x: Array) -> str:
    """The numbers of x if they are few, else its norm."""
    if x.size <= FEW:
        return numbers(x)
    return f"norm {float(np.sqrt(np.square(to_host(x).astype(np.float64)).sum())):.4g}"


def started(y: Tensor) -> Tensor:
    """y, if a gradient can start there: it has one element."""
    return guards.scalar(y)

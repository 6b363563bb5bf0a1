"""unroll · update: the optimizer's step as text.

    np.multiply(M, 0.9, out=M)
    np.multiply(G, 0.1, out=N)
    np.add(M, N, out=M)

The rule of an optimizer (optim/rules.py) works in place on arrays. Called with names instead, it records its steps as
text.
"""
from __future__ import annotations

from collections.abc import Iterator
from inspect import signature, unwrap
from itertools import count
from typing import Any

import numpy as np


class Named(np.lib.mixins.NDArrayOperatorsMixin):
    """An array or a number, of which only the name is known. Each function of NumPy that takes it adds a line.

    new: numbers for the names of new arrays.
    """

    def __init__(self, name: str, lines: list[str], new: Iterator[int]):
        self.name, self.lines, self.new = name, lines, new

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *args: Any, out: Any = None) -> Any:
        told = ", ".join(x.name if isinstance(x, Named) else repr(x) for x in args)
        if out is not None:
            self.lines.append(f"np.{ufunc.__name__}({told}, out={out[0].name})")
            return out[0]
        z = Named(f"s{next(self.new)}", self.lines, self.new)
        self.lines.append(f"{z.name} = np.{ufunc.__name__}({told})")
        return z


class Update:
    """The text of an optimizer's step on all parameters, which stand end to end in p, with their gradients in g.

    blocks: whether block by block, each of which stays in the cache for all lines.
    arguments: what the text needs besides the gradients: p, the moments, and the numbers of this step.
    """

    def __init__(self, optimizer: Any, blocks: bool):
        formula, flat = optimizer.formula(), optimizer.flat
        names = [*signature(formula.rule).parameters][:3 + len(formula.moments) + len(formula.numbers)]
        self.arguments = [name for name in names if name not in ("g", "new")]
        self.examples = [f"rng.random({a.size}).astype(np.{a.dtype.type.__name__})" for a in (
            flat.joined(), *formula.moments)] + [repr(number) for number in formula.numbers]
        self.homes = [f"G_{i}" for i in range(len(flat.shapes))]
        size = sum(at.stop - at.start for at in flat.slices)
        self.head = [f"g = np.empty({size}, np.{flat.dtype.type.__name__})", *(
            f"{home} = g[{at.start}:{at.stop}].reshape({shape})"
            for home, at, shape in zip(self.homes, flat.slices, flat.shapes, strict=True))]
        lines, block = list[str](), flat.blocks[0][0].stop if blocks else size
        arrays = names[:3 + len(formula.moments)]
        of_block = [a.upper()[0] for a in arrays] if block < size else arrays
        new = count(1)
        unwrap(formula.rule)(*[Named(name, lines, new) for name in [*of_block, *names[len(arrays):]]],
                             **formula.settings)
        self.lines = ["    new = np.empty_like(p)"]
        if block < size:                                        # block by block, in the cache
            self.lines += [f"    for i in range(0, {size}, {block}):",
                           f"        {', '.join(of_block)} = [a[i:i + {block}] for a in ({', '.join(arrays)})]",
                           *(f"        {line}" for line in lines)]
        else:
            self.lines += [f"    {line}" for line in lines]
        self.names = {"g", "i", "new", *names, *of_block, *self.homes}


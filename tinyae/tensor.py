"""tensor: three nouns, Tensor, op and grad.

A Tensor is an array that remembers which op made it, and from what. An op is a row of calculus: the forward function
and, for each argument, its vector-Jacobian product. grad walks back from the loss, newest Tensor first.

This file is the whole idea. guards.py says what may enter and what is refused, and why: skip it at first reading.
"""
# Rows refer to each other, and mypy reads a lambda before it knows the rows below it:
# mypy: disable-error-code="has-type, attr-defined"
from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import count
from operator import attrgetter
from typing import Any

import numpy as np

from . import guards, kernels, refusals
from .backend import Array, freeze, is_array, to_host

now = count().__next__          # birth numbers: 0, 1, 2, ...
new = object.__new__            # new(Tensor) makes a Tensor without the checks of __init__


class Tensor(guards.Guarded):
    """An array that remembers which op made it, and from what. Anything else is a constant.

    Tensor(data): numbers and (nested) lists become float32; a float array keeps its dtype and its device. A writable
    array is copied and a read-only one is kept, so the data of a Tensor cannot change unnoticed. (CuPy arrays have no
    read-only flag: do not write into a CuPy array after making a Tensor of it.)
    """
    __slots__ = ("_data", "args", "born", "grad", "op", "parents", "settings")

    def __init__(self, data: Any):
        self._data = guards.leaf_data(data)
        self.op: Any = None                         # the row that made it; None for a leaf
        self.args: tuple = ()                       # the row's arguments, Tensors and constants,
        self.settings: dict[str, Any] = {}          # and its settings (axis=0), by name
        self.parents: Sequence[Tensor] = ()         # the Tensors among args
        self.born = now()                           # parents are born before their children
        self.grad: Array | None = None              # filled by backward(); the library itself uses grad()

    data = property(lambda self: self._data, lambda self, array: renew(self, guards.new_data(self, array)),
                    doc="The array; read-only on NumPy. To gradients, t.data is a constant. A leaf can get new data.")
    shape = property(lambda self: self._data.shape, doc="(n, d), say; () of a single number.")
    ndim = property(lambda self: self._data.ndim, doc="The number of axes.")
    size = property(lambda self: self._data.size, doc="The number of elements.")
    dtype = property(lambda self: self._data.dtype, doc="np.float32, say.")

    def numpy(self) -> np.ndarray:
        """The data as a NumPy array; read-only (`.numpy().copy()` to write)."""
        return to_host(self._data)

    def backward(self) -> None:
        """Fill .grad of every leaf that this one-element Tensor was made of, as in PyTorch and micrograd.

        It *replaces* the old .grad, so there is no zero_grad to forget. `grad` returns the same arrays.
        """
        leaves = [t for t in tape(guards.scalar(self)) if t.op is None]
        for leaf, g in zip(leaves, grad(self, leaves), strict=True):
            leaf.grad = g


def op(forward: Callable, *vjps: Callable | None, each: Callable | None = None) -> Any:
    """z = forward(*arrays, **settings), differentiable: a row of the table.

    vjps[i](g, z, *arrays, **settings) is dL/d(arrays[i]), given g = dL/dz. A vjp uses operators and other rows, so it
    runs at full speed on bare arrays, and on Tensors it is traced and can be differentiated again. A vjp of None marks
    an argument without a gradient; each(i, g, z, *arrays, **settings) is for rows with any number of arguments. A row
    saves nothing, does not write into g, and leaves broadcasting to the engine.

        bell = op(lambda x: 1 / (1 + x * x),  lambda g, z, x: -2 * g * x * z * z)
    """
    def row(*args: Any, **settings: Any) -> Any:
        for first in args:                              # the first Tensor among the arguments
            if type(first) is Tensor:
                break
        else:
            return row.forward(*args, **settings)       # constants in, constant out, at array speed
        # z = row.forward(*arrays, **settings); guards has first made sure that all of them may enter
        z, args, settings, parents = guards.run(row, args, settings, first)
        t = new(Tensor)
        t._data, t.op, t.args, t.settings, t.parents, t.born, t.grad = z, row, args, settings, parents, now(), None
        return t

    row.__name__ = row.__qualname__ = getattr(forward, "__name__", "op").replace("<lambda>", "op")
    row.forward, row.vjps = forward, vjps or guards.Each(each)
    return row


def grad(y: Tensor, wrt: Sequence[Tensor] | dict[str, Tensor], create_graph: bool = False,
         unused: str = "error") -> Any:
    """dy/dw for each w in wrt, in the form of wrt: a list, or a dict by name. y has one element.

    Returns arrays (read-only, of w's shape, dtype and device), or with create_graph Tensors that can be differentiated
    again. A w that y does not depend on is refused; with unused="zero" it gets zeros.
    """
    if isinstance(wrt, dict):
        return dict(zip(wrt, grad(y, list(wrt.values()), create_graph, unused), strict=True))
    wanted, past = guards.wanted(wrt, unused), tape(guards.scalar(y))
    live = set(wanted)                                          # 1. Oldest first: which Tensors depend on wrt?
    for t in past:                                              #    No other gradient is ever computed.
        if not live.isdisjoint(t.parents):
            live.add(t)
    one = freeze(np.ones_like(y._data))                         # 2. dy/dy = 1
    grads: dict[Tensor, Any] = {y: Tensor(one) if create_graph else one}
    for t in reversed(past):                                    # 3. Newest first: all that used t comes before t,
        if t.op is None or t not in live:                       #    so its gradient is complete when we reach it.
            continue
        g = grads[t] if t in wanted else grads.pop(t)           # one that is not wanted is freed after its use
        g = freeze(g)                                           # read-only: another vjp may get the same array
        # The same vjps run on bare arrays or, to be differentiated again, on Tensors.
        z, args = (t, t.args) if create_graph else (t._data, [a._data if type(a) is Tensor else a for a in t.args])
        for i, a in enumerate(t.args):
            if type(a) is Tensor and a in live:
                ga = None
                try:
                    ga = t.op.vjps[i](g, z, *args, **t.settings)
                    if ga.shape != a._data.shape:
                        ga = sum_to(ga, shape=a._data.shape)    # a was broadcast: add up the gradients of its copies
                except Exception as error:
                    raise refusals.failed_vjp(t, i, ga, error) from error
                if ga.dtype != a._data.dtype:
                    raise refusals.wrong_dtype(t, i, ga)
                grads[a] = grads[a] + ga if a in grads else ga  # a was used before: add up its uses
    if unused == "error" and not wanted <= grads.keys():
        raise refusals.no_path(y, *next((i, w) for i, w in enumerate(wrt) if w not in grads))
    found = [grads[w] if w in grads else np.zeros_like(w._data) for w in wrt]
    if create_graph:
        return [g if type(g) is Tensor else Tensor(freeze(g)) for g in found]
    return [freeze(g if is_array(g) else np.asarray(g)) for g in found]     # NumPy turns 0-d results into scalars


def tape(y: Tensor) -> list[Tensor]:
    """y, of any shape, and all Tensors that it was made of, oldest first: parents come before their children."""
    seen, todo = {y}, [y]
    while todo:
        t = todo.pop()
        for p in t.parents:
            if p.born > t.born:
                raise refusals.changed_parent(t, p)
            if p not in seen:
                seen.add(p)
                todo.append(p)
    return sorted(seen, key=attrgetter("born"))


def renew(leaf: Tensor, array: Array) -> None:
    """leaf.data = array, which is read-only and fits. The leaf is born again, so grad refuses its older children."""
    leaf._data, leaf.born = array, now()


def data_of(x: Any) -> Any:
    """The array of a Tensor; anything else as it is."""
    return x._data if type(x) is Tensor else x


# The three rows that the engine itself needs.
add          = op(np.add,           lambda g, z, x, y: g,                                   lambda g, z, x, y: g)
sum_to       = op(kernels.sum_to,  lambda g, z, x, shape: broadcast_to(g, shape=x.shape))
broadcast_to = op(kernels.broadcast_to, lambda g, z, x, shape: sum_to(g, shape=x.shape))

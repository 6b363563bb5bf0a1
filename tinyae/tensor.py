"""2 of 9 · tensor: three nouns, Tensor, op and grad.

A Tensor is an array that remembers which op made it and from what. An op is a row of calculus: the forward function
and, per argument, its vector-Jacobian product. grad walks from the loss back to what it was made of, newest first.
"""
# Rows refer to each other, lambdas are read before they are typed:
# mypy: disable-error-code="has-type"
from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import count
from math import prod
from operator import attrgetter
from typing import Any, ClassVar

import numpy as np

from . import refusals
from .backend import Array, device_of, freeze, frozen, is_array, to_host
from .errors import Refusal
from .guards import constant, fixed, leaf_data

now = count().__next__      # birth numbers: parents are born before their children


class Tensor:
    """An array that remembers which op made it and from what. Whatever is not a Tensor is a constant.

    Tensor(data): numbers and (nested) lists become float32, a float array keeps its dtype and its device.
    A writable array is copied, a read-only one is kept: nobody can change a Tensor's data behind its back.
    (CuPy arrays have no read-only flag: do not write into an array that you have made a Tensor of.)
    """
    __slots__ = ("_data", "args", "born", "grad", "op", "params", "parents")
    __array_priority__ = 1000       # array * Tensor asks Tensor.__rmul__

    # The operators are rows, and rows are made of Tensors: ops.py fills these in.
    __add__: ClassVar[Callable[..., Tensor]]
    __radd__: ClassVar[Callable[..., Tensor]]
    __sub__: ClassVar[Callable[..., Tensor]]
    __rsub__: ClassVar[Callable[..., Tensor]]
    __mul__: ClassVar[Callable[..., Tensor]]
    __rmul__: ClassVar[Callable[..., Tensor]]
    __truediv__: ClassVar[Callable[..., Tensor]]
    __rtruediv__: ClassVar[Callable[..., Tensor]]
    __pow__: ClassVar[Callable[..., Tensor]]
    __rpow__: ClassVar[Callable[..., Tensor]]
    __matmul__: ClassVar[Callable[..., Tensor]]
    __rmatmul__: ClassVar[Callable[..., Tensor]]
    __neg__: ClassVar[Callable[..., Tensor]]
    __abs__: ClassVar[Callable[..., Tensor]]
    __getitem__: ClassVar[Callable[..., Tensor]]
    T: ClassVar[Any]
    mT: ClassVar[Any]

    def __init__(self, data: Any):
        if type(data) is Tensor:
            raise refusals.already_a_tensor(data)
        self._data = leaf_data(data)
        self.op: Any = None                         # the row that made it; None: a leaf
        self.args: tuple = ()                       # what the row was given: Tensors and constants,
        self.params: dict[str, Any] = {}            # and its settings, by name
        self.parents: Sequence[Tensor] = ()         # the Tensors among args
        self.born = now()
        self.grad: Array | None = None              # filled by backward(), never read by the library

    @property
    def data(self) -> Array:
        """The array. Read-only on NumPy. `t.data` is also the constant of t's value: gradients stop at it."""
        return self._data

    @data.setter
    def data(self, new: Array) -> None:
        """Give a leaf a new value: same shape, dtype and device. It is born again, so a result computed from
        the old value is refused by grad instead of being differentiated at the new one."""
        old, new = self._data, np.asarray(new) if isinstance(new, np.generic) else new
        if self.op is not None:
            raise refusals.not_a_leaf(self, "given new data")
        if not is_array(new) or (new.shape, new.dtype, device_of(new)) != (old.shape, old.dtype, device_of(old)):
            raise refusals.misfit(new, old)
        renew(self, frozen(new))

    shape = property(lambda self: self._data.shape)
    ndim = property(lambda self: self._data.ndim)
    size = property(lambda self: self._data.size)
    dtype = property(lambda self: self._data.dtype)

    def numpy(self) -> np.ndarray:
        """The data as a NumPy array; read-only (`.numpy().copy()` to write)."""
        return to_host(self._data)

    def item(self) -> float:
        """The one number of a one-element Tensor, as a Python float."""
        if self.size != 1:
            raise refusals.not_one_number(self)
        return self._data.item()

    __float__ = item

    def backward(self) -> None:
        """Fill .grad of every leaf that this one-element Tensor was made of.

        For people who come from PyTorch or micrograd; `grad` returns the same arrays and leaves nothing behind.
        It *replaces* what stood in .grad, so there is no zero_grad to forget; only leaves get one.
        """
        leaves = [t for t in tape(_scalar(self)) if t.op is None]
        for leaf, g in zip(leaves, grad(self, leaves), strict=True):
            leaf.grad = g

    # A comparison is flat almost everywhere: its answer is a constant, a plain array of bool.
    def __gt__(self, other: Any) -> Array: return self._data > data_of(other)
    def __ge__(self, other: Any) -> Array: return self._data >= data_of(other)
    def __lt__(self, other: Any) -> Array: return self._data < data_of(other)
    def __le__(self, other: Any) -> Array: return self._data <= data_of(other)
    def __eq__(self, other: Any) -> Array: return self._data == data_of(other)
    def __ne__(self, other: Any) -> Array: return self._data != data_of(other)
    __hash__ = object.__hash__                  # identity: a Tensor is a place in a computation

    def __bool__(self) -> bool:
        if self.size != 1:
            raise refusals.no_truth(self)
        return bool(self._data)

    def __len__(self) -> int:
        return len(self._data)

    def __iter__(self) -> Iterator[Tensor]:
        return (self[i] for i in range(len(self._data)))

    def __setitem__(self, key: Any, value: Any) -> None:
        raise refusals.no_writing()

    def __array__(self, *args: Any, **kwargs: Any) -> np.ndarray:
        raise refusals.lost_gradient("a NumPy function, np.asarray or np.array", "exp")

    def __array_function__(self, func: Callable, types: Any, args: Any, kwargs: Any) -> Any:
        raise refusals.lost_gradient(f"np.{func.__name__}", func.__name__)

    def __reduce__(self) -> Any:
        if self.op is not None:
            raise refusals.not_a_leaf(self, "copied or pickled")
        return Tensor, (self._data,)

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if spec else repr(self)

    def __repr__(self) -> str:
        made = f"made by {self.op.__name__}" if self.op else "leaf"
        place = "" if device_of(self._data) == "cpu" else ", on cuda"
        value = f"{self.numpy().tolist()}, " if self.size <= 8 else ""
        return f"Tensor({value}shape {self.shape}, {self.dtype}, {made}{place})"


def op(forward: Callable, *vjps: Callable | None, each: Callable | None = None) -> Any:
    """z = forward(*arrays, **params), differentiable: a row of the table.

    vjps[i](g, z, *arrays, **params) is dL/d(arrays[i]), given g = dL/dz. It is written with operators and other rows,
    so that it runs at full speed on bare arrays and is traced, hence differentiable again, on Tensors. A vjp of None
    marks an argument that has no gradient; each(i, g, z, *arrays, **params) serves rows with any number of arguments.
    Arrays go by position, settings by name. Rows save nothing and never un-broadcast: the engine does.

        softsign = op(lambda x: x / (1 + abs(x)),  lambda g, z, x: g / ops.square(1 + ops.abs(x)))
    """
    def row(*args: Any, **params: Any) -> Any:
        if each is None and len(args) != len(vjps):
            raise refusals.wrong_count(row.__name__, len(vjps), len(args))
        for like in args:
            if type(like) is Tensor:
                break
        else:
            return forward(*args, **params)         # constants in, constant out, at array speed
        if params:
            params = {name: fixed(value) for name, value in params.items()}
        dtype, kind = like._data.dtype, type(like._data)
        arrays: list[Any] = []
        parents: list[Tensor] = []
        for i, a in enumerate(args):
            if type(a) is Tensor:
                x = a._data
                if each is None and vjps[i] is None:
                    raise refusals.no_gradient(row.__name__, i, a)
                if (x.dtype is not dtype and x.dtype != dtype) or type(x) is not kind:
                    raise refusals.mixed(row.__name__, i, x, like._data)
                parents.append(a)
            elif type(a) is float:
                x = a
            else:                                   # kept as the row sees it: cast, and nobody's to change
                x = constant(row.__name__, i, a, like._data, cast=each is not None or vjps[i] is not None)
                args = (*args[:i], x, *args[i + 1:])
            arrays.append(x)
        try:
            z = forward(*arrays, **params)
        except Refusal:
            raise
        except (ValueError, TypeError) as error:
            raise refusals.no_fit(row.__name__, arrays, params, error) from error
        if z.dtype is not dtype and z.dtype != dtype and "dtype" not in params:
            raise refusals.changed_dtype(row.__name__, z, dtype)
        if type(z) is not kind:
            z = np.asarray(z)                       # NumPy turns 0-d results into scalars
        t = _new(Tensor)
        if kind is np.ndarray:
            z.flags.writeable = False
        t._data, t.op, t.args, t.params, t.parents, t.born, t.grad = z, row, args, params, parents, now(), None
        return t

    row.__name__ = row.__qualname__ = getattr(forward, "__name__", "op").replace("<lambda>", "op")
    row.forward, row.vjps, row.each = forward, vjps, each           # type: ignore[attr-defined]
    row.kernels = vjps          # type: ignore[attr-defined]        # the same for a GPU's arrays: see kernels.py
    return row


def grad(y: Tensor, wrt: Sequence[Tensor] | dict[str, Tensor], create_graph: bool = False,
         unused: str = "error") -> Any:
    """dy/dw for each w in wrt, in the shape of wrt: a list, or a dict by name. y has one element.

    Arrays (read-only, of w's shape, dtype and device), or with create_graph Tensors that can be differentiated again.
    A w that y does not depend on is refused, or with unused="zero" gets zeros.
    """
    if isinstance(wrt, dict):
        return dict(zip(wrt, grad(y, list(wrt.values()), create_graph, unused), strict=True))
    _check_wrt(wrt, unused)
    past = tape(_scalar(y))                                     # 1. all that y was made of, oldest first
    wanted, live = set(wrt), set(wrt)                           # 2. what depends on wrt: no other gradient
    for t in past:                                              #    is ever computed
        if not live.isdisjoint(t.parents):
            live.add(t)
    one = freeze(np.ones_like(y._data))
    kernels = not create_graph and type(one) is not np.ndarray
    grads: dict[Tensor, Any] = {y: Tensor(one) if create_graph else one}
    for t in reversed(past):                                    # 3. newest first: whoever used t has paid in.
        if t.op is None or t not in grads or t not in live:
            continue
        g = grads[t] if t in wanted else grads.pop(t)
        # The same vjps run on Tensors, to be differentiated again, or on bare arrays.
        z, args = (t, t.args) if create_graph else (t._data, [a._data if type(a) is Tensor else a for a in t.args])
        vjps = t.op.kernels if kernels else t.op.vjps
        for i, a in enumerate(t.args):
            if type(a) is Tensor and a in live:
                vjp = vjps[i] if t.op.each is None else partial(t.op.each, i)
                ga = vjp(g, z, *args, **t.params)
                if getattr(ga, "shape", None) != a._data.shape:
                    ga = _unbroadcast(t, i, ga)                 # a was broadcast: add up its copies
                if ga.dtype != a._data.dtype:
                    raise refusals.wrong_vjp(t, i, ga)
                grads[a] = grads[a] + ga if a in grads else ga  # a was used before: add up its uses
    if unused == "error" and not wanted <= grads.keys():
        raise refusals.no_path(y, *next((i, w) for i, w in enumerate(wrt) if w not in grads))
    found = [grads[w] if w in grads else np.zeros_like(w._data) for w in wrt]
    if create_graph:
        return [g if type(g) is Tensor else Tensor(freeze(g)) for g in found]
    return [freeze(g if is_array(g) else np.asarray(g)) for g in found]      # NumPy makes scalars of 0-d results


def renew(leaf: Tensor, new: Array) -> None:
    """leaf.data = new, for a read-only array that is known to fit."""
    leaf._data, leaf.born = new, now()


def tape(y: Tensor) -> list[Tensor]:
    """y and all Tensors it was made of, oldest first. Order of birth is a topological order: no recursion, no heap."""
    seen, todo = {y}, [y]
    while todo:
        t = todo.pop()
        for p in t.parents:
            if p.born > t.born:
                raise refusals.changed_parent(t, p)
            if p not in seen:
                seen.add(p)
                todo.append(p)
    return sorted(seen, key=_born)


_new, _born = object.__new__, attrgetter("born")


def data_of(x: Any) -> Any:
    """The array of a Tensor; anything else as it is."""
    return x._data if type(x) is Tensor else x


def _scalar(y: Any) -> Tensor:
    if type(y) is not Tensor:
        raise refusals.not_a_tensor(y)
    if y.size != 1:
        raise refusals.not_a_scalar(y)
    return y


def _check_wrt(wrt: Any, unused: str) -> None:
    if not isinstance(wrt, list | tuple):
        raise refusals.wrt_no_list(wrt)
    for i, w in enumerate(wrt):
        if type(w) is not Tensor:
            raise refusals.wrt_no_tensor(i, w)
    if unused not in ("error", "zero"):
        raise refusals.unknown_unused(unused)


def _unbroadcast(t: Tensor, i: int, g: Any) -> Any:
    try:
        return sum_to(g, shape=t.args[i].shape)
    except (ValueError, AttributeError):
        raise refusals.wrong_vjp(t, i, g) from None


# The three rows that the engine itself needs.

def _array_sum_to(x: Array, shape: tuple[int, ...]) -> Array:
    if x.shape == shape:
        return x
    new = x.ndim - len(shape)
    if new < 0 or any(n not in (1, m) for n, m in zip(shape, x.shape[new:], strict=True)):
        raise ValueError(f"{x.shape} is no broadcast of {shape}")
    if shape and shape == x.shape[new:] and isinstance(x, np.ndarray):
        rows = x.reshape(prod(x.shape[:new]), prod(shape))
        return (np.ones(len(rows), x.dtype) @ rows).reshape(shape)      # a bias: 1.5 to 12 times as fast as the sum
    axes = tuple(range(new)) + tuple(new + i for i, n in enumerate(shape) if n == 1)
    return x.sum(axes, keepdims=True).reshape(shape)


add          = op(np.add,           lambda g, z, x, y: g,                                   lambda g, z, x, y: g)
sum_to       = op(_array_sum_to,    lambda g, z, x, shape: broadcast_to(g, shape=x.shape))
broadcast_to = op(np.broadcast_to,  lambda g, z, x, shape: sum_to(g, shape=x.shape))

"""8 of 9 · optim: from gradients to the next parameters.

    optimiser = Adam(params(model), lr=1e-3)
    optimiser.step(grad(loss, params(model)))

Gradients come in the order (or under the names) of the parameters. All parameters are joined end to end in one array,
so that a step is a dozen passes over blocks of one array however many parameters there are. It makes a new array and
gives each parameter its piece: a parameter's old data keeps its values.
"""
from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from operator import is_not
from typing import Any

import numpy as np

from .backend import Array, device_of, freeze, to_device, to_host
from .errors import BadValue
from .kernels import fuse
from .refusals import describe
from .tensor import Tensor, renew

BLOCK = 1 << 16     # numbers: a block of Adam's five arrays stays in a core's cache through a dozen passes over it

Params = Sequence[Tensor] | dict[str, Tensor]
Grads = Sequence[Array] | dict[str, Array]


class _Joined:
    """Leaf Tensors as one flat array, and back."""

    def __init__(self, params: Params):
        self.tensors = _leaves(params)
        self.places, self.kinds, start = [], [], 0          # where each one's numbers lie in flat, and what they are
        for p in self.tensors.values():
            self.places.append(slice(start, start := start + p.size))
            self.kinds.append((p.shape, p.dtype))
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
        """rule(g, p, *moments, new, *numbers, **settings), block by block; g is a copy, moments are written in place."""
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
        return [flat[place].reshape(shape) for place, (shape, _) in zip(self.places, self.kinds, strict=True)]

    def gradients(self, grads: Grads) -> Sequence[Array]:
        """The gradients in the parameters' order: a dict is matched by name, a list by position."""
        if isinstance(grads, dict) and grads.keys() == self.tensors.keys():
            grads = [grads[name] for name in self.tensors]
        if isinstance(grads, dict) or [(getattr(g, "shape", None), getattr(g, "dtype", None))
                                       for g in grads] != self.kinds:
            raise BadValue("gradients do not match the parameters",
                           expected=", ".join(f"{name} {describe(p)}" for name, p in self.tensors.items()),
                           got=", ".join(grads) if isinstance(grads, dict) else ", ".join(map(describe, grads)),
                           fix="grad(loss, the params that the optimiser was given)")
        return grads


class SGD:
    """v <- momentum * v + g;  p <- p - lr * v. Polyak 1964, with momentum=0 plain gradient descent.

    l2 adds l2 * p to the gradient, the derivative of l2/2 |p|^2.
    """

    def __init__(self, params: Params, lr: float = 1e-2, momentum: float = 0.0, l2: float = 0.0):
        _check_positive(lr=lr)
        _check_not_negative(l2=l2)
        _check_fraction(momentum=momentum)
        self.joined, self.lr, self.momentum, self.l2 = _Joined(params), lr, momentum, l2
        self.params, self.velocity = self.joined.tensors, self.joined.zeros()
        self.v = self.joined.split(self.velocity)           # the same numbers, seen parameter by parameter

    def step(self, grads: Grads) -> None:
        self.joined.update(_sgd, grads, [self.velocity], self.lr, momentum=self.momentum, l2=self.l2)

    def state(self) -> dict[str, Any]:
        """Copies of all that the next step depends on, beside the parameters: name -> array on the host."""
        return _copies(v=self.v)

    def load(self, state: dict[str, Any]) -> None:
        """Go on from a state() of an optimiser of the same parameters: all is checked before anything is set."""
        _load(state, v=self.v)


class Adam:
    """Adam (Kingma & Ba 2015, algorithm 1).

    t <- t + 1;  m <- b1 m + (1 - b1) g;  v <- b2 v + (1 - b2) g^2
    p <- p - lr * [m / (1 - b1^t)] / (sqrt[v / (1 - b2^t)] + eps)

    eps is added outside the root, after the bias correction, as in the paper and in PyTorch (TensorFlow 1 and Keras add
    it before: for tiny gradients the two differ visibly). Two decays, told apart: `l2` adds l2 * p to the gradient,
    where the division by sqrt(v) nearly undoes it; `weight_decay` shrinks p by lr * weight_decay * p beside the step
    (Loshchilov & Hutter 2019, algorithm 2).
    """

    def __init__(self, params: Params, lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
                 weight_decay: float = 0.0, l2: float = 0.0):
        _check_positive(lr=lr, eps=eps)
        _check_not_negative(weight_decay=weight_decay, l2=l2)
        _check_fraction(beta1=betas[0], beta2=betas[1])
        self.joined, self.lr, self.betas, self.eps = _Joined(params), lr, betas, eps
        self.weight_decay, self.l2, self.t = weight_decay, l2, 0
        self.params, self.mean, self.square = self.joined.tensors, self.joined.zeros(), self.joined.zeros()
        self.m, self.v = self.joined.split(self.mean), self.joined.split(self.square)      # parameter by parameter

    def step(self, grads: Grads) -> None:
        self.t += 1
        b1, b2 = self.betas
        c1, c2 = 1 - b1 ** self.t, (1 - b2 ** self.t) ** 0.5
        # Numerator and denominator of the step are multiplied by c2: (lr c2 / c1) * m / (sqrt(v) + eps c2).
        self.joined.update(_adam, grads, [self.mean, self.square], self.lr * c2 / c1, self.eps * c2,
                           1 - self.lr * self.weight_decay, decays=self.weight_decay > 0, b1=b1, b2=b2, l2=self.l2)

    def state(self) -> dict[str, Any]:
        """Copies of all that the next step depends on, beside the parameters: name -> array on the host."""
        return {"t": np.array(self.t), **_copies(m=self.m, v=self.v)}

    def load(self, state: dict[str, Any]) -> None:
        """Go on from a state() of an optimiser of the same parameters: all is checked before anything is set."""
        if "t" not in state or np.shape(state["t"]) != ():
            raise BadValue("not a state of Adam", expected="a number of steps t", got=sorted(state), fix="Adam.state()")
        _load({name: a for name, a in state.items() if name != "t"}, m=self.m, v=self.v)
        self.t = int(state["t"])


@fuse
def _sgd(g: Array, p: Array, v: Array, new: Array, lr: float, *, momentum: float, l2: float) -> None:
    if l2:
        g += l2 * p
    v *= momentum
    v += g
    np.subtract(p, np.multiply(v, lr, out=g), out=new)


@fuse
def _adam(g: Array, p: Array, m: Array, v: Array, new: Array, rate: float, eps: float, shrink: float, *,
          decays: bool, b1: float, b2: float, l2: float) -> None:
    if l2:
        g += l2 * p
    m *= b1
    m += np.multiply(g, 1 - b1, out=new)            # until it takes the result, new is room to work in
    np.multiply(g, g, out=g)
    g *= 1 - b2
    v *= b2
    v += g
    s = np.sqrt(v, out=g)
    s += eps
    np.divide(m, s, out=s)
    s *= rate
    np.subtract(p * shrink if decays else p, s, out=new)


def _copies(**moments: list[Array]) -> dict[str, np.ndarray]:
    return {f"{name}.{i}": to_host(a).copy() for name, arrays in moments.items() for i, a in enumerate(arrays)}


def _load(state: dict[str, Any], **moments: list[Array]) -> None:
    places = {f"{name}.{i}": a for name, arrays in moments.items() for i, a in enumerate(arrays)}
    if state.keys() != places.keys():
        raise BadValue("not a state of this optimiser", expected=", ".join(sorted(places)),
                       got=", ".join(sorted(state)), fix="the state() of one with the same parameters")
    for name, a in places.items():
        if np.shape(state[name]) != a.shape or state[name].dtype != a.dtype:
            raise BadValue(f"state {name} does not fit its parameter", expected=describe(a), got=describe(state[name]),
                           fix="the state() of one with the same parameters")
    for name, a in places.items():
        a[...] = to_device(state[name], device_of(a))


def _leaves(params: Params) -> dict[str, Tensor]:
    named = dict(params) if isinstance(params, dict) else {str(i): p for i, p in enumerate(params)}
    if not named or not all(isinstance(p, Tensor) and p.op is None for p in named.values()):
        raise BadValue("an optimiser needs parameters", expected="leaf Tensors, at least one", got=repr(params)[:200],
                       fix="params(model)")
    if len(set(named.values())) < len(named):
        raise BadValue("a parameter stands in the list twice", expected="each Tensor once",
                       got=f"{len(named)} entries, {len(set(named.values()))} Tensors",
                       fix="params(obj) lists a shared (tied) weight once")
    if len({(p.dtype, device_of(p.data)) for p in named.values()}) > 1:
        raise BadValue("parameters of two kinds", expected="one dtype, one device",
                       got=", ".join(f"{name} {describe(p)}" for name, p in named.items())[:200],
                       fix="an optimiser for each kind")
    return named


def _check_positive(**settings: float) -> None:
    for name, value in settings.items():
        if not 0 < value < float("inf"):
            raise BadValue(f"{name} out of range", expected=f"{name} > 0, finite", got=value,
                           fix=f"{name}=1e-3; a negative rate would climb the loss" if name == "lr" else f"{name}=1e-8")


def _check_not_negative(**settings: float) -> None:
    for name, value in settings.items():
        if not 0 <= value < float("inf"):
            raise BadValue(f"{name} out of range", expected=f"{name} >= 0, finite", got=value, fix=f"{name}=1e-4")


def _check_fraction(**settings: float) -> None:
    for name, value in settings.items():
        if not 0 <= value < 1:
            raise BadValue(f"{name} out of range", expected=f"0 <= {name} < 1", got=value, fix=f"{name}=0.9")

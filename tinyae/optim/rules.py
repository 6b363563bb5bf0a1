"""8 of 9 · optim: from gradients to the next parameters.

    optimizer = Adam(params(model), lr=1e-3)
    optimizer.step(grad(loss, params(model)))

Gradients come in the order (or under the names) of the parameters, and are left alone. A rule is written once, in
place: NumPy runs it block by block, a GPU as one kernel.
"""
from __future__ import annotations

from typing import Any

import numpy as np

from ..backend import Array, device_of, to_device, to_host
from ..errors import BadValue
from ..kernels import fuse
from ..refusals import describe
from .flat import Grads, Joined, Params


class SGD:
    """v <- momentum * v + g;  p <- p - lr * v. Polyak 1964, with momentum=0 plain gradient descent.

    l2 adds l2 * p to the gradient, the derivative of l2/2 |p|^2.
    """

    def __init__(self, params: Params, lr: float = 1e-2, momentum: float = 0.0, l2: float = 0.0):
        _check_positive(lr=lr)
        _check_not_negative(l2=l2)
        _check_fraction(momentum=momentum)
        self.joined, self.lr, self.momentum, self.l2 = Joined(params), lr, momentum, l2
        self.params, self.velocity = self.joined.tensors, self.joined.zeros()
        self.v = self.joined.split(self.velocity)           # the same numbers, seen parameter by parameter

    def step(self, grads: Grads) -> None:
        self.joined.update(_sgd, grads, [self.velocity], self.lr, momentum=self.momentum, l2=self.l2)

    def state(self) -> dict[str, Any]:
        """Copies of all that the next step depends on, beside the parameters: name -> array on the host."""
        return _copies(v=self.v)

    def load(self, state: dict[str, Any]) -> None:
        """Go on from a state() of an optimizer of the same parameters: all is checked before anything is set."""
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
        self.joined, self.lr, self.betas, self.eps = Joined(params), lr, betas, eps
        if self.joined.kinds[0][1] == np.float16:
            raise BadValue("Adam needs more than float16", expected="parameters of float32 or float64",
                           got="float16, whose smallest number is above eps and above most g^2", fix="dtype=np.float32")
        self.weight_decay, self.l2, self.t = weight_decay, l2, 0
        self.params, self.mean, self.square = self.joined.tensors, self.joined.zeros(), self.joined.zeros()
        self.m, self.v = self.joined.split(self.mean), self.joined.split(self.square)      # parameter by parameter

    def step(self, grads: Grads) -> None:
        t, (b1, b2) = self.t + 1, self.betas
        c1, c2 = 1 - b1 ** t, (1 - b2 ** t) ** 0.5
        # Numerator and denominator of the step are multiplied by c2: (lr c2 / c1) * m / (sqrt(v) + eps c2).
        self.joined.update(_adam, grads, [self.mean, self.square], self.lr * c2 / c1, self.eps * c2,
                           1 - self.lr * self.weight_decay, decays=self.weight_decay > 0, b1=b1, b2=b2, l2=self.l2)
        self.t = t                                          # not before: a gradient may have been refused

    def state(self) -> dict[str, Any]:
        """Copies of all that the next step depends on, beside the parameters: name -> array on the host."""
        return {"t": np.array(self.t), **_copies(m=self.m, v=self.v)}

    def load(self, state: dict[str, Any]) -> None:
        """Go on from a state() of an optimizer of the same parameters: all is checked before anything is set."""
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
        raise BadValue("not a state of this optimizer", expected=", ".join(sorted(places)),
                       got=", ".join(sorted(state)), fix="the state() of one with the same parameters")
    for name, a in places.items():
        if np.shape(state[name]) != a.shape or state[name].dtype != a.dtype:
            raise BadValue(f"state {name} does not fit its parameter", expected=describe(a), got=describe(state[name]),
                           fix="the state() of one with the same parameters")
    for name, a in places.items():
        a[...] = to_device(state[name], device_of(a))


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

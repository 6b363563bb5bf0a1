"""8 of 9 · optim: from gradients to the next parameters.

    optimiser = Adam(params(model), lr=1e-3)
    optimiser.step(grad(loss, params(model)))

Gradients come in the order (or under the names) of the parameters. Each step gives every parameter a new array.
"""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .backend import Array, device_of, freeze, to_device, to_host
from .errors import BadValue
from .refusals import describe
from .tensor import Tensor

Params = Sequence[Tensor] | dict[str, Tensor]
Grads = Sequence[Array] | dict[str, Array]


class SGD:
    """v <- momentum * v + g;  p <- p - lr * v. Polyak 1964, with momentum=0 plain gradient descent.

    l2 adds l2 * p to the gradient, the derivative of l2/2 |p|^2.
    """

    def __init__(self, params: Params, lr: float = 1e-2, momentum: float = 0.0, l2: float = 0.0):
        _check_positive(lr=lr)
        _check_not_negative(l2=l2)
        _check_fraction(momentum=momentum)
        self.params, self.lr, self.momentum, self.l2 = _leaves(params), lr, momentum, l2
        self.v = [np.zeros_like(p.data) for p in self.params.values()]

    def step(self, grads: Grads) -> None:
        for p, g, v in zip(self.params.values(), _matching(grads, self.params), self.v, strict=True):
            v *= self.momentum
            v += g + self.l2 * p.data if self.l2 else g
            p.data = freeze(p.data - self.lr * v)

    def state(self) -> dict[str, Any]:
        """Copies of all that the next step depends on, beside the parameters: name -> array on the host."""
        return {f"v.{i}": to_host(v).copy() for i, v in enumerate(self.v)}

    def load(self, state: dict[str, Any]) -> None:
        """Go on from a state() of an optimiser of the same parameters: everything is checked before anything is set."""
        _load(state, {"v": self.v})


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
        self.params, self.lr, self.betas, self.eps = _leaves(params), lr, betas, eps
        self.weight_decay, self.l2, self.t = weight_decay, l2, 0
        self.m = [np.zeros_like(p.data) for p in self.params.values()]
        self.v = [np.zeros_like(p.data) for p in self.params.values()]

    def step(self, grads: Grads) -> None:
        arrays = _matching(grads, self.params)
        b1, b2 = self.betas
        self.t += 1
        rate, correction = self.lr / (1 - b1 ** self.t), (1 - b2 ** self.t) ** 0.5
        for p, g, m, v in zip(self.params.values(), arrays, self.m, self.v, strict=True):
            if self.l2:
                g = g + self.l2 * p.data
            m += (1 - b1) * (g - m)
            v += (1 - b2) * (g * g - v)
            kept = (1 - self.lr * self.weight_decay) * p.data if self.weight_decay else p.data
            p.data = freeze(kept - rate * m / (np.sqrt(v) / correction + self.eps))

    def state(self) -> dict[str, Any]:
        """Copies of all that the next step depends on, beside the parameters: name -> array on the host."""
        moments = {f"{name}.{i}": to_host(a).copy() for name, arrays in (("m", self.m), ("v", self.v))
                   for i, a in enumerate(arrays)}
        return {"t": np.array(self.t), **moments}

    def load(self, state: dict[str, Any]) -> None:
        """Go on from a state() of an optimiser of the same parameters: everything is checked before anything is set."""
        if "t" not in state or np.shape(state["t"]) != ():
            raise BadValue("not a state of Adam", expected="a number of steps t", got=sorted(state), fix="Adam.state()")
        _load({name: a for name, a in state.items() if name != "t"}, {"m": self.m, "v": self.v})
        self.t = int(state["t"])


def _load(state: dict[str, Any], into: dict[str, list[Array]]) -> None:
    places = {f"{name}.{i}": a for name, arrays in into.items() for i, a in enumerate(arrays)}
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
    return named


def _matching(grads: Grads, params: dict[str, Tensor]) -> list[Array]:
    """The gradients in the parameters' order: a dict is matched by name, a list by position."""
    if isinstance(grads, dict) and grads.keys() == params.keys():
        grads = [grads[name] for name in params]
    if isinstance(grads, dict) or len(grads) != len(params) or any(
            (getattr(g, "shape", None), getattr(g, "dtype", None)) != (p.shape, p.dtype)
            for g, p in zip(grads, params.values(), strict=True)):
        raise BadValue("gradients do not match the parameters",
                       expected=", ".join(f"{name} {describe(p)}" for name, p in params.items()),
                       got=", ".join(grads) if isinstance(grads, dict) else ", ".join(map(describe, grads)),
                       fix="grad(loss, the params that the optimiser was given)")
    return list(grads)


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

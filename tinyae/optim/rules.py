"""optim · rules: from gradients to the next parameters.

    optimizer = Adam(params(model), lr=1e-3)
    optimizer.step(grad(loss, params(model)))

Gradients come in the order (or under the names) of the parameters; a step does not change them. The file has each rule
twice: in a plain form, as its paper prints it, and below the classes in a fast form that works in place. The classes
run the fast one on all parameters as one flat array: NumPy block by block, a GPU in one kernel.
"""
from __future__ import annotations

from math import inf
from typing import Any

import numpy as np

from ..backend import Array, is_array
from ..errors import BadValue
from ..kernels import fuse
from .flat import FlatParameters, Formula, Grads, Params, load_moments, state_of_moments

# ---- the plain forms: new arrays from old ones; g is the gradient of parameter p

def sgd_plain(g: Array, p: Array, v: Array, lr: float, momentum: float = 0.0, l2: float = 0.0) -> tuple[Array, Array]:
    """(p, v) after a step; v = 0 at first (Polyak 1964)."""
    g = g + l2 * p
    v = momentum * v + g
    return p - lr * v, v


def adam_plain(g: Array, p: Array, m: Array, v: Array, t: int, lr: float, betas: tuple[float, float], eps: float,
               weight_decay: float = 0.0, l2: float = 0.0) -> tuple[Array, Array, Array]:
    """(p, m, v) after step t = 1, 2, ...; m = v = 0 at first (Kingma & Ba 2015, algorithm 1)."""
    g, (b1, b2) = g + l2 * p, betas
    m = b1 * m + (1 - b1) * g
    v = b2 * v + (1 - b2) * g ** 2
    m_hat, v_hat = m / (1 - b1 ** t), v / (1 - b2 ** t)
    return p - lr * m_hat / (np.sqrt(v_hat) + eps) - lr * weight_decay * p, m, v


# ---- the optimizers

class SGD:
    """v <- momentum * v + g;  p <- p - lr * v. Polyak 1964, with momentum=0 plain gradient descent.

    l2 adds l2 * p to the gradient, the derivative of l2/2 |p|^2.
    """

    def __init__(self, params: Params, lr: float = 1e-2, momentum: float = 0.0, l2: float = 0.0):
        _check(lr=lr, momentum=momentum, l2=l2)
        self.flat, self.lr, self.momentum, self.l2 = FlatParameters(params), lr, momentum, l2
        self.params, self.velocity = self.flat.tensors, self.flat.zeros()
        self.v = self.flat.split(self.velocity)             # views of velocity, one for each parameter

    def step(self, grads: Grads) -> None:
        """Give each parameter its next value. grads: as params, each of its parameter's shape; BadValue otherwise."""
        self.flat.update(*self.formula(), grads)

    def formula(self) -> Formula:
        """A step, as FlatParameters.update takes it."""
        return Formula(_sgd, [self.velocity], (self.lr,), {"momentum": self.momentum, "l2": self.l2})

    def state(self) -> dict[str, Any]:
        """Copies of what the next step depends on, apart from the parameters: name -> array on the host."""
        return state_of_moments(v=self.v)

    def load(self, state: dict[str, Any]) -> None:
        """Continue from a state() of an optimizer of the same parameters. Checks all of it before setting any."""
        load_moments(state, v=self.v)


class Adam:
    """Adam (Kingma & Ba 2015, algorithm 1).

    t <- t + 1;  m <- b1 m + (1 - b1) g;  v <- b2 v + (1 - b2) g^2
    p <- p - lr * [m / (1 - b1^t)] / (sqrt[v / (1 - b2^t)] + eps)

    eps is added outside the root, after the bias correction, as in the paper and in PyTorch (TensorFlow 1 and Keras add
    it before: for tiny gradients the two differ visibly). There are two decays: `l2` adds l2 * p to the gradient, where
    the division by sqrt(v) nearly undoes it; `weight_decay` subtracts lr * weight_decay * p beside the step (Loshchilov
    & Hutter 2019, algorithm 2).
    """

    def __init__(self, params: Params, lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
                 weight_decay: float = 0.0, l2: float = 0.0):
        _check(lr=lr, beta1=betas[0], beta2=betas[1], eps=eps, weight_decay=weight_decay, l2=l2)
        self.flat, self.lr, self.betas, self.eps = FlatParameters(params), lr, betas, eps
        if self.flat.dtype == np.float16:
            raise BadValue("Adam needs parameters of float32 or float64", expected="a dtype that can hold eps and g^2",
                           got="float16, whose smallest number is above eps and most g^2", fix="dtype=np.float32")
        self.weight_decay, self.l2, self.t = weight_decay, l2, 0
        self.params, self.mean, self.square = self.flat.tensors, self.flat.zeros(), self.flat.zeros()
        self.m, self.v = self.flat.split(self.mean), self.flat.split(self.square)       # views, one per parameter

    def step(self, grads: Grads) -> None:
        """Give each parameter its next value. grads: as params, each of its parameter's shape; BadValue otherwise."""
        self.step_at(self.t + 1, grads)
        self.t += 1                                         # last, because update may refuse the gradients

    def step_at(self, t: Any, grads: Grads) -> None:
        """Step number t = 1, 2, ...; t may be a float64 array () on a GPU, since a CUDA graph counts its steps there.

        The optimizer's own t stays as it is.
        """
        self.flat.update(*self.formula(t), grads)

    def formula(self, t: Any = None) -> Formula:
        """Step number t, or the next one, as FlatParameters.update takes it."""
        numbers = self.t + 1 if t is None else t, self.lr, self.eps, *self.betas
        rate, eps = _corrected_on_gpu(*numbers, dtype=self.flat.dtype) if is_array(t) else _corrected(*numbers)
        return Formula(_adam, [self.mean, self.square], (rate, eps, 1 - self.lr * self.weight_decay),
                       {"decays": self.weight_decay > 0, "betas": tuple(self.betas), "l2": self.l2})

    def state(self) -> dict[str, Any]:
        """Copies of what the next step depends on, apart from the parameters: name -> array on the host."""
        return {"t": np.array(self.t), **state_of_moments(m=self.m, v=self.v)}

    def load(self, state: dict[str, Any]) -> None:
        """Continue from a state() of an optimizer of the same parameters. Checks all of it before setting any."""
        if "t" not in state or np.shape(state["t"]) != ():
            raise BadValue("a state of Adam needs its number of steps t", expected="t, m.0, v.0, ...",
                           got=sorted(state), fix="Adam.state()")
        load_moments({name: a for name, a in state.items() if name != "t"}, m=self.m, v=self.v)
        self.t = int(state["t"])


# ---- Adam's bias correction, in numbers

def _corrected(t: Any, lr: float, eps: float, b1: float, b2: float) -> tuple[Any, Any]:
    """(rate, eps) such that rate m / (sqrt(v) + eps) = lr m_hat / (sqrt(v_hat) + eps): no pass over the arrays for
    m_hat and v_hat (end of the paper's section 2)."""
    c1, c2 = 1 - b1 ** t, (1 - b2 ** t) ** 0.5
    return lr * c2 / c1, eps * c2                           # both sides of the fraction times c2


@fuse
def _corrected_on_gpu(t: Array, lr: float, eps: float, b1: float, b2: float, *, dtype: Any) -> tuple[Array, ...]:
    return tuple(x.astype(dtype) for x in _corrected(t, lr, eps, b1, b2))


# ---- the fast forms, in place: g is a copy that they overwrite, new is scratch until the new p is written into it

@fuse
def _sgd(g: Array, p: Array, v: Array, new: Array, lr: float, *, momentum: float, l2: float) -> None:
    """sgd_plain: updates v, and writes the new p into new."""
    if l2:
        g += l2 * p
    v *= momentum
    v += g
    np.subtract(p, np.multiply(v, lr, out=g), out=new)


@fuse
def _adam(g: Array, p: Array, m: Array, v: Array, new: Array, rate: float, eps: float, shrink: float, *,
          decays: bool, betas: tuple[float, float], l2: float) -> None:
    """adam_plain: updates m and v, and writes the new p into new. rate, eps and shrink are those of Adam.step."""
    b1, b2 = betas
    if l2:
        g += l2 * p
    m *= b1
    m += np.multiply(g, 1 - b1, out=new)
    np.multiply(g, g, out=g)
    g *= 1 - b2
    v *= b2
    v += g
    s = np.sqrt(v, out=g)
    s += eps
    np.divide(m, s, out=s)
    s *= rate
    np.subtract(p * shrink if decays else p, s, out=new)


# ---- each setting: what must hold, whether it does, and an example

RANGES = {
    "lr": ("lr > 0, finite", lambda x: 0 < x < inf, "lr=1e-3; a negative rate would climb the loss"),
    "eps": ("eps > 0, finite", lambda x: 0 < x < inf, "eps=1e-8"),
    **{name: (f"{name} >= 0, finite", lambda x: 0 <= x < inf, f"{name}=1e-4") for name in ("l2", "weight_decay")},
    **{name: (f"0 <= {name} < 1", lambda x: 0 <= x < 1, f"{name}=0.9") for name in ("momentum", "beta1", "beta2")},
}


def _check(**settings: float) -> None:
    for name, value in settings.items():
        expected, holds, example = RANGES[name]
        if not holds(value):
            raise BadValue(f"an optimizer needs {expected}", expected=expected, got=value, fix=example)

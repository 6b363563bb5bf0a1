"""A contractive penalty divided by `//`

In Python 3, `/` and `//` are two operators. A tutorial that was moved to Python 3 took the wrong one for the mean
over the batch. Theano's integer division has the gradient zero, which is right for a staircase. The penalty was
printed with the loss, but the net trained as if it were absent: a contractive autoencoder without contraction.
"""
from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tinyae import Tensor, grad, op, ops
from tinyae.models import Contractive, contractive

from ..workshop import replace

SOURCES = {
    "the Deep Learning Tutorials of LISA lab, cA.py":
        "https://github.com/lisa-lab/DeepLearningTutorials/blob/master/code/cA.py",
}

floor_div = op(np.floor_divide, lambda g, z, x, n: g * np.zeros(x.shape), None)


def wrong(jacobian: Any, n: int) -> Any:
    return floor_div(ops.sum(ops.square(jacobian)), n)


def right(jacobian: Any, n: int) -> Any:
    return ops.sum(ops.square(jacobian)) / n


def outcome() -> str:
    J = Tensor(np.array([[1.5, -0.5, 2.0], [0.3, 0.8, -1.2]]))
    (bad, good), (none, some) = ((f(J, 2) for f in (wrong, right)), (grad(f(J, 2), [J])[0] for f in (wrong, right)))
    return (f"A penalty of {bad.item():g} where {good.item():g} is right, and a gradient of {np.abs(none).max():g} "
            f"where up to {np.abs(some).max():g} is right.")


def install(put: pytest.MonkeyPatch) -> None:
    closed_form = contractive.closed_form
    replace(put, closed_form, lambda h, W: floor_div(closed_form(h, W), 1.0))


def test_the_penalty_moves_the_weights() -> None:
    model = Contractive(6, (), 3, dtype=np.float64, rng=np.random.default_rng(0))
    penalty = model.losses(np.linspace(0, 1, 24).reshape(4, 6))["contraction"]
    g, = grad(penalty, [model.encoder[0].W])
    assert np.abs(g).min() > 0

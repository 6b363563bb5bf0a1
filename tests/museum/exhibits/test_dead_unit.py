"""A sparsity penalty that is nan where a unit is dead

A penalty that drives units to be off will meet one that is off for the whole batch. Its mean activation rounds to
0, the logarithm of 0 is minus infinity, and the next step makes every weight nan; a unit that is always on meets
log(1 - 1). Clipping the mean keeps the penalty finite but makes its gradient zero, so the dead unit stays dead.
From the logits, the logarithm of the mean is a logsumexp, and neither happens.
"""
from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tinyae import Tensor, functions, grad, ops
from tinyae.functions import logsumexp

from ..workshop import replace

SOURCES = {
    "Sparse-Autoencoders, issue 1": "https://github.com/Abhipanda4/Sparse-Autoencoders/issues/1",
    "Sparse_autoencoder, issue 1": "https://github.com/jadhavhninad/Sparse_autoencoder/issues/1",
}


def wrong(logits: Any, target: float) -> Any:
    p = ops.mean(ops.sigmoid(logits), axis=0)
    return ops.sum(target * ops.log(target / p) + (1 - target) * ops.log((1 - target) / (1 - p)))


def right(logits: Any, target: float) -> Any:
    log_p, log_not_p = (logsumexp(-ops.softplus(sign * logits), axis=0) - np.log(len(logits)) for sign in (-1, 1))
    return ops.sum(target * (np.log(target) - log_p) + (1 - target) * (np.log(1 - target) - log_not_p))


def of_a_unit(penalty: Any, logit: float) -> tuple[float, float]:
    """Value and gradient, for two images that both give a unit this logit."""
    logits = Tensor(np.full((2, 1), logit, np.float32))
    with np.errstate(all="ignore"):
        value = penalty(logits, 0.1)
        return value.item(), float(grad(value, [logits])[0][0, 0])


def outcome() -> str:
    (bad, lost), (good, back) = (of_a_unit(penalty, -200) for penalty in (wrong, right))
    return (f"A unit with the logit -200, in float32: penalty {bad:g} and gradient {lost:g}, where {good:.4g} and "
            f"{back:.2g} are right.")


def install(put: pytest.MonkeyPatch) -> None:
    replace(put, functions.sparsity_kl, wrong)


def test_a_dead_unit_is_called_back() -> None:
    for logit in (-200, 200):
        value, gradient = of_a_unit(functions.sparsity_kl, logit)
        assert np.isfinite(value) and np.sign(gradient) == np.sign(logit)

"""Cross-entropy of a clipped probability

log(1 - p) is -inf at p = 1, so the code clips the probability first. But clip is flat outside its bounds. A pixel
that is wrong with confidence should move most, yet it has no gradient at all and stays wrong, at a loss that looks
moderate. DeZero clips at 0.999, and many copies of that file keep the line. From the logit l the same loss is
softplus(l) - l x, which needs no clipping.
"""
from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tinyae import Tensor, functions, grad, ops

from ..workshop import replace

SOURCES = {
    "DeZero, dezero/functions.py, binary_cross_entropy":
        "https://github.com/oreilly-japan/deep-learning-from-scratch-3/blob/master/dezero/functions.py",
    "tinynn, pull request 7: the stable form": "https://github.com/borgwang/tinynn/pull/7",
}


def wrong(logits: Any, x: Any) -> Any:
    p = ops.clip(ops.sigmoid(logits), low=1e-15, high=0.999)
    return -ops.sum(x * ops.log(p) + (1 - x) * ops.log(1 - p), axis=1)


def right(logits: Any, x: Any) -> Any:
    return ops.sum(ops.softplus(logits) - logits * x, axis=1)


def at_20(loss: Any) -> tuple[float, float]:
    """Loss and gradient of a black pixel that the net takes for white: x = 0, logit 20."""
    logit = Tensor(np.array([[20.0]]))
    y = loss(logit, np.array([[0.0]]))
    return y.item(), float(grad(y, [logit])[0][0, 0])


def outcome() -> str:
    bad, good = at_20(wrong), at_20(right)
    return (f"A black pixel at logit 20: loss {bad[0]:.2f} and gradient {bad[1]:g}, where {good[0]:.2f} and "
            f"{good[1]:.0f} are right.")


def install(put: pytest.MonkeyPatch) -> None:
    replace(put, functions.bce_with_logits, wrong)


def test_a_pixel_that_is_wrong_with_confidence_has_a_gradient() -> None:
    assert at_20(functions.bce_with_logits) == pytest.approx((20.0, 1.0))


def test_the_published_gradient() -> None:
    """dL/dp at p = 0.9999 and x = 0 is 1 / (1 - p) = 1e4; behind clip it is 0."""
    p = Tensor(np.array([0.9999]))
    for high, slope in ((0.999, 0.0), (1.0, 1e4)):
        loss = -ops.sum(ops.log(1 - ops.clip(p, low=1e-15, high=high)))
        assert grad(loss, [p])[0][0] == pytest.approx(slope)

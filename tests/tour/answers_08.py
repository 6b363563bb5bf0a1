"""Answers to the exercises of chapter 8: the right ones, and wrong ones with the sentence that each must get."""
from __future__ import annotations

from typing import Any

import numpy as np
from museum.exhibits.test_untied_weights import Wrong as Untied

from tinyae import Tensor, ops


class Tied:
    def __init__(self, dense: Any):
        self.dense, self.c = dense, Tensor(np.zeros(dense.W.shape[0]))

    def __call__(self, y: Any) -> Any:
        return y @ self.dense.W.T + self.c


class Stale(Tied):
    """The transpose is computed once."""

    def __init__(self, dense: Any):
        self.W, self.dense, self.c = dense.W.T, dense, Tensor(np.zeros(dense.W.shape[0]))

    def __call__(self, y: Any) -> Any:
        return y @ self.W + self.c


class Cut(Tied):
    def __call__(self, y: Any) -> Any:
        return y @ self.dense.W.data.T + self.c


def cross_entropy(logits: Any, labels: Any) -> Any:
    safe = logits - ops.max(logits, axis=1, keepdims=True)
    return ops.log(ops.sum(ops.exp(safe), axis=1)) - safe[np.arange(len(labels)), labels]


def overflowing(logits: Any, labels: Any) -> Any:
    return ops.log(ops.sum(ops.exp(logits), axis=1)) - logits[np.arange(len(labels)), labels]


def clipped(logits: Any, labels: Any) -> Any:
    e = ops.exp(logits - ops.max(logits, axis=1, keepdims=True))
    p = e / ops.sum(e, axis=1, keepdims=True)
    return -ops.log(ops.clip(p, low=1e-15, high=1.0)[np.arange(len(labels)), labels])


def averaged(logits: Any, labels: Any) -> Any:
    return ops.log(ops.mean(ops.exp(logits), axis=1)) - logits[np.arange(len(labels)), labels]


def corrected(t: int, lr: float, eps: float, b1: float, b2: float) -> tuple[float, float]:
    root = (1 - b2 ** t) ** 0.5
    return lr * root / (1 - b1 ** t), eps * root


RIGHT = {"8.1": Tied, "8.2": cross_entropy, "8.3": corrected}
WRONG = {
    "8.1": [(Untied, "is a copy, trained on its own"),                             # untied_weights
            (Stale, "write dense.W.T in __call__"),
            (Cut, "do not take W.data in __call__")],
    "8.2": [(overflowing, "e^1000 overflows"),                                      # sigmoid_overflow
            (clipped, "is lost. Subtract the largest logit"),                       # clipped_probabilities
            (averaged, "sum over the classes, do not average"),                     # averaged_pixels
            (lambda logits, labels: -cross_entropy(logits, labels), "the sign")],
    "8.3": [(lambda t, lr, eps, b1, b2: (corrected(t, lr, eps, b1, b2)[0], eps),              # epsilon_hat
             "eps is multiplied too"),
            (lambda t, lr, eps, b1, b2: (lr, eps), "no bias correction"),           # uncorrected_adam
            (lambda t, lr, eps, b1, b2: corrected(t, -lr, eps, b1, b2), "the rate climbs")],        # negative_rate
}

"""Answers to the exercises of chapter 9: the right ones, and wrong ones with the sentence that each must get."""
from __future__ import annotations

from typing import Any

import numpy as np
from museum.exhibits import test_dropout_in_evaluation, test_dropout_scale

from tinyae import Tensor, grad, ops
from tinyae.optim import Adam


def components(E: Any, D: Any, x: Any) -> Any:
    return np.linalg.svd(x @ E @ D, full_matrices=False)[2][:len(D)]


def fit(x: Any, k: int) -> Any:
    x, rng = x - x.mean(axis=0), np.random.default_rng(0)
    E = Tensor(rng.standard_normal((x.shape[1], k)))
    D = Tensor(rng.standard_normal((k, x.shape[1])))
    for lr in (0.03, 0.003):
        optimizer = Adam([E, D], lr=lr)
        for _ in range(300):
            optimizer.step(grad(ops.mean(ops.sum(ops.square(x @ E @ D - x), axis=1)), [E, D]))
    return D.data


def uncentred(x: Any, k: int) -> Any:
    return np.linalg.svd(x, full_matrices=False)[2][:k]


def denoising_loss(model: Any, x: Any, rate: float, rng: Any = None, drop: Any = test_dropout_scale.right) -> Any:
    return ops.mean(ops.sum(ops.square(model(drop(x, rate, rng)) - x), axis=1))


def noisy_target(model: Any, x: Any, rate: float, rng: Any = None) -> Any:
    x = test_dropout_scale.right(x, rate, rng)
    return ops.mean(ops.sum(ops.square(model(x) - x), axis=1))


def dropping(drop: Any) -> Any:
    return lambda model, x, rate, rng=None: denoising_loss(model, x, rate, rng, drop)


RIGHT = {"9.1": components, "9.2": fit, "9.3": denoising_loss}
WRONG = {
    "9.1": [(lambda E, D, x: np.linalg.qr(D.T)[0].T, "those depend on x too"),
            (lambda E, D, x: np.linalg.svd(D, full_matrices=False)[2], "those depend on x too"),
            (lambda E, D, x: components(E, D, x)[::-1], "the largest variance comes first"),
            (lambda E, D, x: np.eye(len(D), D.shape[1]), "all images that the net can draw")],
    "9.2": [(uncentred, "the plane through the origin"),
            (lambda x, k: np.eye(k, x.shape[1]), "go on downhill")],
    "9.3": [(noisy_target, "the target is the clean x"),
            (dropping(test_dropout_scale.wrong), "without that, the input's mean falls"),
            (dropping(test_dropout_scale.theanets), "divide by the rate of the pixels that stay"),
            (dropping(test_dropout_in_evaluation.wrong), "no rng means no noise"),
            (lambda *args: denoising_loss(*args) / 100, "sum over the pixels of an image")],
}

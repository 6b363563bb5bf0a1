"""demo · probe: a plain classifier measures how much codes, or pixels, say about the classes."""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..backend import freeze, to_device, to_host
from ..layers import dense_stack, params
from ..models import Classifier
from ..optim import Adam
from ..tensor import grad


def fit(x: np.ndarray, labels: np.ndarray, hidden: Sequence[int] = (), *, epochs: int = 20, batch_size: int = 100,
        lr: float = 1e-3, seed: int = 0, device: str = "cpu") -> Classifier:
    """A classifier from rows x (n, d) to labels (n,), trained by Adam: softmax regression, or with hidden relu layers.

    The learning rate decreases linearly to 0 over the epochs, so that the last steps average out the noise.
    """
    rng = np.random.default_rng(seed)
    widths = [x.shape[1], *hidden]
    net = Classifier(dense_stack(widths, "relu", last="relu", rng=rng, device=device), widths[-1],
                     int(labels.max()) + 1, rng=rng, device=device)
    optimizer = Adam(params(net), lr=lr)
    for epoch in range(epochs):
        optimizer.lr = lr * (1 - epoch / epochs)
        order: Any = rng.permutation(len(x))
        for first in range(0, len(x), batch_size):
            rows = order[first:first + batch_size]
            batch = to_device(freeze(x[rows].astype(np.float32)), device)
            target = to_device(freeze(labels[rows].astype(np.int64)), device)
            optimizer.step(grad(net.loss(batch, target), params(net)))
    return net


def accuracy(net: Classifier, x: np.ndarray, labels: np.ndarray, device: str = "cpu") -> float:
    """The percentage of rows x (n, d) that net assigns to their label."""
    found = [to_host(net.classify(to_device(x[i:i + 1000].astype(np.float32), device)))
             for i in range(0, len(x), 1000)]
    return 100 * float((np.concatenate(found) == labels).mean())


def area_under_roc(score: np.ndarray, positive: np.ndarray) -> float:
    """The probability that a positive has a larger score than a negative, ties counted half (Hanley & McNeil 1982).

    score (n,) numbers, positive (n,) bool, with at least one of each.
    """
    high, low = score[positive], np.sort(score[~positive])
    below, not_above = (np.searchsorted(low, high, side) for side in ("left", "right"))
    return float((below + not_above).mean() / (2 * len(low)))


def r_squared(x: np.ndarray, y: np.ndarray, new_x: np.ndarray, new_y: np.ndarray) -> np.ndarray:
    """R^2 = 1 - error / variance (k,) of new_y predicted from new_x, by least squares fitted to x (n, d) and y (n, k).

    1 is perfect, 0 is as good as the mean of y, negative is worse. Directions in which x hardly varies are left out.
    """
    W = np.linalg.lstsq(x - x.mean(axis=0), y - y.mean(axis=0), rcond=1e-4)[0]
    error = new_y - y.mean(axis=0) - (new_x - x.mean(axis=0)) @ W
    return 1 - np.square(error).sum(axis=0) / np.square(new_y - y.mean(axis=0)).sum(axis=0)

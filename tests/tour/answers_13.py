"""Answers to the exercises of chapter 13: the right ones, and wrong ones with the sentence that each must get."""
from __future__ import annotations

from typing import Any

import numpy as np

from tinyae import Tensor, ops


def mean_of(losses: Any) -> float:
    return float(sum(losses) / len(losses))


answers = {"A": (9, "order"), "B": (2, "target"), "C": (6, "bias correction"), "D": (3, "shared array"),
           "E": (4, "wrong variable")}


class Mine:
    def __init__(self, d: int, k: int, rng: Any, h: int = 32):
        def weight(n: int, m: int) -> Tensor:
            return Tensor(rng.standard_normal((n, m)) / n ** 0.5)

        self.A, self.a, self.B, self.b = weight(d, h), Tensor(np.zeros(h)), weight(h, k), Tensor(np.zeros(k))
        self.C, self.c, self.D, self.d = weight(k, h), Tensor(np.zeros(h)), weight(h, d), Tensor(np.zeros(d))

    def encode(self, x: Any) -> Any:
        return ops.tanh(x @ self.A + self.a) @ self.B + self.b

    def decode(self, z: Any) -> Any:
        return ops.tanh(z @ self.C + self.c) @ self.D + self.d

    def loss(self, x: Any, rng: Any) -> Any:
        return ops.mean(ops.sum(ops.square(self.decode(self.encode(x)) - x), axis=1))


class Linear(Mine):
    def encode(self, x: Any) -> Any:
        return x @ self.A @ self.B + self.b + 0 * ops.sum(self.a)

    def decode(self, z: Any) -> Any:
        return z @ self.C @ self.D + self.d + 0 * ops.sum(self.c)


class Cut(Mine):
    """The code is taken out of the tape."""

    def loss(self, x: Any, rng: Any) -> Any:
        return ops.mean(ops.sum(ops.square(self.decode(self.encode(x).data) - x), axis=1))


class Logits(Mine):
    """A cross-entropy, whose logits decode hands out as pixels."""

    def loss(self, x: Any, rng: Any) -> Any:
        logits = self.decode(self.encode(x))
        return ops.mean(ops.sum(ops.softplus(logits) - logits * x, axis=1))


class Copy(Mine):
    def encode(self, x: Any) -> Any:
        return x


RIGHT = {"13.1": mean_of, "13.2": answers, "13.3": Mine}
WRONG = {
    "13.1": [(lambda losses: sum(map(float, losses)) / len(losses), "call float once"),
             (lambda losses: sum(losses) / len(losses), "float(x) brings a number to the host")],
    "13.2": [({**answers, "C": (6, "variance")}, "compute a small example by hand"),
             ({**answers, "D": (4, "shared array")}, "g += writes into an array"),
             ({**answers, "A": (9, "sort")}, "copy the cause from the list")],
    "13.3": [(Linear, "a net without bends finds PCA's plane at best"),
             (Cut, "is the path cut by .data"),
             (Logits, "decode returns logits"),
             (Copy, "the code has k numbers")],
}

"""A mean that forgets where it came from

A course builds its Tensor first and its autograd later, and then replaces each method by a differentiable version.
It overlooked `mean`, which went on returning a fresh Tensor without a past. (t * t).mean().backward() ran and left
no gradient, no error and no warning. A student who averages a loss trains nothing.
"""
from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinyae
from tinyae import Tensor, ops
from tinyae.errors import BadValue

from ..workshop import replace

SOURCES = {
    "TrenTorch, pull request 53": "https://github.com/TrenTorch/TrenTorch/pull/53",
}


def wrong(x: Tensor, **settings: Any) -> Tensor:
    return Tensor(np.mean(x.data, **settings))          # the right number, and the end of the tape


def right(x: Tensor, axis: Any = None) -> Tensor:
    z = ops.sum(x, axis=axis)
    return z * (z.size / x.size)


def outcome() -> str:
    t = Tensor([1.0, 2.0, 3.0, 4.0])
    silent = tinyae.grad(wrong(t * t), [t], unused="zero")[0]
    good = tinyae.grad(right(t * t), [t])[0]
    try:
        tinyae.grad(wrong(t * t), [t])
    except BadValue as refusal:
        sentence = refusal.what
    return (f"The gradient of mean(t²) at (1, 2, 3, 4) is {silent.tolist()}, where {good.tolist()} is right. tinyae "
            f"refuses such a gradient, unless zeros are asked for: \"{sentence}\".")


def install(put: pytest.MonkeyPatch) -> None:
    replace(put, ops.mean, wrong)


def test_the_mean_of_n_numbers_hands_each_of_them_one_nth() -> None:
    t = Tensor([1.0, 2.0, 4.0, 8.0])
    assert tinyae.grad(ops.mean(t), [t], unused="zero")[0].tolist() == [0.25] * 4

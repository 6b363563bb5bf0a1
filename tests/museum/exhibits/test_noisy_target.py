"""A denoising autoencoder whose target is the noisy image

After `x = x + noise`, x is the noisy image, both as the input, which is intended, and as the target, which is not.
The best such a net can do is to copy its input, noise included. Its loss goes to zero, which a denoiser's cannot,
so the mistake looks like success. It stood in a Korean textbook on PyTorch, in a course on TensorFlow and in a book
on unsupervised learning.
"""
from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tinyae import ops
from tinyae.functions import gaussian_noise, squared_error

SOURCES = {
    "3-min-pytorch, issue 18": "https://github.com/keon/3-min-pytorch/issues/18",
    "Hands-On Unsupervised Learning, issue 6": "https://github.com/aapatel09/handson-unsupervised-learning/issues/6",
    "tensorflow_tutorials, issue 21": "https://github.com/pkmital/tensorflow_tutorials/issues/21",
}


def wrong(model: Callable, x: Any, rng: Any) -> Any:
    x = gaussian_noise(x, 0.3, rng)
    return ops.mean(squared_error(model(x), x))


def right(model: Callable, x: Any, rng: Any) -> Any:
    return ops.mean(squared_error(model(gaussian_noise(x, 0.3, rng)), x))


def of_a_copy(loss: Callable) -> float:
    """The loss per pixel of a model that copies its input."""
    x = np.tile(np.linspace(0, 1, 100), (100, 1))
    return loss(lambda x: x, x, np.random.default_rng(0)).item() / x.shape[1]


def outcome() -> str:
    return (f"Noise of 0.3, a model that copies its input: {of_a_copy(wrong):.3f} per pixel, where "
            f"{of_a_copy(right):.3f}, the variance of the noise, is right.")


def install(put: pytest.MonkeyPatch) -> None:
    put.setattr(sys.modules[__name__], "right", wrong)


def test_a_copy_of_the_input_scores_the_variance_of_the_noise() -> None:
    assert of_a_copy(right) == pytest.approx(0.3 ** 2, rel=0.05)

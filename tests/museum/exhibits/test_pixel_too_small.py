"""A decoder whose images are a pixel too small

A convolution with stride 2 rounds: 31 pixels and 32 both become 16. Its transpose cannot know which of the two it
was given, and libraries assume the smaller one. A user of Lasagne put in images of 250 x 250 and got back 248 x
248; another learned that 32 becomes 31. Other defaults err in the other direction: Keras returns 23 pixels as 24.
The code that builds the decoder knows the size, and only has to state it.
"""
from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tinyae.conv import conv_size, conv_transpose_size
from tinyae.models import ConvAutoencoder, conv_autoencoder

from ..workshop import replace

SOURCES = {
    "Lasagne, issue 668: 250 becomes 248": "https://github.com/Lasagne/Lasagne/issues/668",
    "Lasagne, issue 711: 32 becomes 31": "https://github.com/Lasagne/Lasagne/issues/711",
    "Keras, issue 9883: 23 becomes 24": "https://github.com/keras-team/keras/issues/9883",
    "TensorFlow, issue 19863": "https://github.com/tensorflow/tensorflow/issues/19863",
}


def wrong(below: tuple[int, ...], above: tuple[int, ...]) -> tuple[int, int]:
    return 0, 0                                             # output_padding: the least size that fits


def right(below: tuple[int, ...], above: tuple[int, ...]) -> tuple[int, int]:
    return above[0] - (2 * below[0] - 1), above[1] - (2 * below[1] - 1)


def there_and_back(n: int, rest: Any, layers: int = 3) -> int:
    """Pixels that are left of n by as many 3x3 convolutions with stride 2 and their transposes."""
    sizes = [n]
    for _ in range(layers):
        sizes.append(conv_size(sizes[-1], 3, 2, 1))
    back = sizes.pop()
    for size in reversed(sizes):
        back = conv_transpose_size(back, 3, 2, 1, rest((back, back), (size, size))[0])
    return back


def outcome() -> str:
    put, bad, good = (", ".join(str(f(n)) for n in (25, 28, 32)) for f in (
        int, lambda n: there_and_back(n, wrong), lambda n: there_and_back(n, right)))
    return f"Images of {put} pixels, through three layers and back: {bad}; by the right line {good}."


def install(put: pytest.MonkeyPatch) -> None:
    replace(put, conv_autoencoder.remainder, wrong)


def test_images_of_every_size_come_back_as_large() -> None:
    for n in range(24, 34):
        x = np.zeros((1, n * (n + 1)))
        model = ConvAutoencoder((n, n + 1), (2, 2, 2), 3, dtype=np.float64, rng=np.random.default_rng(0))
        assert model.reconstruct(x).shape == x.shape
        assert there_and_back(n, conv_autoencoder.remainder) == n


def test_the_reports() -> None:
    places = conv_size(250, 11, stride=3)
    assert (places, conv_transpose_size(places, 11, stride=3)) == (80, 248)
    assert there_and_back(32, wrong, layers=1) == 31
    assert there_and_back(23, lambda *sizes: (1, 1), layers=1) == 24        # Keras's "same": always twice the places

"""A function over a whole data set, batch by batch."""
import numpy as np
import pytest

from tinyae import data, ops
from tinyae.tensor import Tensor
from tinyae.train import evaluate


@pytest.mark.parametrize("n", [1, 1000, 1001, 2500])
def test_over_puts_all_batches_together_in_order(n):
    images = np.random.default_rng(0).integers(0, 256, (n, 2, 3), dtype=np.uint8)
    pixels = images.reshape(n, 6) / np.float32(255)
    assert [len(x) for x in evaluate.batches(images)] == [1000] * (n // 1000) + [n % 1000] * (n % 1000 > 0)
    np.testing.assert_allclose(evaluate.over(lambda x: x, images), pixels, rtol=1e-6)
    np.testing.assert_allclose(evaluate.over(lambda x: ops.sum(Tensor(x), axis=1), images), pixels.sum(1), rtol=1e-5)


def test_large_images_come_a_few_at_a_time():
    assert [len(x) for x in evaluate.batches(np.zeros((50, 128, 128, 3), np.uint8))] == [20, 20, 10]
    assert [len(x) for x in evaluate.batches(np.zeros((2, 1001, 1000), np.uint8))] == [1, 1]


def test_squared_error_is_summed_over_pixels_and_averaged_over_images():
    images = np.full((1500, 2, 3), 255, np.uint8)
    assert evaluate.squared_error(lambda x: x - np.float32(0.5), images) == pytest.approx(6 * 0.25)


def test_the_first_images_are_as_many_as_there_are():
    images = np.arange(3 * 4, dtype=np.uint8).reshape(3, 2, 2)
    assert evaluate.first(images, "cpu", 2).tolist() == data.batch(images, np.arange(2)).tolist()
    assert evaluate.first(images, "cpu", 9).shape == (3, 4)

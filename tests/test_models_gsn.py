"""The walk of a generative stochastic network: what a step does, and that it goes where the data is."""
from itertools import islice

import numpy as np
import pytest

from tinyae import grad, params
from tinyae.errors import BadType, BadValue
from tinyae.functions import bce_with_logits
from tinyae.models import GSN
from tinyae.models.gsn import bernoulli
from tinyae.optim import Adam

f4 = np.float32


def test_salt_and_pepper_fall_on_their_share_of_the_pixels():
    grey = np.full((200, 500), 0.3, f4)
    x = GSN(500, (), 2, corruption=0.4, rng=np.random.default_rng(0)).corrupt(grey, np.random.default_rng(0))
    assert x.dtype == f4 and set(np.unique(x)) == {f4(0), f4(0.3), f4(1)}
    for value, share in ((0, 0.2), (0.3, 0.6), (1, 0.2)):
        assert abs((x == f4(value)).mean() - share) < 5 * (share * (1 - share) / x.size) ** 0.5


def test_pixels_are_drawn_with_their_probabilities():
    logits = np.tile(np.array([-2.0, 0.0, 1.0, 50.0]), (40_000, 1))
    drawn = bernoulli(logits, np.random.default_rng(0))
    np.testing.assert_allclose(drawn.mean(0), 1 / (1 + np.exp(-logits[0])), atol=0.01)


def test_one_step_of_walkback_is_a_denoising_autoencoder(rng):
    model = GSN(12, (10,), 3, walkback=1, rng=np.random.default_rng(0))
    x = rng.random((8, 12)).astype(f4)
    corrupted = model.corrupt(x, np.random.default_rng(5))
    denoised = bce_with_logits(model.decode(model.encode(corrupted)).data, x).mean()
    loss = model.losses(x, np.random.default_rng(5))["reconstruction"]
    np.testing.assert_allclose(loss.item(), denoised, rtol=1e-6)


def test_every_step_of_the_walk_is_asked_for_the_image_it_began_with(rng):
    x, asked = rng.random((8, 12)).astype(f4), []
    model = GSN(12, (10,), 3, walkback=3, rng=np.random.default_rng(0))
    encode, model.encode = model.encode, lambda x: (asked.append(x), encode(x))[1]
    loss = model.losses(x, np.random.default_rng(5))["reconstruction"]
    steps = [bce_with_logits(model.decode(encode(corrupted)).data, x).mean() for corrupted in asked]
    assert len(steps) == 3 and len(set(steps)) == 3
    np.testing.assert_allclose(loss.item(), np.mean(steps), rtol=1e-6)


def trained(images, rng, **sizes):
    """A GSN that has seen 600 batches of these images, drawn one by one."""
    model = GSN(images(1).shape[1], (), 16, "tanh", rng=rng, **sizes)
    optimizer = Adam(params(model), lr=1e-2)
    for _ in range(600):
        optimizer.step(grad(model.losses(images(64), rng)["reconstruction"], params(model)))
    return model


def test_the_walk_of_one_pixel_is_white_as_often_as_the_data():
    """With one pixel, p(x' | corrupted x) assumes nothing to be independent: it can be exact, and so can the walk."""
    rng = np.random.default_rng(0)
    model = trained(lambda n: (rng.random((n, 1)) < 0.25).astype(f4), rng)
    start = bernoulli(np.zeros((2000, 1), f4), rng)
    after_50 = next(islice(model.walk(start, rng), 49, None))
    assert abs(after_50.mean() - 0.25) < 0.04


def test_the_walk_from_noise_finds_both_patterns_and_nothing_else():
    rng, patterns = np.random.default_rng(0), np.repeat(np.eye(2, dtype=f4), 4, axis=1)
    model = trained(lambda n: patterns[(rng.random(n) < 0.4).astype(int)], rng)
    images = model.sample(rng, 300)
    second = (images[:, 4:].mean(1) > images[:, :4].mean(1)).astype(int)
    assert 0.2 < second.mean() < 0.6 and np.abs(images - patterns[second]).mean() < 0.15


def test_walks_that_cannot_be_are_refused(rng):
    for bad in ({"corruption": 0.0}, {"corruption": 1.0}, {"walkback": 0}):
        with pytest.raises(BadValue, match="corruption or walkback out of range"):
            GSN(12, rng=np.random.default_rng(0), **bad)
    with pytest.raises(BadType, match="the walk is random"):
        GSN(12, rng=np.random.default_rng(0)).losses(rng.random((2, 12)).astype(f4), None)

"""Creatures: the same bytes everywhere, known factors that can be seen, kept once drawn."""
import hashlib

import numpy as np
import pytest

from tinyae import data
from tinyae.data import creatures
from tinyae.data.creatures import FACTORS


@pytest.fixture(autouse=True)
def few(tmp_path, monkeypatch):
    monkeypatch.setenv("TINYAE_DATA", str(tmp_path))
    monkeypatch.setattr(creatures, "TRAIN", 40)
    monkeypatch.setattr(creatures, "TEST", 10)


def test_frozen_bytes():
    """Changed on purpose: the new sum in creatures.py, and here."""
    squares = creatures.draw(np.random.RandomState(0).random_sample((20, len(FACTORS))))
    assert hashlib.sha256(squares.tobytes()).hexdigest()[:16] == "ae1522b4fb8c37bb"


def test_the_whole_set_has_its_sum(monkeypatch):
    monkeypatch.setattr(creatures, "TRAIN", 4000)
    monkeypatch.setattr(creatures, "TEST", 500)
    drawn = creatures.draw_sets(0, progress=False)
    assert data.fingerprint(*drawn) == creatures.SHA256
    loaded = [part._replace(images=creatures.enlarged(part.images)) for part in drawn]
    assert data.fingerprint(*loaded) == data.FINGERPRINTS["creatures"]


def test_load_gives_images_kinds_of_ears_and_factors():
    train, test = data.load("creatures", progress=False)
    assert train.images.shape == (40, 128, 128, 3) and train.images.dtype == np.uint8 and len(test.images) == 10
    for part in (train, test):
        assert part.factors.shape == (len(part.images), 14)
        assert np.array_equal(part.labels, (part.factors[:, FACTORS.index("ear kind")] * 3).astype(int))
        assert np.array_equal(part.images, creatures.enlarged(creatures.draw(part.factors)))


def test_a_hue_is_also_told_by_its_place_on_the_circle():
    factors = creatures.draw_factors(0)
    table = creatures.readable(factors)
    assert table.shape == (50, len(creatures.READABLE)) and np.array_equal(table[:, :14], factors)
    np.testing.assert_allclose(np.arctan2(table[:, 15], table[:, 14]) / (2 * np.pi) % 1, factors[:, 0])


def test_they_are_drawn_once(monkeypatch):
    first = data.load("creatures", progress=False)
    monkeypatch.setattr(creatures, "draw", None)
    for one, same in zip(first, data.load("creatures", progress=False), strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(one, same, strict=True))


@pytest.mark.parametrize("name", FACTORS)
def test_every_factor_is_seen(name):
    low, high = np.full((2, len(FACTORS)), 0.5)
    low[FACTORS.index(name)], high[FACTORS.index(name)] = 0.2, 0.8
    a, b = creatures.draw(np.stack([low, high])).astype(int)
    assert (abs(a - b).max(axis=-1) > 20).sum() >= 4, f"{name} changes no square"


def test_a_creature_is_symmetric_but_for_its_light_and_stands_on_white():
    """The shade on one side darkens; it moves no edge."""
    squares = creatures.draw(np.random.RandomState(1).random_sample((50, len(FACTORS)))).astype(int)
    drawn = (squares != 255).any(axis=-1)
    assert (drawn == drawn[:, :, ::-1])[:, :, :12].mean() > 0.999
    assert (squares[:, 0] == 255).mean() > 0.95
    assert 0.1 < drawn.mean() < 0.5
    assert len({picture.tobytes() for picture in squares}) == 50

"""The moon: what is lit is what the sun shines on."""
import numpy as np

from tinyae import data
from tinyae.data import moon


def lit(day):
    return moon.draw(np.array([day / moon.DAYS]))[0].astype(float)


def test_new_half_and_full_moon():
    new, first, full, last = (lit(day) for day in (0, 7, 14, 21))
    assert new.max() < 0.1 * 255 and full[14, 14] == 255 and full[0, 0] == 0
    assert (first[:, 14:] == full[:, 14:]).all() and (first[:, :14] == new[:, :14]).all()      # the right half
    assert (last == first[:, ::-1]).all()


def test_the_lit_share_is_that_of_the_phase():
    """Of the disc, (1 - cos(angle)) / 2 is lit."""
    days = np.arange(29)
    light = np.array([lit(day).sum() for day in days])
    share = (light - light[0]) / (light[14] - light[0])
    np.testing.assert_allclose(share, (1 - np.cos(2 * np.pi * days / 28)) / 2, atol=0.01)
    np.testing.assert_allclose(light[0], light[28])                                             # a circle


def test_the_whole_set_has_its_sum():
    """It is drawn whenever it is loaded, so no file of an earlier drawing can be read."""
    assert data.fingerprint(*data.load("moon")) == moon.SHA256


def test_by_name_always_the_same_with_days_as_labels():
    train, test = data.load("moon")
    assert train.images.shape == (6000, 28, 28) and test.images.shape == (1000, 28, 28)
    assert np.array_equal(train.images, data.load("moon")[0].images) and set(train.labels) == set(range(28))
    assert np.array_equal(train.images[:5], moon.draw(train.factors[:5, 0]))

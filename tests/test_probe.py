"""The probe finds the information that its input contains, and no more."""
import numpy as np

from tinyae.demo import probe


def points(rng, n):
    """Two numbers and their quadrant: four classes that no line of one number could tell."""
    x = rng.uniform(-1, 1, (n, 2))
    return x, (2 * (x[:, 0] > 0) + (x[:, 1] > 0)).astype(np.uint8)


def test_softmax_regression_finds_the_quadrants():
    rng = np.random.default_rng(0)
    x, labels = points(rng, 1000)
    net = probe.fit(x, labels, epochs=30, lr=0.03)
    assert probe.accuracy(net, *points(rng, 1000)) > 95


def test_a_hidden_layer_reads_what_a_line_cannot():
    """The parity of two signs."""
    rng = np.random.default_rng(0)
    (x, quadrant), (new, truth) = points(rng, 1000), points(rng, 1000)
    parity, right = np.isin(quadrant, (1, 2)).astype(int), np.isin(truth, (1, 2)).astype(int)
    line, net = (probe.fit(x, parity, hidden, epochs=30, lr=0.03) for hidden in ((), (16,)))
    assert probe.accuracy(line, new, right) < 65 and probe.accuracy(net, new, right) > 95


def test_a_probe_repeats_with_its_seed():
    x, labels = points(np.random.default_rng(0), 200)
    one, same, other = (probe.fit(x, labels, epochs=2, seed=seed).output.W.data for seed in (0, 0, 1))
    assert np.array_equal(one, same) and not np.array_equal(one, other)


def test_r_squared_of_what_is_there_what_is_not_and_what_is_there_with_noise():
    """y0 is linear in x, y1 is independent of it, and half of y2's variance is noise; x has a direction too many."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((4000, 3))
    x = np.concatenate([x, x[:, :1] + x[:, 1:2]], axis=1)
    noise = rng.standard_normal((4000, 2))
    y = np.stack([2 * x[:, 0] - x[:, 2] + 5, noise[:, 0], x[:, 1] + noise[:, 1]], axis=1)
    r2 = probe.r_squared(x[:2000], y[:2000], x[2000:], y[2000:])
    np.testing.assert_allclose(r2, [1, 0, 0.5], atol=0.05)


def test_r_squared_is_below_0_where_a_guess_is_worse_than_the_mean():
    x, y = np.arange(4.0)[:, None], np.arange(4.0)[:, None]
    assert probe.r_squared(x, y, x, y) > 1 - 1e-9 and probe.r_squared(x, y, x, -y) < 0


def test_area_under_roc_is_the_share_of_pairs_in_the_right_order(rng):
    score, odd = rng.integers(0, 6, 40), rng.random(40) < 0.4
    odd[:2] = True, False
    pairs = score[odd][:, None] - score[~odd]
    np.testing.assert_allclose(probe.area_under_roc(score, odd), (pairs > 0).mean() + (pairs == 0).mean() / 2)
    assert probe.area_under_roc(np.arange(9), np.arange(9) > 5) == 1
    assert probe.area_under_roc(-np.arange(9), np.arange(9) > 5) == 0
    assert probe.area_under_roc(np.zeros(9), np.arange(9) > 5) == 0.5

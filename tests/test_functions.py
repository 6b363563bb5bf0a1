"""Losses and related functions: their values by a second route, their refusals, and extreme inputs."""
import numpy as np
import pytest

from tinyae import Tensor, functions, grad, ops
from tinyae.functions import bce_with_logits, cross_entropy, dropout, gaussian_kl, gaussian_noise, squared_error

f4 = np.float32


def test_softmax_and_its_logs_agree(rng):
    x = rng.standard_normal((5, 7)) * 10
    p = np.exp(x) / np.exp(x).sum(1, keepdims=True)
    np.testing.assert_allclose(functions.softmax(x), p, atol=1e-14)
    np.testing.assert_allclose(functions.log_softmax(x), np.log(p), atol=1e-10)
    np.testing.assert_allclose(functions.logsumexp(x), np.log(np.exp(x).sum(1)), rtol=1e-12)
    np.testing.assert_allclose(functions.logsumexp(x, axis=0), np.log(np.exp(x).sum(0)), rtol=1e-12)


def test_logsumexp_neither_overflows_nor_loses_a_row_of_minus_infinity():
    assert functions.logsumexp(np.array([[1e4, 1e4]], f4))[0] == f4(1e4 + np.log(2))
    assert functions.log_softmax(np.array([[0, -1e4]], f4)).tolist() == [[0, -1e4]]     # log(softmax) would be -inf
    with np.errstate(divide="ignore"):
        assert functions.logsumexp(np.full((1, 3), -np.inf))[0] == -np.inf


def test_var_is_numpy_var(rng):
    x = rng.standard_normal((3, 4, 5))
    for axis in (None, 0, 1, (0, 2)):
        np.testing.assert_allclose(functions.var(x, axis=axis), np.var(x, axis=axis), rtol=1e-12)


def test_squared_error_is_one_number_per_image(rng):
    y, x = rng.random((4, 2, 3)), rng.random((4, 2, 3))
    np.testing.assert_allclose(squared_error(y, x), ((y - x) ** 2).sum((1, 2)))


def test_bce_is_the_cross_entropy_of_grey_pixels(rng):
    logits, x = rng.standard_normal((6, 9)) * 3, rng.random((6, 9))
    p = 1 / (1 + np.exp(-logits))
    textbook = -(x * np.log(p) + (1 - x) * np.log(1 - p)).sum(1)
    np.testing.assert_allclose(bce_with_logits(logits, x), textbook, rtol=1e-12)


def test_bce_is_finite_at_logits_of_ten_thousand_in_float32():
    logits = Tensor(np.array([[1e4, -1e4, 1e4, -1e4]], f4))
    x = np.array([[1, 0, 0, 1]], f4)
    loss = bce_with_logits(logits, x)
    assert loss.data.tolist() == [2e4]                                  # two right for certain, two wrong for certain
    assert grad(ops.sum(loss), [logits])[0].tolist() == [[0, 0, 1, -1]]


def test_cross_entropy_is_minus_the_log_of_the_label_s_softmax(rng):
    logits, labels = rng.standard_normal((5, 4)), np.array([0, 3, 1, 1, 2], np.uint8)
    np.testing.assert_allclose(cross_entropy(logits, labels), -np.log(functions.softmax(logits))[range(5), labels])
    x = Tensor(logits)
    onehot = np.eye(4)[labels]
    np.testing.assert_allclose(grad(ops.sum(cross_entropy(x, labels)), [x])[0], functions.softmax(logits) - onehot,
                               atol=1e-12)


def test_gaussian_kl_against_monte_carlo(rng):
    """KL = E_q[log q(z) - log p(z)], z drawn from q: four million draws, to four standard errors."""
    mu, log_var, mu2, log_var2 = 0.7, np.log(0.5 ** 2), -0.3, np.log(1.4 ** 2)
    log_density = lambda z, m, lv: -0.5 * (lv + np.log(2 * np.pi) + (z - m) ** 2 / np.exp(lv))
    z = mu + np.exp(0.5 * log_var) * rng.standard_normal(4_000_000)
    column = lambda value: np.array([[value]])
    for exact, m2, lv2 in ((gaussian_kl(column(mu), column(log_var), column(mu2), column(log_var2)), mu2, log_var2),
                           (gaussian_kl(column(mu), column(log_var)), 0.0, 0.0)):
        draws = log_density(z, mu, log_var) - log_density(z, m2, lv2)
        assert abs(exact[0] - draws.mean()) < 4 * draws.std() / 2000


def test_gaussian_kl_of_the_prior_is_zero_and_its_forms_agree(rng):
    mu, log_var = rng.standard_normal((3, 5)), rng.standard_normal((3, 5))
    zero = np.zeros((3, 5))
    assert gaussian_kl(zero, zero).tolist() == [0, 0, 0]
    np.testing.assert_allclose(gaussian_kl(mu, log_var), gaussian_kl(mu, log_var, zero, zero), rtol=1e-12)
    np.testing.assert_allclose(gaussian_kl(mu, log_var, mu, log_var), 0, atol=1e-12)


def test_gaussian_kl_keeps_its_precision_near_the_prior():
    """At log_var = 1e-4 the KL is 1.25e-9 per latent; e^lv - 1 - lv in float32 would give 0 or noise."""
    kl = gaussian_kl(np.zeros((1, 1), f4), np.full((1, 1), 1e-2, f4))[0]
    assert abs(kl / (0.5 * (np.expm1(1e-2) - 1e-2)) - 1) < 1e-3


def test_layer_norm_gives_each_place_mean_0_and_variance_1_by_itself(rng):
    x = 3 + 5 * rng.standard_normal((2, 4, 4, 64))
    z = functions.layer_norm(x, eps=0)
    np.testing.assert_allclose(z.mean(-1), 0, atol=1e-12)
    np.testing.assert_allclose(z.var(-1), 1, rtol=1e-12)
    np.testing.assert_allclose(functions.layer_norm(10 * x + 7, eps=0), z, atol=1e-9)
    np.testing.assert_allclose(functions.layer_norm(x[1:, :1], eps=0), z[1:, :1], atol=1e-12)
    assert functions.layer_norm(np.ones((2, 3), f4)).tolist() == [[0] * 3] * 2         # nothing to bring to variance 1


def test_dropout_keeps_the_mean_and_is_nothing_without_an_rng(rng):
    x = np.ones((1000, 1000), f4)
    dropped = dropout(x, 0.3, rng)
    assert set(np.unique(dropped)) == {f4(0), f4(1 / 0.7)} and dropped.dtype == f4
    assert abs((dropped == 0).mean() - 0.3) < 4 * np.sqrt(0.3 * 0.7 / 1e6)
    assert abs(dropped.mean() - 1) < 0.01
    assert dropout(x, 0.3) is x and dropout(x, 0.0, rng) is x


def test_gaussian_noise_has_its_sigma_and_is_nothing_without_an_rng(rng):
    x = np.zeros((1000, 1000), f4)
    noise = gaussian_noise(x, 0.3, rng)
    assert noise.dtype == f4 and abs(noise.std() - 0.3) < 4 * 0.3 / np.sqrt(2e6)
    assert gaussian_noise(x, 0.3) is x


@pytest.mark.parametrize(("call", "words"), [
    (lambda x: squared_error(x, x[:, 0]), ["squared_error", "(4, 3) float32 and (4,) float32", "reshape"]),
    (lambda x: bce_with_logits(x, x[:2]), ["bce_with_logits", "(2, 3)"]),
    (lambda x: bce_with_logits(x, x + 2), ["[0, 1]", "2 to 2", "x / 255"]),
    (lambda x: bce_with_logits(x, x * np.nan), ["[0, 1]", "nan"]),
    (lambda x: gaussian_kl(x, x[:, :1]), ["gaussian_kl", "(4, 1)"]),
    (lambda x: gaussian_kl(x, x, x), ["gaussian_kl", "None"]),
    (lambda x: squared_error(x, 0.5), ["float 0.5"]),
    (lambda x: cross_entropy(x, np.zeros(4)), ["integer labels", "float64"]),
    (lambda x: cross_entropy(x, np.zeros(3, int)), ["(3,) int64"]),
    (lambda x: cross_entropy(x, np.full(4, 3)), ["0 .. 2", "3 to 3"]),
    (lambda x: cross_entropy(x, np.zeros((4, 1), int)), ["labels.astype(int).reshape(-1)"]),
    (lambda x: cross_entropy(x, np.eye(4, 3)), ["labels.argmax(1)"]),           # one-hot
    (lambda x: cross_entropy(x, np.eye(4, 3, dtype=int)), ["labels.argmax(1)"]),
    (lambda x: dropout(x, 1.0), ["0 <= rate < 1", "1.0"]),
    (lambda x: dropout(x, 0.5, rng=0), ["default_rng", "rng=0"]),
    (lambda x: gaussian_noise(x, -1.0), ["sigma >= 0"]),
])
def test_refusals_say_expected_got_fix(call, words):
    with pytest.raises((ValueError, TypeError)) as refusal:
        call(np.zeros((4, 3), f4))
    for word in ["expected:", "got:", "fix:", *words]:
        assert word in str(refusal.value)


def test_sparsity_kl_refuses_what_is_no_batch():
    for wrong in (np.zeros(3, f4), np.zeros((0, 3), f4)):
        with pytest.raises(ValueError, match=r"batch of units[\s\S]*expected:[\s\S]*got:[\s\S]*fix:"):
            functions.sparsity_kl(wrong, 0.1)

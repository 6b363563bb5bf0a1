"""The VAE beyond its two terms: likelihoods, the importance-weighted bound, what each latent carries, warm-up."""
import numpy as np
import pytest

from tinyae import grad, ops, params
from tinyae.errors import BadValue
from tinyae.functions import gaussian_kl, gaussian_nll, logsumexp
from tinyae.models import VAE
from tinyae.models.vae_evaluation import active_units, kl_per_latent, log_weights, nll, sample_like

f8 = np.float64


@pytest.fixture
def model():
    """One latent; weights large enough that p(x|z) depends on z."""
    model = VAE(6, (5,), 1, "tanh", dtype=f8, rng=np.random.default_rng(0))
    for p in params(model).values():
        p.data = 0.7 * np.random.default_rng(p.size).standard_normal(p.shape)
    return model


@pytest.fixture
def x():
    return (np.random.default_rng(1).random((4, 6)) > 0.5).astype(f8)


def test_nll_is_the_integral_over_the_latent(model, x):
    """One latent can be integrated on a grid: -log of the integral of p(x|z) p(z)."""
    z, step = np.linspace(-8, 8, 801, retstep=True)
    log_joint = [-model.reconstruction_loss(np.full((4, 1), v), x).data - v * v / 2 - np.log(2 * np.pi) / 2 for v in z]
    exact = -logsumexp(np.array(log_joint), axis=0) - np.log(step)
    weights = np.exp(log_weights(model, x, np.random.default_rng(0), 2000))
    error = weights.std(axis=0) / weights.mean(axis=0) / np.sqrt(2000)          # of log(mean of weights)
    assert (np.abs(nll(model, x, np.random.default_rng(0), 2000) - exact) < 4 * error).all() and error.max() < 0.05


def test_one_sample_is_minus_the_elbo_on_average(model, x):
    many = np.repeat(x, 5000, axis=0)
    elbo = sum(term.item() for term in model.losses(many, np.random.default_rng(0)).values())
    one = nll(model, many, np.random.default_rng(1), 1)
    assert abs(one.mean() - elbo) < 6 * one.std() / np.sqrt(len(one))


def test_the_bound_falls_as_k_grows(model, x):
    """Jensen: the bounds of groups of k samples, averaged over the groups, from the same 5000 samples."""
    log_w = log_weights(model, x, np.random.default_rng(0), 5000)                # (5000, n)
    bounds = []
    for k in (1, 5, 50, 500, 5000):
        groups = log_w.reshape(5000 // k, k, len(x))
        bounds.append((np.log(k) - logsumexp(groups, axis=1)).mean(axis=0))
    assert (np.diff(bounds, axis=0) <= 1e-12).all() and (bounds[0] > bounds[-1] + 0.01).any()
    np.testing.assert_allclose(bounds[-1], nll(model, x, np.random.default_rng(0), 5000), rtol=1e-12)


def test_sigma_is_another_way_to_say_log_var(x):
    """softplus(s) = 1 at s = log(e - 1): the same posterior, hence the same losses, as log_var = 0."""
    losses = {}
    for scale, says in (("log_var", 0.0), ("sigma", np.log(np.e - 1))):
        model = VAE(6, (5,), 2, scale=scale, dtype=f8, rng=np.random.default_rng(0))
        model.log_var.W.data, model.log_var.b.data = np.zeros((5, 2)), np.full(2, says)
        losses[scale] = [term.item() for term in model.losses(x, np.random.default_rng(0)).values()]
    np.testing.assert_allclose(*losses.values(), atol=1e-5)


def test_a_sigma_that_rounds_to_0_keeps_a_finite_loss(x):
    model = VAE(6, (5,), 2, scale="sigma", rng=np.random.default_rng(0))
    model.log_var.b.data = np.full(2, -1e4, np.float32)
    losses = model.losses(x.astype(np.float32), np.random.default_rng(0))
    assert np.isfinite(losses["kl"].item())
    assert all(np.isfinite(g).all() for g in grad(sum(losses.values()), params(model)).values())


def test_a_gaussian_s_best_variance_is_the_mean_squared_error(x):
    model = VAE(6, (5,), 2, likelihood="gaussian", dtype=f8, rng=np.random.default_rng(0))
    z = model.encode(x).data
    model.pixel_log_var.data = np.full(1, np.log(np.square(x - model.reconstruct(x)).mean()))
    g, = grad(ops.mean(model.reconstruction_loss(z, x)), [model.pixel_log_var])
    assert abs(g[0]) < 1e-12
    np.testing.assert_allclose(gaussian_nll(np.zeros((1, 2)), np.array([[1.0, 3.0]]), np.array([np.log(4.0)])),
                               np.log(2 * np.pi * 4) + 10 / 8)


def test_kl_per_latent_adds_up_and_an_unused_latent_has_none(x):
    model = VAE(6, (5,), 3, dtype=f8, rng=np.random.default_rng(0))
    for head in (model.mu, model.log_var):
        W = head.W.data.copy()
        W[:, 1] = 0
        head.W.data = W
    kl = kl_per_latent(model, x)
    np.testing.assert_allclose(kl.sum(), gaussian_kl(*(t.data for t in model.posterior(x))).mean())
    assert kl.shape == (3,) and kl[1] == 0
    model.mu.W.data = model.mu.W.data * 10
    assert active_units(model, x) == 2


def test_a_beta_for_the_warm_up(model, x):
    full, tenth = (model.losses(x, np.random.default_rng(0), **beta)["kl"].item() for beta in ({}, {"beta": 0.1}))
    np.testing.assert_allclose(tenth, 0.1 * full)
    for bad in ({"beta": -1.0}, {"likelihood": "laplace"}, {"scale": "variance"}):
        with pytest.raises(BadValue):
            VAE(6, rng=np.random.default_rng(0), **bad)
    with pytest.raises(BadValue):
        model.losses(x, np.random.default_rng(0), beta=float("nan"))


def test_sample_like_has_the_moments_of_the_codes(seed):
    """E z and E zz^T - E z E z^T, image by image: q(z) = 1/n sum_i q(z|x_i) is a mixture."""
    rng = np.random.default_rng(seed)
    mu, log_var = rng.standard_normal((2, 5, 3))
    second = sum(np.outer(m, m) + np.diag(np.exp(s)) for m, s in zip(mu, log_var, strict=True)) / 5
    codes = sample_like(mu, log_var, rng, 100_000)
    np.testing.assert_allclose(codes.mean(axis=0), mu.mean(axis=0), atol=0.05)          # 7 standard errors or more
    np.testing.assert_allclose(np.cov(codes.T), second - np.outer(mu.mean(axis=0), mu.mean(axis=0)), atol=0.15)
    assert sample_like(np.zeros((5, 3)), np.full((5, 3), -np.inf), rng, 4).tolist() == [[0] * 3] * 4

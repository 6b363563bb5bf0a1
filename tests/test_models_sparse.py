"""The sparse autoencoder's divergence: of the mean, with both terms, never below 0, finite where a unit is dead."""
import numpy as np
import pytest

from tinyae import Tensor, grad
from tinyae.errors import BadValue
from tinyae.functions import sparsity_kl
from tinyae.models import Sparse

f4 = np.float32


def logit(p):
    return np.log(p) - np.log1p(-p)


def test_it_is_the_divergence_of_the_mean_activation(rng):
    logits = rng.standard_normal((20, 5)) * 3
    p = (1 / (1 + np.exp(-logits))).mean(0)
    both_terms = 0.1 * np.log(0.1 / p) + 0.9 * np.log(0.9 / (1 - p))
    np.testing.assert_allclose(sparsity_kl(logits, 0.1), both_terms.sum(), rtol=1e-12)


@pytest.mark.parametrize("target", [0.02, 0.1, 0.5, 0.9])
def test_it_is_0_at_the_target_and_above_0_elsewhere(target):
    assert abs(sparsity_kl(np.full((7, 1), logit(target)), target)) < 1e-14
    others = [p for p in np.linspace(0.01, 0.99, 50) if abs(p - target) > 1e-3]
    assert min(sparsity_kl(np.full((3, 1), logit(p)), target) for p in others) > 0


def test_only_the_batch_s_mean_counts():
    """One image in ten turns the unit on for certain: on average that is the target exactly."""
    logits = np.array([[40.0], *[[-40.0]] * 9])
    assert abs(sparsity_kl(logits, 0.1)) < 1e-14


@pytest.mark.parametrize("logit_of_all, expected", [(-1e4, 1e3), (1e4, 9e3)])
def test_dead_and_saturated_units_in_float32(logit_of_all, expected):
    """p_j is 0 or 1 exactly, and log p_j is not: the penalty is finite, and its gradient points the way back."""
    logits = Tensor(np.full((4, 2), logit_of_all, f4))
    penalty = sparsity_kl(logits, 0.1)
    np.testing.assert_allclose(penalty.item(), 2 * expected, rtol=1e-3)
    g, = grad(penalty, [logits])
    assert np.isfinite(g).all() and (np.sign(g) == np.sign(logit_of_all)).all()


@pytest.mark.parametrize("target", [0, 1, -0.1, float("nan")])
def test_targets_that_no_unit_can_meet_are_refused(target):
    with pytest.raises(BadValue, match="target out of range"):
        sparsity_kl(np.zeros((2, 3)), target)


def test_the_textbook_s_weights_are_per_pixel():
    """0.2 beside a mean over 784 pixels is 156.8 beside their sum."""
    x = np.random.default_rng(1).random((8, 784)).astype(f4)
    for penalty, per_pixel in (("kl", 0.2), ("l1", 1e-3)):
        model = Sparse(latent=6, penalty=penalty, rng=np.random.default_rng(0))
        logits = model.encoder(x)
        alone = {"kl": sparsity_kl(logits, 0.1).item(), "l1": model.encode(x).data.sum(1).mean()}
        np.testing.assert_allclose(model.losses(x)[penalty].item(), per_pixel * 784 * alone[penalty], rtol=1e-5)
    with pytest.raises(BadValue, match="unknown penalty"):
        Sparse(penalty="l2", rng=np.random.default_rng(0))
    with pytest.raises(BadValue, match="weight out of range"):
        Sparse(weight=-1.0, rng=np.random.default_rng(0))

"""Three players on one batch: each has its own loss and its own parameters, and the code is what is judged."""
import numpy as np
import pytest

from tinyae import grad, params
from tinyae.errors import BadType, Refusal
from tinyae.functions import bce_with_logits
from tinyae.models import Adversarial
from tinyae.optim import Adam
from tinyae.train import Phase, fit

f4 = np.float32


@pytest.fixture
def model():
    return Adversarial(12, (10,), 3, rng=np.random.default_rng(0))


@pytest.fixture
def batch(rng):
    return rng.random((8, 12)).astype(f4)


def noise():
    return np.random.default_rng(3)


def test_the_discriminator_s_loss_has_no_gradient_for_the_encoder(model, batch):
    loss = model.discriminator_loss(batch, noise())["discrimination"]
    with pytest.raises(Refusal, match="does not depend on") as refusal:
        grad(loss, params(model.encoder))
    assert all(word in str(refusal.value) for word in ("expected:", "got:", "fix:"))


def test_the_discriminator_tells_codes_from_the_prior(model, batch):
    """Its loss is the cross-entropy of a classifier with draws of the prior as class 1 and codes as class 0."""
    prior, code = noise().standard_normal((8, 3), dtype=f4), model.encode(batch).data
    judged = [bce_with_logits(model.discriminator(z), np.full((8, 1), label, f4)).data.mean()
              for z, label in ((prior, 1), (code, 0))]
    loss = model.discriminator_loss(batch, noise())["discrimination"]
    np.testing.assert_allclose(loss.item(), sum(judged), rtol=1e-6)
    with pytest.raises(BadType, match="prior is sampled"):
        model.discriminator_loss(batch, None)


def test_the_deception_does_not_saturate(model, batch):
    """If the discriminator is certain, log(1 - D) has no gradient left, and -log D has its largest."""
    last = model.discriminator[-1]
    last.b.data = np.full(1, -50, f4)
    g, = grad(model.deception_loss(batch)["deception"], [last.b])
    np.testing.assert_allclose(g, -1, rtol=1e-6)


def test_three_phases_on_every_batch_and_each_changes_only_its_own(model, batch):
    turns, before = [], {}

    class Noting(Adam):
        def step(self, grads):
            before.update({name: p.data for name, p in params(model).items()})
            super().step(grads)
            turns.append({name.split(".")[0] for name, p in params(model).items() if p.data is not before[name]})

    phases = tuple(Phase(losses, own, Noting(own), name) for name, (losses, own) in model.players().items())
    fit([phases], (batch, batch), epochs=1, batch_size=4, report=None)
    assert turns == 2 * [{"encoder", "decoder"}, {"discriminator"}, {"encoder"}]


def test_codes_take_the_shape_of_the_prior():
    """Codes of images that come from two numbers, spread far from N(0, 1) at first, end near it."""
    rng = np.random.default_rng(0)
    pixels = 1 / (1 + np.exp(-3 * rng.standard_normal((2000, 2)) @ rng.standard_normal((2, 12))))
    model = Adversarial(12, (32,), 2, rng=rng)
    phases = tuple(Phase(losses, own, Adam(own, lr=2e-3, betas=(0.5, 0.999)), name)
                   for name, (losses, own) in model.players().items())
    fit([phases], (pixels.astype(f4), pixels.astype(f4)), epochs=10, batch_size=100, report=None)
    codes = model.encode(pixels.astype(f4)).data
    assert np.abs(codes.mean(0)).max() < 0.3 and np.abs(np.cov(codes.T) - np.eye(2)).max() < 0.4

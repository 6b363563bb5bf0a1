"""The classifier on top of an encoder."""
import numpy as np
import pytest

from tinyae import Tensor, grad, gradcheck, params
from tinyae.check.cases import refit
from tinyae.models import Classifier, Stacked
from tinyae.optim import Adam


@pytest.fixture
def net():
    encoder = Stacked(6, (5,), 4, rng=np.random.default_rng(0), dtype=np.float64).pairs[0].encode
    return Classifier(encoder, 5, 3, rng=np.random.default_rng(1), dtype=np.float64)


def test_its_whole_loss_has_the_right_gradient(net, rng):
    x, labels = rng.random((4, 6)), np.array([0, 2, 1, 2])
    gradcheck(lambda *tensors: refit(net, tensors).loss(x, labels), *(Tensor(p.data) for p in params(net).values()))


def test_it_learns_labels_and_moves_the_encoder(net, rng, seed):
    x, labels = rng.random((12, 6)), np.arange(12) % 3
    before, optimizer = net.encoder.W.numpy(), Adam(params(net), lr=0.03)
    for _ in range(600):
        optimizer.step(grad(net.loss(x, labels), params(net)))
    assert (net.classify(x) == labels).all() and not np.array_equal(net.encoder.W.data, before), seed


def test_its_parameters_are_the_encoder_s_and_its_own(net):
    assert list(params(net)) == ["encoder.W", "encoder.b", "output.W", "output.b"]
    assert net.logits(np.zeros((2, 6))).shape == (2, 3)

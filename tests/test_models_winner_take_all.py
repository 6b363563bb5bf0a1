"""Lifetime sparsity: per unit over the batch, in training only, and without a way for units to die."""
import numpy as np
import pytest

from tinyae import Tensor, grad
from tinyae.errors import BadValue
from tinyae.functions import bce_with_logits
from tinyae.models import WinnerTakeAll
from tinyae.models.winner_take_all import winners


@pytest.fixture
def model():
    return WinnerTakeAll(12, (), 6, share=0.25, dtype=np.float64, rng=np.random.default_rng(0))


def test_every_unit_has_the_same_share_of_winners(rng):
    code = rng.permuted(np.arange(100.0)[:, None] + np.zeros((100, 3)), axis=0)
    for share, count in ((0.05, 5), (0.001, 1), (1, 100)):
        won = winners(code, share)
        assert won.sum(axis=0).tolist() == [count] * 3 and code[won].min() == 100 - count


def test_losers_say_nothing_and_learn_nothing(model, rng):
    x = rng.random((8, 12))
    model.encoder[0].b.data = np.full(6, 5.0)                                   # every unit is on for every image
    code = model.encode(x).data
    kept = np.where(code >= np.sort(code, axis=0)[-2], code, 0)                 # two of eight
    loss, = model.losses(x).values()
    np.testing.assert_allclose(loss.item(), bce_with_logits(model.decode(kept).data, x).mean())
    h = Tensor(code)
    model.encoder = lambda x: h
    g, = grad(*model.losses(x).values(), [h])
    assert (g[kept == 0] == 0).all() and (g[kept > 0] != 0).all()


def test_no_sparsity_in_use(model, rng):
    """An image alone gets the code that it gets in company."""
    x = rng.random((8, 12))
    np.testing.assert_allclose(model.encode(x[:1]).data, model.encode(x).data[:1])
    assert (model.encode(x).data > 0).mean() > model.share


@pytest.mark.parametrize("share", [0, -0.1, 1.5, float("nan")])
def test_shares_that_cannot_be_are_refused(share):
    with pytest.raises(BadValue, match="share out of range"):
        WinnerTakeAll(12, (), 6, share=share, rng=np.random.default_rng(0))

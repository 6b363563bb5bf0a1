"""Lifetime sparsity: per unit over the batch, in training only, and no units die; spatial sparsity: one place a map."""
import numpy as np
import pytest

from tinyae import Tensor, grad
from tinyae.errors import BadValue
from tinyae.functions import bce_with_logits
from tinyae.models import ConvWinnerTakeAll, WinnerTakeAll
from tinyae.models.conv_winner_take_all import strongest
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
    """An image gets the same code alone as in a batch."""
    x = rng.random((8, 12))
    np.testing.assert_allclose(model.encode(x[:1]).data, model.encode(x).data[:1])
    assert (model.encode(x).data > 0).mean() > model.share


@pytest.mark.parametrize("share", [0, -0.1, 1.5, float("nan")])
@pytest.mark.parametrize("make", [WinnerTakeAll, ConvWinnerTakeAll])
def test_shares_that_cannot_be_are_refused(make, share):
    with pytest.raises(BadValue, match="share out of range"):
        make(12, (), 6, share=share, rng=np.random.default_rng(0))


# ---- convolutions

@pytest.fixture
def conv_model():
    return ConvWinnerTakeAll((6, 8), (), 5, share=0.25, dtype=np.float64, rng=np.random.default_rng(0))


def test_one_place_of_each_map_wins_the_first_of_equals(rng):
    maps = rng.integers(0, 3, (20, 3, 4, 5)).astype(float)              # of 12 numbers, several are the largest
    won = strongest(maps)
    assert (won.sum(axis=(1, 2)) == 1).all()
    assert np.array_equal((maps * won).sum(axis=(1, 2)), maps.max(axis=(1, 2)))
    assert won[0, :, :, 0].ravel().argmax() == maps[0, :, :, 0].ravel().argmax()


def test_the_code_of_an_image_is_one_number_a_map_and_of_a_batch_a_share_of_them(conv_model, rng):
    x = rng.random((8, 48))
    maps, code, sparse = (f(x).data for f in (conv_model.maps, conv_model.encode, conv_model.sparse_code))
    assert maps.shape == code.shape == (8, 3, 4, 5) and (maps >= 0).all()
    assert np.array_equal(code.max(axis=(1, 2)), maps.max(axis=(1, 2))) and ((code > 0).sum(axis=(1, 2)) <= 1).all()
    assert ((sparse > 0).sum(axis=(0, 1, 2)) == 2).all()                # of 8 images, a quarter
    for k in range(5):
        assert np.array_equal(np.sort(sparse[sparse[..., k] > 0, k]), np.sort(code[..., k].max(axis=(1, 2)))[-2:])
    np.testing.assert_allclose(conv_model.encode(x[:1]).data, code[:1])             # in use, images have no company


def test_losers_of_either_kind_say_nothing_and_learn_nothing(conv_model, rng):
    x = rng.random((8, 48))
    kept = conv_model.sparse_code(x).data > 0
    h = Tensor(conv_model.maps(x).data)
    conv_model.encoder = lambda x: h
    g, = grad(*conv_model.losses(x).values(), [h])
    assert (g[~kept] == 0).all() and (g[kept] != 0).all()


def test_a_map_draws_its_picture_where_its_winner_stands():
    model = ConvWinnerTakeAll((28, 28), (), 3, rng=np.random.default_rng(0))
    code = np.zeros((1, 14, 14, 3), np.float32)
    code[0, 6, 7, 2] = 2
    drawn = model.decode(code).data.reshape(28, 28)
    picture = 2 * model.decoder[0].W.data[:, :, 0, 2]
    np.testing.assert_allclose(drawn[12 - 5:12 + 6, 14 - 5:14 + 6], picture, rtol=1e-5)
    assert np.count_nonzero(drawn) == 121

"""Convolutional layers: sizes known before training, weights of the right scale, refusals that name the cure."""
import numpy as np
import pytest
from support import refused

from tinyae import Tensor, conv, grad, ops, params, summary
from tinyae.errors import BadValue
from tinyae.functions import squared_error
from tinyae.layers import Conv2D, ConvTranspose2D, Dense, Flatten, MaxPool2D, Reshape, Sequential, TiedConv2D, Upsample

f4 = np.float32


def rng():
    return np.random.default_rng(0)


def test_conv2d_is_f_of_conv_plus_b(device):
    layer = Conv2D(3, 4, stride=2, activation="relu", rng=rng(), device=device.name)
    layer.b.data = device.array([1, 2, -3, 0])
    x = device.array(rng().standard_normal((2, 7, 6, 3)))
    z = conv.conv2d(device.host(x), device.host(layer.W.data), stride=2, padding=1) + np.array([1, 2, -3, 0], f4)
    np.testing.assert_allclose(device.host(layer(x).data), np.maximum(z, 0), rtol=1e-4, atol=1e-5)
    assert layer(x).shape == (2, *layer.size(7, 6), 4) and layer(x).dtype == f4


@pytest.mark.parametrize("kernel", [2, 3, 4, 5])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_a_transposed_layer_leads_back_to_every_size(kernel, stride):
    forth = Conv2D(1, 2, kernel, stride=stride, rng=rng())
    for h, w in ((31, 32), (32, 31), (28, 28), (9, 10)):
        u, v = forth.size(h, w)
        plain = ConvTranspose2D(2, 1, kernel, stride=stride, rng=rng()).size(u, v)
        back = ConvTranspose2D(2, 1, kernel, stride=stride, output_padding=(h - plain[0], w - plain[1]), rng=rng())
        assert back.size(u, v) == (h, w)
        assert back(np.ones((1, u, v, 2), f4)).shape == (1, h, w, 1)


def test_a_tied_layer_is_the_transpose_of_its_convolution():
    """<conv(x), y> == <x, tied(y)>, whatever size the convolution has rounded; and W is listed once."""
    for h, w in ((8, 7), (9, 10)):
        forth = Conv2D(2, 3, stride=2, dtype=np.float64, rng=rng())
        back = TiedConv2D(forth, (h, w))
        x = rng().standard_normal((2, h, w, 2))
        y = rng().standard_normal((2, *forth.size(h, w), 3))
        np.testing.assert_allclose((forth(x).data * y).sum(), (x * back(y).data).sum(), rtol=1e-12)
        assert list(params([forth, back])) == ["0.W", "0.b", "1.b"]
    with refused(BadValue, "TiedConv2D of 3 channels"):
        back(x)
    with refused(BadValue, "y must have the shape that conv2d makes of the images"):
        TiedConv2D(forth, (12, 12))(y)


def test_a_tied_kernel_s_gradient_is_the_sum_of_both_uses():
    x = rng().random((2, 5, 4, 2))
    forth = Conv2D(2, 3, stride=2, activation="tanh", dtype=np.float64, rng=rng())
    back, V = TiedConv2D(forth, (5, 4), activation="elu"), Tensor(forth.W.data.copy())
    (g,) = grad(ops.mean(squared_error(back(forth(x)), x)), [forth.W])
    y = ops.elu(conv.conv_transpose2d(forth(x), V, size=(5, 4), stride=2, padding=1) + back.b)
    gW, gV = grad(ops.mean(squared_error(y, x)), [forth.W, V])
    assert gW.any() and gV.any()
    np.testing.assert_allclose(g, gW + gV, rtol=1e-12)


def test_both_keep_the_variance_behind_a_rectifier():
    """He's rule: unit variance in, variance 2 before the rectifier (half of which it takes), away from the edge."""
    x = rng().standard_normal((4, 32, 32, 16)).astype(f4)
    for layer in (Conv2D(16, 64, stride=2, rng=rng()), ConvTranspose2D(16, 64, stride=2, rng=rng())):
        assert abs(layer(x).data[:, 2:-2, 2:-2].var() - 2) < 0.2


def test_summary_shows_every_size():
    net = Sequential(Reshape((28, 28, 1)), Conv2D(1, 16, stride=2, rng=rng()), MaxPool2D(2), Upsample(2), Flatten(),
                     Dense(14 * 14 * 16, 10, rng=rng()))
    lines = [line.split("  ") for line in summary(net, (784,)).splitlines()]
    shapes = [next(cell.strip() for cell in line if "(" in cell) for line in lines[1:-1]]
    assert shapes == ["(28, 28, 1)", "(14, 14, 16)", "(7, 7, 16)", "(14, 14, 16)", "(3136,)", "(10,)"]
    assert list(params(net)) == ["1.W", "1.b", "5.W", "5.b"]


@pytest.mark.parametrize(("call", "words"), [
    (lambda: Conv2D(3, 4, rng=rng())(np.ones((2, 3, 8, 8), f4)), ["channels last", "np.moveaxis(x, 1, -1)"]),
    (lambda: Conv2D(3, 4, rng=rng())(np.ones((2, 8, 8, 1), f4)), ["Conv2D of 3 channels", "c_in=1"]),
    (lambda: Conv2D(3, 4, rng=rng())(np.ones((2, 192), f4)), ["Reshape((height, width, 3))"]),
    (lambda: ConvTranspose2D(3, 4, rng=rng())(np.ones((2, 8, 8, 4), f4)), ["ConvTranspose2D of 3 channels"]),
    (lambda: Conv2D(3, 4, 5, padding=0, rng=rng())(np.ones((2, 4, 8, 3), f4)), ["larger than the image", "4x8"]),
    (lambda: Conv2D(0, 4, rng=rng()), ["c_in", "0"]),
    (lambda: Conv2D(3, 4, 2.5, rng=rng()), ["kernel", "2.5"]),
    (lambda: Conv2D(3, 4, stride=0, rng=rng()), ["stride", "0"]),
    (lambda: Conv2D(3, 4, padding=-1, rng=rng()), ["padding", "-1"]),
    (lambda: ConvTranspose2D(3, 4, stride=2, output_padding=2, rng=rng()), ["output_padding", "0 to 1"]),
    (lambda: ConvTranspose2D(3, 4, output_padding=(0, 1), rng=rng()), ["output_padding", "(0, 1)"]),
    (lambda: ConvTranspose2D(3, 4, stride=2, output_padding=(1,), rng=rng()), ["output_padding", "(1,)"]),
    (lambda: Conv2D(3, 4, kernel=(3, 3), rng=rng()), ["kernel=2: one number serves both axes"]),
    (lambda: Conv2D((3, 3), 4, rng=rng()), ["c_in=20"]),
    (lambda: MaxPool2D(0), ["size", "0"]),
    (lambda: MaxPool2D(5)(np.ones((2, 4, 8, 3), f4)), ["size=5"]),
    (lambda: Upsample(1.5), ["size", "1.5"]),
    (lambda: Reshape((28, 28))(np.ones((2, 783), f4)), ["28 * 28 = 784", "(2, 783)"]),
    (lambda: Reshape((8, 8, 3))(np.ones((2, 3, 8, 8), f4)), ["np.moveaxis(x, 1, -1)", "channels first"]),
    (lambda: Reshape((8, 4, 1))(np.ones((2, 4, 8), f4)), ["8 * 4 * 1 = 32", "shape=images.shape[1:]"]),
    (lambda: Reshape((28, 0)), ["0"]),
])
def test_refusals(call, words):
    with refused(BadValue, *words):
        call()


def test_reshape_takes_rows_images_and_grey_images_without_a_channel():
    x = rng().random((2, 4, 3)).astype(f4)
    for given in (x.reshape(2, 12), x, x[..., None]):
        assert np.array_equal(Reshape((4, 3, 1))(given), x[..., None])


def test_an_encoder_and_a_decoder_by_hand_whose_sizes_do_not_meet():
    x = rng().random((2, 32, 32, 1)).astype(f4)
    net = Sequential(Conv2D(1, 2, stride=2, rng=rng()), ConvTranspose2D(2, 1, stride=2, rng=rng()))
    with refused(BadValue, "(2, 31, 31, 1)", "(2, 32, 32, 1)", "output_padding"):
        squared_error(net(x), x)


@pytest.mark.parametrize("layer", [MaxPool2D(2), MaxPool2D(3), Upsample(2), Upsample(3)])
def test_pooling_and_upsampling_say_beforehand_what_they_make_of_a_size(layer):
    assert layer(np.zeros((1, 7, 6, 2), np.float32)).shape == (1, *layer.size(7, 6), 2)

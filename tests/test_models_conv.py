"""Convolutional models: the sizes in the decoder, refusals at construction, and the sprite VAE as described."""
import numpy as np
import pytest
from support import refused

from tinyae import grad, params, summary
from tinyae.errors import BadValue
from tinyae.models import ConvAutoencoder, ConvDenoising, ConvStacked, ConvVAE
from tinyae.models.conv_autoencoder import image_shape
from tinyae.models.conv_stacked import conv_pair

f4 = np.float32


def rng():
    return np.random.default_rng(0)


@pytest.mark.parametrize("shape", [(28, 28), (31, 32), (9, 5, 3), (1, 7)])
def test_every_size_comes_back(shape):
    model = ConvAutoencoder(shape, (2, 3, 4), 5, rng=rng())
    x = np.ones((2, np.prod(shape)), f4)
    assert model.reconstruct(x).shape == x.shape


def test_a_decoder_that_does_not_meet_its_encoder_is_refused_when_built():
    with refused(BadValue, "(31, 31)", "(32, 32)", "output_padding=(1, 1)"):
        ConvAutoencoder((32, 32), (4,), 2, output_padding=0, rng=rng())
    with refused(BadValue, "(16, 32)", "(15, 31)", "output_padding=(0, 0)"):
        ConvAutoencoder((15, 31), (4,), 2, output_padding=1, rng=rng())
    ConvAutoencoder((32, 32), (4, 4), 2, output_padding=1, rng=rng())
    ConvAutoencoder((31, 31), (4,), 2, output_padding=0, rng=rng())


def test_image_shapes():
    assert [image_shape(n) for n in (784, np.prod((28, 28)), 12, 49152, (5, 4), (5, 4, 3))] == [
        (28, 28, 1), (28, 28, 1), (2, 2, 3), (128, 128, 3), (5, 4, 1), (5, 4, 3)]
    for shape in (783, 0, (28,), (28, 0), (28.0, 28), (1, 28, 28, 1), "28x28", 784.0, None, True):
        with refused(BadValue, "images.shape[1:]"):
            image_shape(shape)
    for shape in ((3, 32, 30), (1, 32, 30)):
        with refused(BadValue, "np.moveaxis(images, 1, -1)", f"shape=(32, 30, {shape[0]})"):
            image_shape(shape)


def test_images_of_another_layout_are_refused_and_not_reshaped_into_stripes():
    model = ConvAutoencoder((8, 6, 3), (2,), 2, rng=rng())
    x = rng().random((4, 8, 6, 3)).astype(f4)
    np.testing.assert_array_equal(model.encode(x).data, model.encode(x.reshape(4, -1)).data)
    with refused(BadValue, "np.moveaxis(x, 1, -1)"):
        model.encode(np.moveaxis(x, -1, 1))
    with refused(BadValue, "shape=images.shape[1:]"):
        model.encode(x[..., 0])


def test_the_sprite_vae():
    """Sizes and parameters of 3-32-64-64-64-64-64 with 1000 latents, counted by hand."""
    model = ConvVAE((128, 128, 3), (32, 64, 64, 64, 64, 64), 1000, rng=rng())
    table = summary(model, (128 * 128 * 3,))
    for size in ("(64, 64, 32)", "(32, 32, 64)", "(16, 16, 64)", "(8, 8, 64)", "(4, 4, 64)", "(2, 2, 64)"):
        assert size in table
    convolutions = 9 * (3 * 32 + 32 * 64 + 4 * 64 * 64)
    assert sum(p.size for p in params(model).values()) == (
        2 * convolutions + (32 + 5 * 64) + (4 * 64 + 32 + 3)               # kernels and biases of either side
        + 2 * 256 * 1000 + 2 * 1000 + 1000 * 256 + 256)                     # mu, log_var and back


def test_dense_layers_between_convolutions_and_code():
    model = ConvVAE(784, (2, 3), 2, hidden=(16, 5), rng=rng())
    dense = [p.shape for name, p in params(model).items() if p.ndim == 2 and not name.startswith(("mu", "log_var"))]
    assert dense == [(147, 16), (16, 5), (2, 5), (5, 16), (16, 147)] and model.mu.W.shape == (5, 2)


def test_the_conv_vae_has_the_likelihoods_and_spreads_of_the_vae():
    x = rng().random((3, 12)).astype(f4)
    gaussian, sigma = (ConvVAE(12, (2,), 2, rng=rng(), **what) for what in ({"likelihood": "gaussian"},
                                                                            {"scale": "sigma"}))
    z = gaussian.encode(x).data
    error = np.square(x - gaussian.reconstruct(x)).sum(axis=1)
    nll = 6 * np.log(2 * np.pi * 0.2 ** 2) + error / (2 * 0.2 ** 2)             # 12 pixels of standard deviation 0.2
    np.testing.assert_allclose(gaussian.reconstruction_loss(z, x).data, nll, rtol=1e-4)
    sigma.log_var.W.data, sigma.log_var.b.data = np.zeros((2, 2), f4), np.full(2, np.log(np.e - 1), f4)
    np.testing.assert_allclose(sigma.posterior(x)[1].data, 0, atol=1e-5)        # softplus(log(e - 1)) = 1


# ---- denoising

def test_the_denoiser_has_no_dense_layer_and_a_code_of_maps():
    model = ConvDenoising(784, rng=rng())
    assert sum(p.size for p in params(model).values()) == 2 * 9 * (32 + 32 * 32) + 3 * 32 + 1
    assert model.encode(np.ones((2, 784), f4)).shape == (2, 7, 7, 32)


def test_the_denoiser_cleans_a_shifted_image_as_it_cleans_the_image():
    """Away from the edge: a shift by two strides, 4 pixels, shifts code and pixels."""
    model, x = ConvDenoising((24, 24), (3,), 2, dtype=np.float64, rng=rng()), np.zeros((1, 24, 24))
    x[:, 8:12, 8:12] = rng().random((4, 4))
    shifted = np.roll(x, 4, axis=(1, 2))
    y, z = (model.decode(model.encode(image.reshape(1, -1))).data.reshape(24, 24) for image in (x, shifted))
    np.testing.assert_allclose(np.roll(y, 4, axis=(0, 1)), z, atol=1e-12)
    assert np.abs(y - z).max() > 1e-3


def test_a_denoiser_that_copies_scores_the_noise():
    model, x = ConvDenoising((8, 8), (3,), 2, level=0.5, dtype=np.float64, rng=rng()), np.full((4000, 64), 0.5)
    model.encoder = model.decoder = lambda x: x
    np.testing.assert_allclose(model.losses(x, rng())["reconstruction"], 64 * 0.25, rtol=0.02)
    for wrong, word in (({"noise": "salt"}, "noise"), ({"level": -1}, "noise scale")):
        with refused(BadValue, word):
            ConvDenoising((8, 8), rng=rng(), **wrong)


# ---- stacked

def test_a_stack_of_convolutions_is_its_pairs_in_a_row():
    model, x = ConvStacked((9, 6), (2, 3), 4, l2=0.5, rng=rng()), rng().random((2, 54)).astype(f4)
    shapes = [model.below(i, x).shape for i in range(4)]
    assert shapes == [(2, 54), (2, 5 * 3 * 2), (2, 3 * 2 * 3), (2, 4)]
    z = model.encode(x)
    for pair in reversed(model.pairs):
        z = pair.decode(z)
    assert np.array_equal(model.decode(model.encode(x)).data, z.data) and z.shape == x.shape
    weights = [p.data for name, p in params(model).items() if name.endswith("W")]
    assert [W.shape for W in weights] == [(3, 3, 1, 2), (3, 3, 2, 3), (18, 4)]          # each once
    np.testing.assert_allclose(model.losses(x)["l2"].item(), sum(np.square(W).sum() for W in weights) / 4, rtol=1e-6)


def test_a_new_pair_gives_images_back_as_bright_as_they_were():
    x = rng().random((20, 400)).astype(f4)
    for above, below in (((20, 20, 1), (10, 10, 400)), ((10, 10, 4), (5, 5, 300))):
        pair = conv_pair(above, below, "linear", "linear", 0.0, rng=rng())
        y = pair.decode(pair.encode(x)).data
        assert abs((x * y).sum() / (x * x).sum() - 1) < 0.3


def test_a_layer_learns_and_the_layers_below_stay():
    model, x = ConvStacked((9, 6), (2, 3), 4, rng=rng()), rng().random((2, 54)).astype(f4)
    losses = model.pairs[1].losses(model.below(1, x).data)
    gradients = grad(losses["reconstruction"], params(model), unused="zero")
    assert {name[:8] for name, g in gradients.items() if g.any()} == {"pairs.1."}


def test_refusals():
    with refused(BadValue, "channels"):
        ConvAutoencoder(784, (), 3, rng=rng())
    with refused(BadValue, "channels=(16, 32)"):
        ConvAutoencoder(784, 16, rng=rng())
    with refused(BadValue, "l2"):
        ConvStacked(784, (2,), 3, l2=-1, rng=rng())
    for wrong in ({"beta": -1}, {"likelihood": "laplace"}, {"scale": "variance"}):
        with refused(BadValue, next(iter(wrong))):
            ConvVAE(784, (4,), 3, rng=rng(), **wrong)

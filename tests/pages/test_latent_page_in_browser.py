"""The explorer in a browser: it computes what NumPy computes, by keys, buttons and drawing."""
from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_latent_page import model, rounded, write

from tinyae import models, ops, params
from tinyae.layers import Conv2D, ConvTranspose2D, Dense, Flatten, Reshape, Sequential, dense_stack
from tinyae.show.latent import explorer


@pytest.mark.parametrize("activation", ["relu", "tanh", "elu", "softplus", "sigmoid", "leaky_relu", "sin"])
def test_the_page_computes_what_python_computes(browser: Any, tmp_path: Path, activation: str):
    vae = model(activation=activation)
    write(vae, tmp_path / "page.html")
    page = browser.open(tmp_path / "page.html")
    rng = np.random.default_rng(2)
    z, x = rng.standard_normal((3, 20), np.float32), rng.random((3, 784), np.float32)
    drawn = np.array(page.js("return arguments[0].map(decode)", z.tolist()))
    codes = np.array(page.js("return arguments[0].map(encode)", x.tolist()))
    assert np.abs(drawn - ops.sigmoid(vae.decode(z)).numpy()).max() < 2e-3
    rounded(vae)
    assert np.abs(drawn - ops.sigmoid(vae.decode(z)).numpy()).max() < 1e-5
    assert np.abs(codes - vae.encode(x).numpy()).max() < 1e-5


def odd_layers() -> tuple[Sequential, Sequential]:
    """Kernels of even and odd size, with no padding, one that is too wide, and strides that leave a remainder."""
    rng = np.random.default_rng(0)
    encoder = Sequential(Reshape((11, 8, 1)), Conv2D(1, 3, 2, padding=0, activation="tanh", rng=rng),      # 10 x 7
                         Conv2D(3, 2, 3, stride=3, padding=2, activation="elu", rng=rng), Flatten(),       # 4 x 3
                         Dense(24, 2, rng=rng))
    decoder = Sequential(Dense(2, 24, activation="relu", rng=rng), Reshape((4, 3, 2)),
                         ConvTranspose2D(2, 3, 3, stride=3, padding=2, output_padding=(2, 2), activation="tanh",
                                         rng=rng),                                                        # 10 x 7
                         ConvTranspose2D(3, 1, 2, padding=0, rng=rng), Flatten())
    return encoder, decoder


def of(model: Any) -> tuple[list[Any], list[Any]]:
    return [*model.body, model.mu], model.decoder


@pytest.mark.parametrize("shape, make", [
    ((28, 28), lambda: of(models.ConvVAE(784, hidden=(16,), rng=np.random.default_rng(0)))),        # as in the demo
    ((10, 7), lambda: of(models.ConvVAE((10, 7), (3, 4, 5), 3, rng=np.random.default_rng(0)))),
    ((11, 8), odd_layers)], ids=["28x28", "10x7", "odd"])
def test_the_page_computes_convolutions(browser: Any, tmp_path: Path, shape: tuple[int, int], make: Any):
    encoder, decoder = (Sequential(*layers) for layers in make())
    for layers in (encoder, decoder):
        for p in params(layers).values():
            p.data = p.data + 0.1 * (p.ndim == 1)                           # biases start at 0
    rng = np.random.default_rng(1)
    x = rng.random((3, *shape), np.float32).reshape(3, -1)
    codes = encoder(x).numpy()
    explorer(tmp_path / "page.html", "convolutions", encoder, decoder, codes, None, shape)
    page = browser.open(tmp_path / "page.html")
    z = rng.standard_normal(codes.shape, np.float32)
    for name, layers, given in (("encode", encoder, x), ("decode", decoder, z)):
        wanted = rounded(layers)(given)
        wanted = (wanted if name == "encode" else ops.sigmoid(wanted)).numpy()
        found = np.array(page.js(f"return arguments[0].map({name})", given.tolist()))
        assert found.shape == wanted.shape and wanted.std() > 1e-3
        assert np.abs(found - wanted).max() < 1e-5 * max(1, np.abs(wanted).max())
    page.quiet()


def test_keys_and_buttons(browser: Any, width: int, tmp_path: Path):
    write(model(), tmp_path / "page.html")
    page = browser.open(tmp_path / "page.html", width)
    said = lambda: page.by_id("say").text
    code = lambda: page.js("return z")
    page.js("at('map').focus()")
    page.press("ArrowRight", "ArrowRight", "ArrowUp")
    assert sorted(map(abs, code()))[-2:] == pytest.approx([0.1, 0.2]) and "the nearest test image is of class" in said()
    page.by_id("a").click()
    page.by_id("random").click()
    end = code()
    page.by_id("b").click()
    page.js("at('t').value = 0.5; at('t').oninput({target: at('t')})")
    assert "50 % of the way from A to B" in said() and sum(map(abs, code())) < sum(map(abs, end)) + 0.3
    page.by_id("copy").click()
    page.by_id("encode").click()
    assert said().startswith("The code of the drawing: ")
    page.by_id("centre").click()
    assert not any(code())
    assert not page.by_id("ask").is_displayed()
    page.quiet()


def test_a_conditional_page_shows_the_class_to_encoder_and_decoder(browser: Any, tmp_path: Path):
    rng = np.random.default_rng(0)
    encoder, decoder = dense_stack([16 + 3, 8, 2], "relu", rng=rng), dense_stack([2 + 3, 8, 16], "relu", rng=rng)
    explorer(tmp_path / "page.html", "asked", encoder, decoder, rng.standard_normal((9, 2)), np.arange(9) % 3, (4, 4),
             classes=3)
    page = browser.open(tmp_path / "page.html")
    page.js("at('class').value = 2; at('class').onchange()")
    z, x, hot = rng.standard_normal(2).astype("f"), rng.random(16).astype("f"), np.array([0, 0, 1], "f")
    for name, layers, given in (("encode", encoder, x), ("decode", decoder, z)):
        wanted = rounded(layers)(np.concatenate([given, hot])[None])
        found = np.array(page.js(f"return {name}(arguments[0])", given.tolist()))
        assert np.abs(found - (wanted if name == "encode" else ops.sigmoid(wanted)).numpy()).max() < 1e-5
    page.quiet()

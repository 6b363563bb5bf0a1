"""The explorer in a browser: it computes what NumPy computes, by keys, buttons and drawing."""
from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_latent_page import model, write

from tinyae import ops
from tinyae.layers import ACTIVATIONS, dense_stack
from tinyae.show.latent import explorer, packed, run


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_the_page_computes_what_python_computes(browser: Any, tmp_path: Path, activation: str):
    vae = model(activation=activation)
    write(vae, tmp_path / "page.html")
    page = browser.open(tmp_path / "page.html")
    rng = np.random.default_rng(2)
    z, x = rng.standard_normal((3, 20), np.float32), rng.random((3, 784), np.float32)
    drawn = np.array(page.js("return arguments[0].map(decode)", z.tolist()))
    codes = np.array(page.js("return arguments[0].map(encode)", x.tolist()))
    assert np.abs(drawn - ops.sigmoid(run(packed(vae.decoder), z))).max() < 1e-5
    assert np.abs(drawn - ops.sigmoid(vae.decode(z)).numpy()).max() < 2e-3
    assert np.abs(codes - run(packed([*vae.body, vae.mu]), x)).max() < 1e-5


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
    assert page.js("return drawn") == page.js("return shown") and max(page.js("return drawn")) > 0
    page.by_id("encode").click()
    assert said().startswith("The code of the drawing: ")
    page.by_id("centre").click()
    assert not any(code())
    page.js("""const box = at('map').getBoundingClientRect();
        at('map').onpointermove({clientX: box.left + 0.75 * box.width, clientY: box.top + 0.375 * box.height});""")
    right, up = page.js("return axes()")
    assert (code()[right], code()[up]) == pytest.approx((2, 1), abs=0.05)
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
        wanted = run(packed(layers), np.concatenate([given, hot])[None])
        found = np.array(page.js(f"return {name}(arguments[0])", given.tolist()))
        assert np.abs(found - (wanted if name == "encode" else ops.sigmoid(wanted))).max() < 1e-5
    page.quiet()

"""The explorer in a browser: it computes what NumPy computes, by keys, buttons and drawing."""
from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_latent_page import model, write

from tinyae import ops
from tinyae.show.latent import packed, run


@pytest.mark.parametrize("activation", ["relu", "tanh", "elu", "softplus", "sigmoid", "leaky_relu", "sin"])
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
    page.by_id("encode").click()
    assert said().startswith("The code of the drawing: ")
    page.by_id("centre").click()
    assert not any(code())
    assert not page.by_id("ask").is_displayed()
    page.quiet()

"""The explorer's weights in float16: close to the model, and small enough."""
from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import numpy as np
from support import refused

from tinyae import models, ops, params
from tinyae.errors import BadValue
from tinyae.layers import MaxPool2D
from tinyae.show.latent import explorer, packed


def model(**settings: Any) -> models.VAE:
    return models.VAE(784, (400,), 20, rng=np.random.default_rng(0), **settings)


def write(vae: models.VAE, path: Path) -> None:
    rng = np.random.default_rng(1)
    explorer(path, "a VAE", [*vae.body, vae.mu], vae.decoder, rng.standard_normal((600, vae.latent)),
             rng.integers(0, 10, 600), (28, 28))


def rounded(model: Any) -> Any:
    """The model itself, its weights now rounded to float16, as the page has them."""
    for p in params(model).values():
        p.data = p.data.astype(np.float16).astype(np.float32)
    return model


def test_the_rounded_weights_draw_what_the_model_draws():
    z = np.random.default_rng(2).standard_normal((100, 20), np.float32)
    exact, drawn = (ops.sigmoid(vae.decode(z)).numpy() for vae in (model(), rounded(model())))
    assert 0 < np.abs(drawn - exact).max() < 2e-3


def test_the_page_gets_the_rounded_weights_of_each_layer():
    vae = rounded(model())
    for layer, sent in zip(vae.decoder, packed(vae.decoder), strict=True):
        W, b = layer.W.numpy(), layer.b.numpy()
        np.testing.assert_array_equal(np.frombuffer(base64.b64decode(sent["w"]), "<f2"), [*W.ravel(), *b])


def test_a_page_of_784_400_20_is_small(tmp_path: Path):
    write(model(), tmp_path / "page.html")
    assert (tmp_path / "page.html").stat().st_size <= 3_000_000


def test_what_the_page_cannot_run_is_refused(tmp_path: Path):
    with refused(BadValue, "activations"):
        write(model(activation=lambda x: ops.relu(x)), tmp_path / "page.html")
    with refused(BadValue, "convolutions", "MaxPool2D"):
        explorer(tmp_path / "page.html", "", [MaxPool2D()], [], np.zeros((1, 2)), None, (4, 4))
    with refused(BadValue, "grey"):
        explorer(tmp_path / "page.html", "", [], [], np.zeros((1, 2)), None, (4, 4, 3))

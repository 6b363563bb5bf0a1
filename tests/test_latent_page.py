"""The explorer's weights in float16: close to the model, and small enough."""
from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
from support import refused

from tinyae import models, ops
from tinyae.errors import BadValue
from tinyae.layers import ACTIVATIONS
from tinyae.show import latent
from tinyae.show.latent import POINTS, explorer, packed, run


def model(**settings: Any) -> models.VAE:
    return models.VAE(784, (400,), 20, rng=np.random.default_rng(0), **settings)


def write(vae: models.VAE, path: Path) -> None:
    rng = np.random.default_rng(1)
    explorer(path, "a VAE", [*vae.body, vae.mu], vae.decoder, rng.standard_normal((600, vae.latent)),
             rng.integers(0, 10, 600), (28, 28))


def test_the_rounded_weights_draw_what_the_model_draws():
    vae = model()
    z = np.random.default_rng(2).standard_normal((100, 20), np.float32)
    drawn = ops.sigmoid(run(packed(vae.decoder), z))
    assert np.abs(drawn - ops.sigmoid(vae.decode(z)).numpy()).max() < 2e-3


def test_the_map_has_as_many_labels_as_codes(tmp_path: Path):
    write(model(), tmp_path / "page.html")
    found = json.loads((tmp_path / "page.html").read_text().split("const DATA = ")[1].split(";\n")[0])
    assert len(found["codes"]) == len(found["labels"]) == POINTS < 600


def test_a_page_of_784_400_20_is_small(tmp_path: Path):
    write(model(), tmp_path / "page.html")
    assert (tmp_path / "page.html").stat().st_size <= 3_000_000


def test_the_page_speaks_of_classes_only_where_there_are_some(tmp_path: Path):
    vae = model()
    for labels in (None, [1]):
        explorer(tmp_path / "page.html", "", [*vae.body, vae.mu], vae.decoder, np.zeros((1, 20)), labels, (28, 28))
        page = (tmp_path / "page.html").read_text()
        assert ("the mean code of that class" in page) is bool(labels) and "MEANS" not in page


def test_the_page_knows_every_activation():
    script = (Path(latent.__file__).parent / "latent.js").read_text().split("const FUNCTIONS = {")[1].split("};")[0]
    missing = {*ACTIVATIONS} - {*re.findall(r"(\w+): ", script)}
    assert not missing, f"add {', '.join(missing)} to FUNCTIONS in tinyae/show/latent.js: a page of --page runs it"


def test_what_the_page_cannot_run_is_refused(tmp_path: Path):
    with refused(BadValue, "activations"):
        write(model(activation=lambda x: ops.relu(x)), tmp_path / "page.html")
    with refused(BadValue, "grey"):
        explorer(tmp_path / "page.html", "", [], [], np.zeros((1, 2)), None, (4, 4, 3))

"""show · latent: a trained encoder and decoder in one HTML file, where a reader moves through the latent space.

The weights are float16, half the bytes: a pixel probability then differs by less than 2e-3, half a grey level. The page
computes in float32, as NumPy does, so that on the rounded weights it agrees with Python to 1e-5.
"""
from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..backend import to_host
from ..errors import BadValue
from ..layers import ACTIVATIONS, Dense
from ..tensor import data_of
from . import page

KNOWN = {function: name for name, function in ACTIVATIONS.items()}
POINTS = 500        # test codes on the map


def explorer(path: str | Path, title: str, encoder: Sequence[Dense], decoder: Sequence[Dense], codes: Any, labels: Any,
             shape: tuple[int, ...], classes: int = 0) -> None:
    """Write the page. encoder: pixels -> code; decoder: code -> logits of pixels, each a sequence of Dense.

    codes (n, latent), labels (n,) or None: of test images, for the map. shape: (h, w) of an image. classes: how many
    one-hot numbers stand behind the pixels and behind the code, as in a conditional model. BadValue: a layer that is
    not Dense, an activation without a name, or images with colours.
    """
    if len(shape) > 2 and shape[2] != 1:
        raise BadValue("the page draws grey images", expected="shape (h, w)", got=shape, fix="grey pictures")
    codes = to_host(codes)[:POINTS]
    page.write(path, title, BODY.replace("MEANS", "" if labels is None else MEANS), ("latent.js",), {
        "encoder": packed(encoder), "decoder": packed(decoder), "shape": list(shape[:2]), "classes": classes,
        "codes": np.round(codes.astype(np.float64), 3).tolist(),
        "labels": None if labels is None else np.asarray(labels)[:POINTS].tolist()})


def packed(layers: Sequence[Dense]) -> list[dict[str, Any]]:
    """Each layer as {n, k, f: activation, w: W then b in float16, base64}."""
    found = []
    for layer in layers:
        if not isinstance(layer, Dense) or layer.activation not in KNOWN:
            raise BadValue("the page runs Dense layers", expected=f"activations {', '.join(ACTIVATIONS)}",
                           got=repr(layer), fix="a model of dense_stack, with activations by name")
        flat = np.concatenate([to_host(layer.W.data).ravel(), to_host(layer.b.data)]).astype("<f2")
        found.append({"n": layer.W.shape[0], "k": layer.W.shape[1], "f": KNOWN[layer.activation],
                      "w": base64.b64encode(flat.tobytes()).decode()})
    return found


def run(layers: list[dict[str, Any]], x: np.ndarray) -> np.ndarray:
    """(m, n) -> (m, k): what the page computes of packed layers, in NumPy."""
    for layer in layers:
        flat = np.frombuffer(base64.b64decode(layer["w"]), "<f2").astype(np.float32)
        W, b = flat[:-layer["k"]].reshape(layer["n"], layer["k"]), flat[-layer["k"]:]
        x = data_of(ACTIVATIONS[layer["f"]](x @ W + b))
    return x


MEANS = "Each number on the map stands at the mean code of that class."
BODY = """<p class="keys">Move over the map, or give it the focus and use the arrow keys (with Shift: larger steps).
MEANS</p>
<p id="say" class="panel" role="status"></p>
<div class="cards">
<section><h2>Map of the test codes</h2>
<p><label>right <select id="across"></select></label> <label>up <select id="up"></select></label></p>
<canvas id="map" width="320" height="320" tabindex="0" role="application"
 aria-label="Map of the latent space; arrow keys move the code"></canvas></section>
<section><h2>Decoded</h2>
<p id="ask"><label>class <select id="class"></select></label></p>
<canvas id="out" class="image" role="img" aria-label="the decoded image"></canvas>
<p><button id="centre">all zero</button> <button id="random">random code</button></p></section>
<section><h2>Draw an image</h2>
<canvas id="pad" class="image" role="img" aria-label="a pad to draw on with mouse or finger"></canvas>
<p><button id="clear">clear</button> <button id="copy">copy the decoded image</button>
<button id="encode">encode</button></p></section>
<section><h2>From A to B</h2>
<p><button id="a">this code is A</button> <button id="b">this code is B</button></p>
<p><label class="ends">A <input id="t" type="range" min="0" max="1" step="0.01" value="0"> B</label></p></section>
</div>
<h2>The code</h2><div id="sliders" class="sliders"></div>"""

"""show · latent: a trained encoder and decoder in one HTML file, where a reader moves through the latent space.

The weights are float16, half the bytes: a pixel probability then differs by less than 2e-3, half a grey level. The page
adds up in float64; on the rounded weights it agrees with NumPy's float32 to 1e-5.
"""
from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..backend import to_host
from ..errors import BadValue
from ..layers import ACTIVATIONS, Conv2D, ConvTranspose2D, Dense, Flatten, Reshape
from . import page

KNOWN = {function: name for name, function in ACTIVATIONS.items()}
POINTS = 500        # test codes on the map
ONE_PIXEL = (1, 1)


def explorer(path: str | Path, title: str, encoder: Sequence[Callable], decoder: Sequence[Callable], codes: Any,
             labels: Any, shape: tuple[int, ...], classes: int = 0) -> None:
    """Write the page. encoder: pixels -> code; decoder: code -> logits of pixels, each a sequence of layers.

    codes (n, latent), labels (n,) or None: of test images, for the map. shape: (h, w) of an image. classes: how many
    one-hot numbers stand behind the pixels and behind the code, as in a conditional model. BadValue: a layer that the
    page does not run, an activation without a name, or images with colours.
    """
    if len(shape) > 2 and shape[2] != 1:
        raise BadValue("the page draws grey images", expected="shape (h, w)", got=shape, fix="grey pictures")
    codes = to_host(codes)[:POINTS]
    page.write(path, title, BODY, ("latent.js",), {
        "encoder": packed(encoder), "decoder": packed(decoder), "shape": list(shape[:2]), "classes": classes,
        "codes": np.round(codes.astype(np.float64), 3).tolist(),
        "labels": None if labels is None else np.asarray(labels)[:POINTS].tolist()})


def packed(layers: Sequence[Callable]) -> list[dict[str, Any]]:
    """What the page runs: convolutions, each with its T(x, W, y) of conv.py. A Dense is one of images of one pixel.

    Each is {x: (h, w, c), y: (u, v, k), taps, stride, padding, transposed: whether it is dT/dx, not dT/dy, f: the
    activation, w: W (taps, taps, c, k), then b, in float16, base64}.
    """
    size: Any = ONE_PIXEL
    found = []
    for layer in layers:
        if isinstance(layer, Reshape | Flatten):
            size = layer.shape[:2] if isinstance(layer, Reshape) else ONE_PIXEL
            continue
        if not isinstance(layer, Dense | Conv2D | ConvTranspose2D) or layer.activation not in KNOWN:
            raise BadValue("the page runs Dense layers and convolutions", got=repr(layer),
                           expected=f"activations {', '.join(ACTIVATIONS)}",
                           fix="a model of these layers, with activations by name")
        W, b = to_host(layer.W.data), to_host(layer.b.data)
        after = ONE_PIXEL if isinstance(layer, Dense) else layer.size(*size)
        transposed = isinstance(layer, ConvTranspose2D)
        above, below = (after, size) if transposed else (size, after)
        found.append({"x": [*above, W.shape[-2]], "y": [*below, W.shape[-1]], "taps": len(W) if W.ndim == 4 else 1,
                      **getattr(layer, "geometry", {"stride": 1, "padding": 0}), "transposed": transposed,
                      "f": KNOWN[layer.activation],
                      "w": base64.b64encode(np.concatenate([W.ravel(), b]).astype("<f2").tobytes()).decode()})
        size = after
    return found


BODY = """<p class="keys">Move over the map, or give it the focus and use the arrow keys (with Shift: larger steps).
Each digit or class number on the map marks where that class has its mean.</p>
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
<p><label>A <input id="t" type="range" min="0" max="1" step="0.01" value="0"> B</label></p></section>
</div>
<h2>The code</h2><div id="sliders" class="sliders"></div>"""

"""draw(y, "graph.html"): the page steps through grad, and its numbers are grad's."""
from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from tinyae import Tensor, draw, grad, models, ops, params
from tinyae.show.story import size_of


def test_the_page_steps_forward_and_backward(browser: Any, width: int, tmp_path: Path):
    W, b = Tensor([[1.0, 2.0], [3.0, 4.0]]), Tensor([0.5, -0.5])
    y = ops.mean(ops.square(np.array([[1, 0], [0, 1], [1, 1]], np.float32) @ W + b))
    draw(y, tmp_path / "graph.html", {"W": W, "b": b})
    page = browser.open(tmp_path / "graph.html", width)
    said = lambda: page.by_id("say").text
    assert page.by_id("place").text == "step 1 of 12, forward" and "W is a leaf, shape (2, 2)" in said()
    page.by_id("next").click()
    page.press("ArrowRight", "ArrowRight")
    assert "z2 = z1 + b, shape (3, 2)" in said()
    page.press("End")
    assert page.by_id("place").text == "step 12 of 12, backward"
    assert f"Gradient g: {size_of(grad(y, [W])[0])}." in said()
    page.press("ArrowLeft", "ArrowLeft", "ArrowLeft")
    assert "To b: g, summed over axis 0 because b (2,) was broadcast to (3, 2): [3.167, 3.5]" in said()
    page.all("g.node")[2].click()                       # from a step backward to that box's step backward
    assert "Backward: z1" in said()
    page.js("document.onkeydown(new KeyboardEvent('keydown', {key: 'Home', ctrlKey: true}))")
    assert "Backward: z1" in said()                     # the keys of the browser stay its own
    page.by_id("first").click()
    assert page.by_id("place").text.startswith("step 1 ") and not page.by_id("first").is_enabled()
    page.all("g.node")[2].click()
    assert "Forward: z1" in said()
    page.all("summary")[0].click()
    assert len(page.all("#list li")) == 12
    page.quiet()


def test_a_big_graph_fits_a_phone(browser: Any, width: int, tmp_path: Path):
    rng = np.random.default_rng(0)
    model = models.VAE(784, (400, 100), 20, rng=rng)
    terms = model.losses(rng.random((4, 784), np.float32), rng)
    draw(terms["reconstruction"] + terms["kl"], tmp_path / "graph.html", params(model))
    page = browser.open(tmp_path / "graph.html", width, dark=True)
    page.by_id("last").click()
    page.quiet()
    buttons = page.js("return [...document.querySelectorAll('button')].map(b => b.getBoundingClientRect().height)")
    assert min(buttons) >= 24
    assert re.fullmatch(r"step (\d+) of \1, backward", page.by_id("place").text)

"""report.html in a browser: the slider goes through the epochs, and everything can be read, reached and hit."""
from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from test_report import finished

from tinyae.demo import run_page

# The least contrast of a text with what is behind it (WCAG 2.2, 1.4.3), over all elements with text of their own.
CONTRAST = """
const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
const light = (colour) => { const [r, g, b] = numbers(colour).slice(0, 3).map((c) => c / 255)
  .map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
const behind = (e) => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor;
  if (numbers(c)[3] !== 0) return c; } return "rgb(255, 255, 255)"; };
const texts = [...document.querySelectorAll("body *")].filter((e) => e.tagName !== "SCRIPT" &&
  [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()));
return Math.min(...texts.map((e) => { const style = getComputedStyle(e);
  const [a, b] = [light(e.closest("svg") ? style.fill : style.color), light(behind(e))];
  return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05); }));"""


def test_the_slider_goes_through_the_epochs(browser: Any, width: int, tmp_path: Path):
    page = browser.open(run_page.write(finished(tmp_path / "run-1")), width)
    seen = lambda: [image.get_attribute("alt") for image in page.all(".series img") if image.is_displayed()]
    drawn = lambda: page.js("return document.querySelector('.series img:not([hidden])').src")
    assert seen() == ["samples-004.png: seen <4>"]
    last = drawn()
    page.press("Tab")                           # the slider is the first to have the focus
    page.press("ArrowLeft", "ArrowLeft")
    assert seen() == [page.all(".series output")[0].text] == ["samples-002.png: seen <2>"] and drawn() != last
    slider = page.all(".series input")[0]
    assert slider.get_attribute("aria-valuetext") == seen()[0]
    page.press("Home")
    assert seen() == ["samples-001.png: seen <1>"]
    page.press("End")
    assert drawn() == last
    assert all(page.js("return [...document.images].map(i => i.complete && i.naturalWidth > 0)"))
    page.quiet()


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_all_of_it_can_be_read_and_hit(browser: Any, width: int, dark: bool, tmp_path: Path):
    run = finished(tmp_path / "run-1")
    (run / "weights.npz").unlink()              # so that the page has its warning too
    page = browser.open(run_page.write(run), width, dark=dark)
    assert page.js(CONTRAST) >= 4.5
    heights = page.js("return [...document.querySelectorAll('input')].map(e => e.getBoundingClientRect().height)")
    assert heights and min(heights) >= 24
    assert all(page.js("return [...document.querySelectorAll('img')].map(e => e.alt)"))
    assert "python demos/vae.py --" in page.all(".command")[0].text.replace("\n", " ")

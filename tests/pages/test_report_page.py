"""report.html in a browser: the slider goes through the epochs."""
from __future__ import annotations

from pathlib import Path
from typing import Any

from test_report import finished

from tinyae.demo import run_page


def test_the_slider_goes_through_the_epochs(browser: Any, width: int, tmp_path: Path):
    page = browser.open(run_page.write(finished(tmp_path / "run-1")), width)
    seen = lambda: [image.get_attribute("alt") for image in page.all(".series img") if image.is_displayed()]
    assert seen() == ["samples-004"]
    page.js("document.querySelector('.series input').focus()")
    page.press("ArrowLeft", "ArrowLeft")
    assert seen() == ["samples-002"] and page.all(".series output")[0].text == "samples-002"
    assert all(page.js("return [...document.images].map(i => i.complete && i.naturalWidth > 0)"))
    page.quiet()

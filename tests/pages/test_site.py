"""The built site, in headless Chromium: every page, at the width of a phone and of a desk, and the cells of the tour.

`nox -s docs` builds the site and runs these tests; TINYAE_SITE names a site that is built already.
"""
from __future__ import annotations

import ast
import doctest
import functools
import http.server
import json
import os
import re
import sys
import threading
import time
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urldefrag, urljoin, urlparse

import pytest

import tinyae.tour

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT / "docs" / "_ext"))
import public  # noqa: E402

SITE = Path(os.environ.get("TINYAE_SITE", "no site"))
PAGES = sorted(path.relative_to(SITE).as_posix() for path in SITE.rglob("*.html"))
pytestmark = pytest.mark.skipif(not PAGES, reason="no built site: nox -s docs builds one and runs these tests")
TEXT = {page: (SITE / page).read_text(encoding="utf-8") for page in PAGES}
FILES = {path.relative_to(SITE).as_posix() for path in SITE.rglob("*.*")}
PLACES = {page: {*re.findall(r'\bid="([^"]*)"', text)} for page, text in TEXT.items()}
CHAPTERS = [page for page in PAGES if page.startswith("tour/") and 'class="cell"' in TEXT[page]]
QUICK = ("01", "03", "06")          # the other chapters' cells run with -m "slow or not slow"
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


# ---- without a browser

def test_every_page_is_there():
    assert {"index.html", "readme.html", "gallery.html", "museum.html", "numbers.html", "results.html",
            "performance.html", "your_own_data.html", "architecture.html", "changelog.html", "contributing.html",
            "reference/index.html", "source/tensor.html", "genindex.html", "search.html"} <= {*PAGES}
    assert CHAPTERS


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_to_a_page_and_a_place_in_it(page):
    for link in {*map(unescape, re.findall(r'\b(?:href|src)="([^"]+)"', TEXT[page]))}:
        target, place = urldefrag(urljoin("http://site/" + page, link))
        if not urlparse(link).scheme and not link.startswith(("#__", "#furo")):       # the theme's own
            file = unquote(urlparse(target).path.lstrip("/"))
            assert file in FILES, f"{page} links to {link}"
            assert not place or file not in PLACES or unquote(place) in PLACES[file], f"{page} links to {link}"


@pytest.mark.parametrize("page", PAGES)
def test_a_page_needs_nothing_from_elsewhere(page):
    """Links may lead to other hosts; scripts, styles, pictures and fonts may not come from there."""
    loaded = re.findall(r'<(?:script|img|iframe|source)[^>]*\bsrc="([^"]+)"|<link[^>]*\bhref="([^"]+)"', TEXT[page])
    assert not [address for pair in loaded for address in pair if "//" in address]


@pytest.mark.parametrize("page", PAGES)
def test_every_picture_says_what_it_shows(page):
    for picture in re.findall(r"<img[^>]*>", TEXT[page]):
        assert re.search(r'alt="[^"]{5,}"', picture), picture


@pytest.mark.parametrize("page", PAGES)
def test_a_page_has_one_title_named_sidebars_and_no_empty_header(page):
    assert len(re.findall(r"<h1\b", TEXT[page])) == 1
    names = re.findall(r'<aside class="(?:sidebar|toc)-drawer"(?: aria-label="([^"]+)")?>', TEXT[page])
    assert all(names) and len({*names}) == len(names) >= 1
    assert not re.search(r"<th\b[^>]*>(<p>)?\s*(</p>)?</th>", TEXT[page])


def test_the_notebooks_can_be_downloaded():
    offered = re.findall(r'href="\.\./(_downloads/[^"]+\.ipynb)"', TEXT["tour/index.html"])
    kept = {path.name: path.read_bytes() for path in (ROOT / "docs" / "notebooks").glob("*.ipynb")}
    assert {Path(file).name: (SITE / file).read_bytes() for file in offered} == kept


def words(page: str) -> str:
    """A page's text, without tags and with its signs."""
    return unescape(re.sub(r"<[^>]*>", "", TEXT[page]))


def test_nothing_is_lost_on_the_way():
    """Every demo, exhibit, exercise and public name has its place, and the source with notes has every line of code."""
    demos = {path.stem.replace("_", "-") for path in (ROOT / "demos").glob("*.py")}
    assert {*re.findall(r'id="demo-([\w-]+)"', TEXT["gallery.html"])} == demos
    museum = (ROOT / "docs" / "museum.md").read_text(encoding="utf-8")
    assert TEXT["museum.html"].count('class="pair ') == len(re.findall(r"^### \d", museum, re.M)) > 30
    asked = {number for page in PAGES for number in re.findall(r'data-exercise="([\d.]+)"', TEXT[page])}
    assert asked == {*tinyae.tour.exercises()}
    for chapter in public.CHAPTERS:
        page = f"reference/{chapter}.html"
        for name in public.names(chapter):
            assert f'id="tinyae.{chapter}.{name}"' in TEXT[page], name
    source, shown = (ROOT / "tinyae" / "tensor.py").read_text(encoding="utf-8"), words("source/tensor.html")
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.stmt) and not isinstance(getattr(node, "value", None), ast.Constant):
            assert source.splitlines()[node.lineno - 1] in shown


def test_styles_name_no_other_host():
    for style in SITE.rglob("*.css"):
        assert not re.search(r"url\(\s*['\"]?(https?:)?//", style.read_text(encoding="utf-8")), style


# ---- with a browser

class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Of a server for the site, as `python -m http.server` is one."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=SITE)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def wait(condition: Any, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


@pytest.mark.parametrize("page", PAGES)
def test_a_page_is_quiet_asks_no_other_host_and_fits(page, address, browser):
    browser.open(address + page, 1280)
    browser.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
        "width": 360, "height": 900, "deviceScaleFactor": 1, "mobile": True})
    browser.quiet()


def test_search_finds(address, browser):
    browser.open(address + "search.html?q=gradcheck")
    wait(lambda: browser.all("#search-results li a"), 10)
    assert any("gradcheck" in a.text for a in browser.all("#search-results li a"))
    browser.quiet()


# ---- the V

@pytest.mark.parametrize("dark", [False, True])
def test_the_step_moves_the_marker_and_the_sentence(dark, address, browser, width):
    page = browser.open(address + "the_v.html", width, dark=dark)
    slider, sentence, marker = page.all(".the-v input")[0], page.all(".the-v output")[0], page.all(".marker circle")[0]
    assert "Truncation prevails" in sentence.text
    page.js("arguments[0].focus()", slider)
    before, across = sentence.text, float(marker.get_attribute("cx"))
    page.press("ArrowLeft")
    assert sentence.text != before and float(marker.get_attribute("cx")) < across
    assert slider.get_attribute("aria-valuetext") == sentence.text
    page.press("Home")
    assert "h = 1.0e-16." in sentence.text and "no digit is right. Rounding prevails" in sentence.text
    page.press("End")
    assert "h = 1.0e+0." in sentence.text and "Truncation prevails" in sentence.text
    page.quiet()


def test_the_step_is_dragged_on_the_picture_and_the_best_one_depends_on_the_difference(address, browser):
    from selenium.webdriver import ActionChains

    page = browser.open(address + "the_v.html")
    svg, sentence, choice = page.all(".the-v svg")[0], page.all(".the-v output")[0], page.all(".the-v select")[0]
    page.js("arguments[0].scrollIntoView({behavior: 'instant'})", svg)
    ActionChains(page.driver).move_to_element(svg).click_and_hold().perform()
    pressed = sentence.text
    ActionChains(page.driver).move_by_offset(-40, 0).release().perform()
    assert "Rounding prevails" in pressed and "Rounding prevails" in sentence.text and sentence.text != pressed
    page.js("arguments[0].value = 3; arguments[0].dispatchEvent(new Event('change'))", choice)
    assert "every digit is right" in sentence.text or "Only the last digit" in sentence.text
    assert [group.is_displayed() for group in page.all(".curve")] == [False, False, False, True]
    page.quiet()


# ---- cells

@pytest.fixture
def live(browser: Any, address: str) -> Any:
    """Opens a page whose cells run."""
    parts = SITE / "_static" / "live" / "parts.json"
    if not parts.exists() or not json.loads(parts.read_text())["wheels"]:
        pytest.skip("the site is built without NumPy for the browser: TINYAE_PYODIDE=FOLDER nox -s docs")

    def open_page(page: str) -> None:
        browser.open(address + page)
        wait(lambda: browser.all(".bar button"), 10)
    return open_page


def press(browser: Any, cell: Any, button: str) -> None:
    """A button of the cell's bar."""
    browser.js("[...arguments[0].nextElementSibling.children].find(b => b.textContent == arguments[1])"
                           ".click()", cell, button)


def write(browser: Any, cell: Any, code: str) -> None:
    browser.js("const code = arguments[0].querySelector('.highlight pre'); code.innerText = arguments[1];"
                           "code.dispatchEvent(new Event('input'))", cell, code)


def outputs(cell: Any) -> list[str]:
    printed = [output.get_property("textContent") for output in cell.find_elements("css selector", ".output")]
    return [text for text in printed if text]       # a picture is an output without a text


def run(browser: Any, cell: Any, seconds: float = 60) -> str:
    """Runs a cell, and those above it; -> "ran" or "failed", of the cell or of one above it."""
    press(browser, cell, cell.get_attribute("data-label"))
    wait(lambda: not browser.all(".bar button[disabled]"), seconds)
    return "failed" if browser.all(".cell.failed") else "ran"


@pytest.mark.parametrize("page", [page if page[5:7] in QUICK else pytest.param(page, marks=pytest.mark.slow)
                                  for page in CHAPTERS])
def test_the_cells_of_a_chapter_print_what_the_text_says(page, live, browser):
    live(page)
    cells = browser.all('.cell[data-exercise=""]')
    said = [outputs(cell) for cell in cells]
    assert run(browser, cells[-1], 300) == "ran", outputs(cells[-1])
    for cell, wants in zip(cells, said, strict=True):
        printed = outputs(cell)
        assert len(printed) == len(wants), printed
        for want, got in zip(wants, printed, strict=True):
            assert doctest.OutputChecker().check_output(want.rstrip() + "\n", got.rstrip() + "\n", FLAGS), (want, got)
    browser.quiet()


def test_an_exercise_is_answered_with_the_engine_s_own_diagnosis(live, browser):
    live(next(page for page in CHAPTERS if re.search(r'class="exercise.*softsign', TEXT[page], re.S)))
    cell = next(cell for cell in browser.all(".exercise .cell") if "softsign" in cell.text)
    wrong = ("from tinyae import op, ops\n"
             "softsign = op(lambda x: x / (1 + abs(x)), lambda g, z, x: g / (1 + ops.abs(x)))")
    write(browser, cell, wrong)
    assert run(browser, cell) == "failed"
    assert all(word in outputs(cell)[0] for word in ("expected:", "by differences", "got:", "by grad", "fix:"))
    write(browser, cell, wrong.replace("g / (1 + ops.abs(x))", "g / ops.square(1 + ops.abs(x))"))
    assert run(browser, cell) == "ran" and outputs(cell)[0].startswith("right")


def test_stop_ends_a_loop_and_reset_brings_the_text_back(live, browser):
    live(CHAPTERS[0])
    cell = browser.all(".cell")[0]
    text = cell.get_property("textContent")
    write(browser, cell, "print('on')\nwhile True: pass")
    press(browser, cell, "Run")
    wait(lambda: outputs(cell)[:1] == ["on\n"])
    press(browser, cell, "Stop")
    wait(lambda: "stopped" in outputs(cell)[0], 5)
    press(browser, cell, "Reset")
    assert cell.get_property("textContent") == text
    assert run(browser, cell) == "ran"


def test_shift_and_enter_run_a_cell_and_an_error_names_its_line(live, browser):
    live(CHAPTERS[0])
    cell = browser.all(".cell")[0]
    write(browser, cell, "a = 1\nb = a / 0")
    code = cell.find_element("css selector", ".highlight pre")
    code.send_keys("\ue008\ue007")
    wait(lambda: "failed" in cell.get_attribute("class").split())
    assert outputs(cell)[0].splitlines() == ["line 2: b = a / 0", "ZeroDivisionError: division by zero"]


def test_a_mistake_of_the_museum_is_caught_in_the_page(live, browser):
    live("museum.html")
    cell = browser.all(".break .cell")[0]
    assert run(browser, cell) == "ran"
    what, caught = outputs(cell)[0].splitlines()
    assert what == "With b = a + a and c = b + b: dc/da = 8, where 4 is right."
    assert caught.endswith(" test_a_value_used_twice_passes_its_gradient_on_once")

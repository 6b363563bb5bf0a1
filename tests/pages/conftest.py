"""One browser for all tests of pages: Debian's chromium and chromium-driver, steered by selenium.

    def test_a_page(browser, tmp_path):
        page = browser.open(tmp_path / "graph.html", width=360)     # fails on a console message or a foreign request
        page.by_id("next").click()
        page.quiet()                                                # fails if one came since

Where one of the three is not installed, these tests skip and name it.
"""
from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

WIDTHS = (360, 1280)            # a phone and a desk
OWN = ("file:", "data:", "blob:", "about:", "chrome:", "chrome-extension:", "http://127.0.0.1", "http://localhost")


class Page:
    """A page that is open in the browser."""

    def __init__(self, driver: Any):
        self.driver = driver

    def open(self, where: Path | str, width: int = 1280, height: int = 900, dark: bool = False) -> Page:
        """Load a file or an address at this width in CSS pixels; nothing may be said on the console meanwhile."""
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500})
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]})
        for log in ("browser", "performance"):
            self.driver.get_log(log)                                # of the page before
        self.driver.get(where.resolve().as_uri() if isinstance(where, Path) else where)
        self.quiet()
        return self

    def quiet(self) -> None:
        """Nothing on the console, no request to another host, and the page is not wider than the window."""
        assert not self.driver.get_log("browser")
        events = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        asked = [e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"]
        assert not [url for url in asked if not url.startswith(OWN)]
        assert self.js("return document.documentElement.scrollWidth <= window.innerWidth"), "the page scrolls sideways"

    def by_id(self, name: str) -> Any:
        return self.driver.find_element("id", name)

    def all(self, selector: str) -> list[Any]:
        """The elements that a CSS selector finds."""
        return self.driver.find_elements("css selector", selector)

    def press(self, *keys: str) -> None:
        """Send keys to the element that has the focus, such as "ArrowRight" or "Home"."""
        from selenium.webdriver.common.keys import Keys

        for key in keys:
            name = {"PageUp": "PAGE_UP", "PageDown": "PAGE_DOWN"}.get(key, key.replace("Arrow", "ARROW_").upper())
            self.driver.switch_to.active_element.send_keys(getattr(Keys, name, key))

    def js(self, code: str, *args: Any) -> Any:
        return self.driver.execute_script(code, *args)

    def picture(self, path: Path) -> None:
        """Write a PNG of the whole page, for a person to look at."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self.driver.save_screenshot(str(path))


@pytest.fixture(scope="session")
def browser() -> Iterator[Page]:
    pytest.importorskip("selenium", reason="selenium is not installed")
    found = {name: shutil.which(name) for name in ("chromium", "chromedriver")}
    for name, path in found.items():
        if path is None:
            pytest.skip(f"{name} is not installed (Debian: apt-get install chromium chromium-driver)")
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    # No other host has an address: neither for a page nor for its workers, whose requests the log does not show.
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--no-first-run",
                     "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost"):
        options.add_argument(argument)
    options.binary_location = found["chromium"] or ""
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(found["chromedriver"]))
    yield Page(driver)
    driver.quit()


@pytest.fixture(params=WIDTHS)
def width(request: Any) -> int:
    return request.param

"""How much pages load, and how soon they are there. `-s` shows the table, `python -m
tests.browser.speed` writes it into docs/pages.md."""

import gzip
from collections.abc import Callable

import pytest

from scalix_free.web.static import read_assets
from tests.browser.window import Window

Look = Callable[..., Window]

PUBLIC = ("/", "/usage", "/upgrade", "/connect", "/status", "/privacy", "/sign-up", "/feedback")
MOST_BYTES = {**dict.fromkeys(PUBLIC, 40_000), "/docs": 40_000, "/chat": 90_000}
"""Of packed script on one page."""


@pytest.mark.parametrize("path", MOST_BYTES)
def test_its_script_is_small_and_its_first_paint_needs_none(path: str, look: Look) -> None:
    """The same words stand at the same place, whether script comes or not."""
    window, without = look(path), look(path, java_script_enabled=False)
    scripts = [url for url in window.loaded if ".js" in url]
    assets = read_assets()
    total = 0
    for url in scripts:
        asset = assets.at("/static/" + url.partition("/static/")[2])
        assert asset.packed is not None
        assert window.loaded[url] == len(asset.packed), "it travels packed"
        total += len(gzip.compress(asset.body, 9))
    assert total <= MOST_BYTES[path]

    assert without.find("h1").inner_text() == window.find("h1").inner_text()
    assert without.find("h1").bounding_box() == window.find("h1").bounding_box()
    assert len(without.find("main").inner_text()) > 100

"""Debian's Chromium, driven by Playwright; nothing is downloaded.

The fixtures are those of every folder of tests whose conftest.py imports them.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, ConsoleMessage, expect, sync_playwright

from tests.node import node_modules

QUIET = (
    "--no-sandbox",  # tests run as root as well
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
)

PATIENCE_MS = 15_000
"""Of a busy machine."""

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
"""What nobody may be kept out by, as axe names it."""

_REFUSED = "Failed to load resource: the server responded with a status of"
"""What a browser says of every answer that is not 2xx, refusals included."""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """One for each file: while it runs, a loop does in this thread, and no test may await."""
    expect.set_options(timeout=PATIENCE_MS)
    with open_chromium() as browser:
        yield browser


@pytest.fixture(scope="session")
def axe() -> str:
    """The program that looks for barriers."""
    return barriers_program()


def is_complaint(message: ConsoleMessage) -> bool:
    """Whether a browser says on its console that something is wrong."""
    return message.type in {"error", "warning"} and not message.text.startswith(_REFUSED)


@contextmanager
def open_chromium() -> Iterator[Browser]:
    """Start it; the test that has none is skipped, and says how to get it."""
    binary = shutil.which("chromium") or shutil.which("google-chrome")
    if binary is None:
        pytest.skip("there is no Chromium on this machine; get it by: sudo make system")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=binary, args=[*QUIET])
        try:
            yield browser
        finally:
            browser.close()


def barriers_program() -> str:
    """axe-core as the lock of frontend/ names it."""
    return (node_modules("frontend") / "node_modules/axe-core/axe.min.js").read_text()

"""Debian's Chromium, driven by Playwright; nothing is downloaded."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.node import node_modules

QUIET = (
    "--no-sandbox",  # tests run as root as well
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
)


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

"""Chromium for tests of elements, and a service whose only model is scripted."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.elements.lone import Lone
from tests.node import node_modules
from tests.service import RunningService, provider, running_service
from tests.world import RunningWorld

MODEL = "elements"


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Debian's, without a sandbox, since tests run as root as well.

    One for each file: while it runs a loop does in this thread, and no other test may await.
    """
    binary = shutil.which("chromium") or shutil.which("google-chrome")
    if binary is None:
        pytest.skip("there is no Chromium on this machine; get it by: sudo make system")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=binary, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def axe() -> str:
    """The program that looks for barriers, as text."""
    folder: Path = node_modules("frontend")
    return (folder / "node_modules/axe-core/axe.min.js").read_text()


@pytest.fixture(scope="session")
def scripted(
    world: RunningWorld, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningService]:
    """The real service, with one model that a test scripts: `world.behave(MODEL, …)`."""
    toml = provider(world.base_url, [{"id": f"world/{MODEL}", "model": MODEL}])
    overrides = {"server.trusted_proxies": ["127.0.0.0/8"]}
    with running_service(tmp_path_factory.mktemp("elements"), toml, overrides) as running:
        yield running


@pytest.fixture
def lone(
    chromium: Browser, scripted: RunningService, addresses: Iterator[str], axe: str
) -> Iterator[Callable[..., Lone]]:
    """Opens a page with nothing but these elements, as somebody who was never here.

    At the end nothing may have been said on the console, and nothing done that our policy forbids.
    """
    opened: list[Lone] = []

    def of(body: str, **wishes: object) -> Lone:
        page = Lone(chromium, scripted.url, next(addresses), body, axe, wishes)
        opened.append(page)
        return page

    yield of
    try:
        for page in opened:
            assert page.complaints() == []
    finally:
        for page in opened:
            page.close()

"""Chromium for tests of elements, and a service whose only model is scripted."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser

from tests.browser.chromium import axe, chromium
from tests.elements.lone import Lone, Opener
from tests.service import RunningService, provider, running_service
from tests.world import RunningWorld

__all__ = ["axe", "chromium"]

MODEL = "elements"


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
def opener(
    chromium: Browser, addresses: Iterator[str], axe: str
) -> Iterator[Callable[[RunningService], Opener]]:
    """Of a service: opens a page with nothing but these elements, as somebody who was never here.

    At the end nothing may have been said on the console, and nothing done that our policy forbids.
    """
    opened: list[Lone] = []

    def at(service: RunningService) -> Opener:
        def of(body: str, **wishes: object) -> Lone:
            page = Lone(chromium, service.url, next(addresses), body, axe, wishes)
            opened.append(page)
            return page

        return of

    yield at
    try:
        for page in opened:
            assert page.complaints() == []
    finally:
        for page in opened:
            page.close()


@pytest.fixture
def lone(opener: Callable[[RunningService], Opener], scripted: RunningService) -> Opener:
    """Opens pages of the service whose model a test scripts."""
    return opener(scripted)

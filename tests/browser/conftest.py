"""Chromium in front of the real service, whose only model a test can script."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from playwright.sync_api import Browser

from tests.browser.chromium import axe, chromium
from tests.browser.window import Window
from tests.service import RunningService, provider, running_service
from tests.world import RunningWorld

__all__ = ["axe", "chromium"]

MODEL = "paged"
NORMAL = "normal"
OVERRIDES = {"server.trusted_proxies": ["127.0.0.0/8"], "caches.answers.ttl_s": 0}


def model_of(fault: str) -> str:
    """Whose gate only the pages' tests open, since the world is everybody's."""
    return MODEL if fault == NORMAL else f"{MODEL}-{fault}"


@pytest.fixture(scope="session")
def paged(
    world: RunningWorld, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], RunningService]]:
    """A service whose only model behaves like this, always; `normal` echoes what it is asked."""
    with ExitStack() as running:
        known: dict[str, RunningService] = {}

        def of(fault: str) -> RunningService:
            if fault not in known:
                model = model_of(fault)
                if fault != NORMAL:
                    world.behave(model, fault)
                toml = provider(world.base_url, [{"id": f"world/{MODEL}", "model": model}])
                folder = tmp_path_factory.mktemp("paged")
                known[fault] = running.enter_context(running_service(folder, toml, OVERRIDES))
            return known[fault]

        yield of


@pytest.fixture
def look(
    chromium: Browser, paged: Callable[[str], RunningService], addresses: Iterator[str], axe: str
) -> Iterator[Callable[..., Window]]:
    """Opens a window on a page, as somebody who was never here.

    At the end nobody may have complained: neither the console, nor the policy, nor a script.
    """
    opened: list[Window] = []

    def of(path: str, *, fault: str = NORMAL, **wishes: object) -> Window:
        window = Window(chromium, paged(fault).url, next(addresses), axe, wishes)
        opened.append(window)
        window.go(path)
        return window

    yield of
    try:
        for window in opened:
            assert window.complaints == []
    finally:
        for window in opened:
            window.close()

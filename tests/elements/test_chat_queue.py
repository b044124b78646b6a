"""`<scalix-chat>` in the service's own queue: its only model takes one call at a time."""

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import expect

from tests.elements.lone import Lone, Opener
from tests.elements.test_chat import CHAT, answered, say
from tests.service import RunningService, provider, running_service
from tests.world import RunningWorld

MODEL = "elements-busy"
IMPATIENT = {
    "server.trusted_proxies": ["127.0.0.0/8"],
    "routing.hold_headers_s": 0.1,
    "routing.queue_wait_s": 60,
    "caches.answers.ttl_s": 0,
}


@pytest.fixture(scope="module")
def busy(world: RunningWorld, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """A service where whoever comes second waits until the test opens the gate."""
    world.behave(MODEL, "hang")
    model = {"id": f"world/{MODEL}", "model": MODEL, "limits.concurrent": 1}
    folder = tmp_path_factory.mktemp("busy")
    with running_service(folder, provider(world.base_url, [model]), IMPATIENT) as running:
        yield running


def test_who_waits_sees_and_hears_the_place_and_how_long(
    opener: Callable[..., Opener], busy: RunningService, world: RunningWorld
) -> None:
    pages: list[Lone] = [opener(busy)(CHAT) for _ in range(3)]
    first, second, third = pages
    say(first, "First")
    world.at_gate(MODEL)
    for place, page in enumerate((second, third), start=1):
        say(page, "Next")
        state = re.compile(rf"Number {place} in the queue, about \d+ s\. You are charged nothing")
        expect(page.find("[part=state]")).to_have_text(state)
        heard = re.compile(rf"Number {place} in the queue, about \d+ seconds\.")
        expect(page.find("scalix-chat [aria-live=polite]")).to_have_text(heard)
    assert second.barriers() == []
    third.find("[part=stop]").click()
    expect(third.find("[part=state]")).to_have_text("Stopped.")
    # Who left the queue was charged nothing.
    expect(third.find("[part=quota]")).to_contain_text("20 requests remaining today")
    world.open_gate(MODEL)

    for page, text in ((first, "First"), (second, "Next")):
        answered(page)
        expect(page.find(".text")).to_have_text(f"You said: {text}")
        expect(page.find(".receipt")).to_contain_text(f"world/{MODEL}")

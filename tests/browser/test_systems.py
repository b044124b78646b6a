"""What a reader's system wishes: paper, its own colours, and nothing that moves."""

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.browser.states import SCRIPTED, STATES, Stage, receipts
from tests.browser.window import Window
from tests.world import RunningWorld

Look = Callable[..., Window]

CHANGED = """() => {
  const button = document.querySelector("main button.primary");
  const drawn = () => getComputedStyle(button).backgroundColor;
  const before = drawn();
  button.classList.remove("primary");
  return [before === drawn(), document.getAnimations().length];
}"""
PRESSED = ":is(nav, footer, button, form, input, .skip, .screen):visible"
MOVING = """() => {
  const all = (root) => [root, ...[...root.querySelectorAll("*")]
    .flatMap((one) => one.shadowRoot ? all(one.shadowRoot) : [])];
  return all(document).flatMap((root) => root.getAnimations()).length;
}"""


@pytest.mark.parametrize("script", [False, True])
def test_usage_prints_what_is_to_be_read(script: bool, look: Look, world: RunningWorld) -> None:
    state = SCRIPTED["chat-streamed"] if script else STATES["usage-some"]
    window = look(state.path, java_script_enabled=script)
    state.scene(Stage(window, world))
    if script:
        receipts(Stage(window, world), 1)
    window.page.emulate_media(media="print", color_scheme="dark")

    expect(window.find("h1")).to_be_visible()
    for text in ("Your Free Usage", "Requests Today", "Tokens Used", "Reset Time", "answered"):
        expect(window.find(f"text={text} >> visible=true").first).to_be_visible()
    # The bars are a picture alone: on paper their numbers stand below.
    rows = window.find("scalix-usage details tbody tr >> visible=true")
    expect(rows).to_have_count(14)
    expect(window.find(PRESSED)).to_have_count(0)
    assert window.run("getComputedStyle(document.documentElement).colorScheme") == "light"


def test_a_theme_that_was_chosen_is_not_printed(look: Look) -> None:
    window = look("/status")
    switch = window.page.get_by_role("button", name="Theme")
    for _ in range(2):
        switch.click()
    expect(switch).to_have_text("Theme: dark")
    scheme = "getComputedStyle(document.documentElement).colorScheme"
    assert window.run(scheme) == "dark"
    window.page.emulate_media(media="print")

    assert window.run(scheme) == "light"


@pytest.mark.parametrize("wish", ["no-preference", "reduce"])
def test_nothing_moves_where_that_is_wished(wish: str, look: Look) -> None:
    window = look("/", reduced_motion=wish)
    is_as_before, moving = window.run(CHANGED)
    assert bool(moving) == is_as_before == (wish == "no-preference")
    window.ask("Gently")
    expect(window.find("scalix-chat .receipt")).to_be_visible()

    assert window.run("getComputedStyle(document.documentElement).scrollBehavior") == "auto"
    if wish == "reduce":
        assert window.run(MOVING) == 0


def test_in_the_colours_of_the_system_a_meter_can_be_read(look: Look) -> None:
    window = look("/usage", forced_colors="active")
    meter = window.find("scalix-usage .stat progress").first
    expect(meter).to_be_visible()

    assert meter.evaluate("(one) => getComputedStyle(one).borderTopWidth") == "1px"
    assert window.barriers == []
    assert not window.is_wide

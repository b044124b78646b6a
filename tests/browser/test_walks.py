"""What people do: with the keyboard alone, with a theme of their own, with a hostile model."""

from collections.abc import Callable

from playwright.sync_api import expect

from tests.browser.conftest import MODEL
from tests.browser.window import Window
from tests.world import Behaviour, RunningWorld

Look = Callable[..., Window]

HOSTILE = """\
<script>document.title = "taken"</script>
<img src="/nowhere" onerror="document.title = 'taken'">
<a href="javascript:document.title='taken'">here</a> <iframe src="/usage"></iframe>
[there](javascript:document.title='taken') ![a picture](https://elsewhere.example/pixel.png)
<style>body { display: none }</style> <svg onload="document.title='taken'"></svg>
"""

FOCUSED = """() => {
  let found = document.activeElement;
  while (found?.shadowRoot?.activeElement) found = found.shadowRoot.activeElement;
  return found ? `${found.tagName} ${found.id || found.textContent.trim()}` : "";
}"""


def walk_to(window: Window, wanted: str, key: str = "Tab", most: int = 40) -> None:
    """Press a key until what is wanted has the focus, and can be seen to have it."""
    for _ in range(most):
        window.page.keyboard.press(key)
        if wanted in window.run(FOCUSED):
            return
    raise AssertionError(f"{wanted} was not reached")


def test_with_the_keyboard_alone_one_asks_rates_and_looks_at_the_usage(look: Look) -> None:
    window = look("/", java_script_enabled=False)
    keyboard = window.page.keyboard

    walk_to(window, "Skip to the content")
    keyboard.press("Enter")
    walk_to(window, "TEXTAREA prompt")
    keyboard.type("By keys")
    walk_to(window, "Ask")
    keyboard.press("Enter")
    expect(window.find(".receipt")).to_contain_text(f"world/{MODEL}")
    walk_to(window, "Good answer")
    keyboard.press("Enter")
    expect(window.find("text=Thank you.")).to_be_visible()
    walk_to(window, "A Usage")
    keyboard.press("Enter")
    expect(window.find("h1")).to_have_text("Usage")


def test_with_script_the_keyboard_is_enough_as_well(look: Look) -> None:
    window = look("/")

    walk_to(window, "TEXTAREA prompt")
    window.page.keyboard.type("By keys")
    walk_to(window, "Ask")
    window.page.keyboard.press("Enter")
    expect(window.find("scalix-chat .receipt")).to_contain_text(f"world/{MODEL}")
    walk_to(window, "TEXTAREA draft")


def test_a_theme_that_is_chosen_holds_before_anything_is_drawn(look: Look) -> None:
    window = look("/status", color_scheme="dark")
    colour = "getComputedStyle(document.body).backgroundColor"
    dark = window.run(colour)

    switch = window.page.get_by_role("button", name="Theme: system")
    switch.click()
    light = window.run(colour)
    assert light != dark
    window.go("/privacy")
    assert window.run(colour) == light
    window.page.get_by_role("button", name="Theme: light").click()
    assert window.run(colour) == dark
    window.page.get_by_role("button", name="Theme: dark").click()
    assert window.run("localStorage.length") == 0


def test_what_a_hostile_model_writes_is_text(look: Look, world: RunningWorld) -> None:
    world.behave(MODEL, Behaviour(text=HOSTILE), Behaviour(text=HOSTILE))
    for script in (False, True):
        window = look("/chat", java_script_enabled=script)
        title = window.page.title()
        if script:
            window.find("scalix-chat #draft").fill("Go on")
            window.page.keyboard.press("Enter")
        else:
            window.ask("Go on")
        expect(window.find(".receipt")).to_be_visible()
        expect(window.find("text=document.title").first).to_be_visible()
        for tag in ("iframe", "img", "style", "[onerror]", "a[href^=javascript]"):
            expect(window.find(f"scalix-chat {tag}")).to_have_count(0)
        assert window.page.title() == title
        assert not [one.url for one in window.answers if "elsewhere.example" in one.url]


def test_times_are_those_of_the_reader(look: Look) -> None:
    window = look("/status")

    expect(window.find("time[data-local]").last).not_to_contain_text("UTC")
    assert "UTC" in str(window.find("time[data-local]").last.get_attribute("title"))


def test_every_target_is_large_enough_for_a_finger(look: Look) -> None:
    window = look("/", viewport={"width": 320, "height": 640}, has_touch=True)
    for button in window.find("main button, .nav a, .foot a").all():
        box = button.bounding_box()
        assert box is not None
        assert min(box["width"], box["height"]) >= 24

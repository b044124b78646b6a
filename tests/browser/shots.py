"""Pictures of every page for the manual: ``python -m tests.browser.shots`` takes them anew.

They are taken without script where the server renders all of it, so that the same pages give the
same pictures, but for the times in them.
"""

import itertools
import tempfile
from pathlib import Path

from tests.browser.chromium import open_chromium
from tests.browser.conftest import MODEL
from tests.browser.states import SCRIPTED, STATES, Stage
from tests.browser.window import Window
from tests.service import provider, running_service
from tests.world import running_world

FOLDER = Path(__file__).parents[2] / "docs/screenshots"
SHOTS = (
    # name, with script, state, theme, width
    ("welcome", True, "welcome", "light", 1280),
    ("welcome-answer", True, "welcome-asked", "light", 1280),
    ("welcome-dark", True, "welcome", "dark", 1280),
    ("welcome-320", False, "welcome", "light", 320),
    ("chat", False, "chat-answered", "dark", 1280),
    ("chat-limit", False, "chat-at-limit", "light", 1280),
    ("usage", False, "usage-near", "light", 1280),
    ("usage-320", False, "usage-near", "dark", 320),
    ("upgrade", False, "upgrade", "light", 1280),
    ("connect", False, "connect-tried", "light", 1280),
    ("status", False, "status", "light", 1280),
    ("privacy", False, "privacy", "light", 1280),
    ("sign-up", False, "sign-up", "light", 1280),
    ("verify", False, "verify", "light", 1280),
    ("feedback", False, "feedback", "light", 1280),
    ("docs", False, "docs", "light", 1280),
)
MOST_HEIGHT = 1_400
SHOWN = "127.0.0.1:3001"
"""The address that readers have, in place of the one of this run."""

READDRESS = """([own, shown]) => {
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode())
    walker.currentNode.nodeValue = walker.currentNode.nodeValue.replaceAll(own, shown);
}"""


def main() -> None:
    """Take all of them."""
    FOLDER.mkdir(exist_ok=True)
    numbers = itertools.count(1)
    with (
        running_world() as world,
        tempfile.TemporaryDirectory() as folder,
        running_service(
            Path(folder),
            provider(world.base_url, [{"id": f"world/{MODEL}", "model": MODEL}]),
            {"server.trusted_proxies": ["127.0.0.0/8"]},
        ) as service,
        open_chromium() as browser,
    ):
        for name, script, state_name, theme, width in SHOTS:
            world.behave(MODEL, "normal")
            state = (SCRIPTED if script else STATES)[state_name]
            wishes = {
                "java_script_enabled": script,
                "color_scheme": theme,
                "viewport": {"width": width, "height": 800},
            }
            window = Window(browser, service.url, f"10.2.{next(numbers)}.1", "", wishes)
            window.go(state.path)
            state.scene(Stage(window, world))
            window.page.mouse.move(0, 0)
            own = service.url.removeprefix("http://")
            window.page.evaluate(READDRESS, [own, SHOWN])
            height = int(window.run("document.documentElement.scrollHeight"))
            window.page.screenshot(
                path=FOLDER / f"{name}.png",
                full_page=True,
                clip={"x": 0, "y": 0, "width": width, "height": min(height, MOST_HEIGHT)},
                animations="disabled",
            )
            window.close()
            print(name)


if __name__ == "__main__":
    main()

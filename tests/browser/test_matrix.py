"""Every state in both themes at three widths, and in the colours of the system."""

from collections.abc import Callable

import pytest

from tests.browser.states import SCRIPTED, STATES, Stage
from tests.browser.window import Window
from tests.world import RunningWorld

pytestmark = pytest.mark.slow

Look = Callable[..., Window]

WIDTHS = (320, 768, 1280)
THEMES = ("light", "dark")


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("name", STATES)
def test_without_script(name: str, theme: str, width: int, look: Look, world: RunningWorld) -> None:
    state = STATES[name]
    wishes = {"color_scheme": theme, "viewport": {"width": width, "height": 800}}
    window = look(state.path, fault=state.fault, java_script_enabled=False, **wishes)
    state.scene(Stage(window, world))

    assert window.barriers == []
    assert not window.is_wide


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("name", SCRIPTED)
def test_with_script(name: str, theme: str, width: int, look: Look, world: RunningWorld) -> None:
    state = SCRIPTED[name]
    wishes = {"color_scheme": theme, "viewport": {"width": width, "height": 800}}
    wishes["permissions"] = ["clipboard-write"]
    window = look(state.path, fault=state.fault, **wishes)
    state.scene(Stage(window, world))

    assert window.barriers == []
    assert not window.is_wide


@pytest.mark.parametrize("name", ["welcome", "chat-answered", "usage-some", "upgrade", "connect"])
def test_in_the_colours_of_the_system(name: str, look: Look, world: RunningWorld) -> None:
    state = STATES[name]
    window = look(state.path, java_script_enabled=False, forced_colors="active")
    state.scene(Stage(window, world))

    assert window.barriers == []


@pytest.mark.parametrize("name", ["welcome", "chat-answered", "usage-some", "upgrade", "connect"])
def test_at_four_times_the_size(name: str, look: Look, world: RunningWorld) -> None:
    """400 % of 1280 px is 320 px at four times the pixels."""
    state = STATES[name]
    wishes = {"viewport": {"width": 320, "height": 256}, "device_scale_factor": 4}
    window = look(state.path, java_script_enabled=False, **wishes)
    state.scene(Stage(window, world))

    assert not window.is_wide

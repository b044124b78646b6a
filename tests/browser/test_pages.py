"""Every page and every state once: no barrier, no complaint, nothing to scroll sideways."""

from collections.abc import Callable

import pytest

from tests.browser.states import SCRIPTED, STATES, Stage
from tests.browser.window import Window
from tests.world import RunningWorld

Look = Callable[..., Window]


@pytest.mark.parametrize("name", STATES)
def test_without_script(name: str, look: Look, world: RunningWorld) -> None:
    state = STATES[name]
    window = look(state.path, fault=state.fault, java_script_enabled=False)
    state.scene(Stage(window, world))

    assert window.barriers == []
    assert not window.is_wide


@pytest.mark.parametrize("name", SCRIPTED)
def test_with_script(name: str, look: Look, world: RunningWorld) -> None:
    state = SCRIPTED[name]
    window = look(state.path, fault=state.fault, permissions=["clipboard-write"])
    state.scene(Stage(window, world))

    assert window.barriers == []
    assert not window.is_wide

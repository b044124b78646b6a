"""States that only time or luck brings about, looked at in a browser."""

import re
from collections.abc import Callable

import pytest

from tests.browser.window import HTML, Window
from tests.web.made import MADE, made

Look = Callable[..., Window]


@pytest.mark.parametrize("name", MADE)
def test_it_has_no_barrier(name: str, look: Look) -> None:
    window = look("/verify", viewport={"width": 320, "height": 800})
    text = re.sub(r"<script[^>]*></script>", "", made(name))
    window.page.route(f"**/made/{name}", lambda route: route.fulfill(body=text, headers=HTML))
    window.go(f"/made/{name}")

    assert window.barriers == []
    assert not window.is_wide

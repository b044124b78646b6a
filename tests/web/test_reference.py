"""The API reference."""

import pytest

from scalix_free.core.errors import Code
from scalix_free.web.reference import MEANINGS
from tests.api.caller import Caller
from tests.web.page import Page


@pytest.fixture
def page(caller: Caller) -> Page:
    response = caller.request("GET", "/docs")
    assert response.status_code == 200
    return Page(response.text)


def test_it_describes_every_endpoint(page: Page, caller: Caller) -> None:
    for path in caller.request("GET", "/openapi.json").json()["paths"]:
        assert path in page.text


def test_its_first_example_is_for_this_server(page: Page, caller: Caller) -> None:
    assert f"curl {caller.url}/v1/chat/completions" in page.text
    assert f'base_url="{caller.url}/v1"' in page.text


def test_it_says_what_every_error_means(page: Page) -> None:
    assert list(MEANINGS) == list(Code)
    for code in Code:
        assert code.value in page.text


def test_what_readers_come_for_stands_first_and_open(page: Page) -> None:
    first, *others = page.all("details")
    assert "open" in first
    assert not any("open" in other for other in others)
    assert page.text.index("POST /v1/chat/completions") < page.text.index("/api/v1/free/challenge")

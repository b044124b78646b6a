"""Settings of clients: in the form that each of them reads, with this server's address."""

import ast
import json
import shlex

import pytest

from scalix_free.web.connect import Client, clients
from tests.api.caller import Caller

BASE = "http://free.example:3001"
CLIENTS = {client.id: client for client in clients(BASE)}


def test_all_of_the_plan_are_there() -> None:
    assert list(CLIENTS) == [
        "scalix",
        "dyad",
        "openai-python",
        "openai-node",
        "ai-sdk",
        "langchain",
        "litellm",
        "continue",
        "cline",
        "aider",
        "librechat",
        "open-webui",
        "curl",
    ]


@pytest.mark.parametrize("client", CLIENTS.values(), ids=lambda client: str(client.id))
def test_each_has_our_address_and_nothing_left_to_fill_in(client: Client) -> None:
    assert f"{BASE}/v1" in client.settings
    for text in (client.settings, client.extra):
        assert "{base}" not in text
        assert "/v1/v1" not in text


@pytest.mark.parametrize("name", ["openai-python", "langchain", "litellm"])
def test_programs_in_python_are_programs(name: str) -> None:
    ast.parse(CLIENTS[name].settings)


def test_the_command_is_one_that_sends_json() -> None:
    words = shlex.split(CLIENTS["curl"].settings)
    assert words[:2] == ["curl", f"{BASE}/v1/chat/completions"]
    assert json.loads(words[-1])["messages"]


def test_the_page_shows_them_with_this_server_s_address(caller: Caller) -> None:
    page = caller.request("GET", "/connect").text
    for client in CLIENTS.values():
        assert f'id="{client.id}"' in page
    assert f"{caller.url}/v1" in page
    assert BASE not in page
    assert "{base}" not in page

"""The JavaScript client in a browser, in a page of another origin than the service's."""

import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.api.caller import QUESTION
from tests.api.models import GOOD, Fresh
from tests.api.test_stream import breaking
from tests.elements.conftest import chromium
from tests.node import ROOT
from tests.service import RunningService
from tests.world import Behaviour

__all__ = ["chromium"]  # a fixture


class Asking:
    """A page that has a client of somebody who never called before."""

    def __init__(self, page: Page, elsewhere: str, service: RunningService, address: str) -> None:
        self._page = page
        self._told = {"baseUrl": service.url, "headers": {"x-forwarded-for": address}}
        page.goto(elsewhere)

    def does(self, body: str, **values: object) -> Any:
        """What an async function of `client`, `asked` and these values gives back, or its error."""
        values["asked"] = {"messages": [{"role": "user", "content": QUESTION}]}
        names = ", ".join(values)
        script = f"""async ([told, {{ {names} }}]) => {{
            const {{ ScalixFree }} = await import("/index.js");
            const client = new ScalixFree(told);
            try {{ {body} }} catch (error) {{ return {{ failed: {{ ...error }} }}; }}
        }}"""
        return self._page.evaluate(script, [self._told, values])


class Files(SimpleHTTPRequestHandler):
    """A folder's files, without a word about it."""

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[str]:
    """Where the page comes from: the address of a server with the client's files."""
    files = partial(Files, directory=str(ROOT / "clients/js/dist"))
    with ThreadingHTTPServer(("127.0.0.1", 0), files) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.fixture
def page(
    chromium: Browser, elsewhere: str, service: RunningService, addresses: Iterator[str]
) -> Iterator[Asking]:
    context = chromium.new_context()
    try:
        yield Asking(context.new_page(), elsewhere, service, next(addresses))
    finally:
        context.close()


def test_an_answer_and_who_gave_it(page: Asking) -> None:
    """What pages of others may read of headers is enough for it."""
    answer = page.does("return client.complete(asked);")
    assert answer["choices"][0]["message"]["content"] == f"You said: {QUESTION}"
    assert answer["free_tier"]["remaining_requests"] == 4
    receipt = answer["receipt"]
    assert receipt.pop("requestId").startswith("req_")
    assert receipt == {"model": GOOD, "attempts": 1, "cache": "miss", "modelRequested": None}


def test_a_stream(page: Asking) -> None:
    said, left = page.does(
        "const stream = await client.stream(asked); return [await stream.text(), stream.freeTier];"
    )
    assert said == f"You said: {QUESTION}"
    assert left["remaining_requests"] == 4


def test_a_stream_that_breaks(page: Asking, fresh: Fresh) -> None:
    fresh.behave(breaking("cut"))
    failed = page.does(
        "return await (await client.stream({ ...asked, model })).text();", model=fresh.id
    )
    assert failed["failed"]["code"] == "upstream_error"


def test_who_leaves_a_stream(page: Asking, fresh: Fresh) -> None:
    fresh.behave(Behaviour("stall", k=1))
    page.does(
        "for await (const _ of await client.stream({ ...asked, model })) break;", model=fresh.id
    )
    assert fresh.aborted(within_s=2.0)


def test_a_limit(page: Asking) -> None:
    failed = page.does("for (;;) await client.complete(asked);")["failed"]
    assert failed["code"] == "free_tier_hourly_limit"
    assert failed["status"] == 429
    assert failed["freeTier"]["remaining_requests"] == 0
    assert page.does("return client.limits();")["binding"] == "requests_hour"


def test_a_session_for_a_proof_of_work(page: Asking) -> None:
    begun = page.does("""
        const tokens = [];
        for (let n = 0; n < 3; n++) tokens.push((await client.session()).token);
        return tokens;
    """)
    assert len(set(begun)) == 3, begun

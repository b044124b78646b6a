"""The page of one's own usage: by a cookie or by a key, and what can be done with one's data."""

import csv
import io
import time
from collections.abc import Iterator

import httpx
import pytest

from tests.api.caller import Caller
from tests.api.models import GOOD
from tests.api.test_session import as_bearer, token_of
from tests.service import RunningService

OWN = {"sec-fetch-site": "same-origin"}


@pytest.fixture
def caller(service: RunningService, addresses: Iterator[str]) -> Iterator[Caller]:
    """Somebody with a browser of their own."""
    with httpx.Client(timeout=20, trust_env=False) as browser:
        yield Caller(service.url, browser, next(addresses))


def send(caller: Caller, path: str, **fields: str) -> httpx.Response:
    return caller.request("POST", path, data=fields, headers=OWN)


def key_of(caller: Caller) -> str:
    """A credential that was used once, without the cookie that came with it."""
    key = token_of(caller)
    caller.client.cookies.clear()
    as_bearer(caller, key).ask(model=GOOD)
    until = time.monotonic() + 5  # it is written down within a second
    while GOOD not in send(caller, "/usage", key=key).text:
        assert time.monotonic() < until
    return key


def test_by_a_key_one_sees_exports_and_deletes_what_is_its_own(caller: Caller) -> None:
    key = key_of(caller)
    shown = send(caller, "/usage", key=key)
    assert "This is the usage of your key." in shown.text
    assert shown.headers["cache-control"] == "no-store"

    kept = send(caller, "/usage/export", key=key, **{"as": "json"})
    assert kept.headers["content-disposition"] == 'attachment; filename="scalix-free.json"'
    assert kept.headers["cache-control"] == "no-store"
    assert set(kept.json()) == {"sessions", "usage"}
    table = send(caller, "/usage/export", key=key, **{"as": "csv"})
    assert table.headers["content-type"].startswith("text/csv")
    (row,) = csv.DictReader(io.StringIO(table.text))
    assert row["request_id"] == kept.json()["usage"][0]["request_id"]
    assert (row["model"], row["result"]) == (GOOD, "answered")
    assert row["at"].endswith("Z")

    deleted = send(caller, "/usage/delete", key=key)
    assert "Deleted." in deleted.text
    assert GOOD not in deleted.text
    gone = send(caller, "/usage", key=key)
    assert gone.status_code == 401
    assert key not in gone.text


def test_any_text_is_no_key(caller: Caller) -> None:
    """Sums of the address are not the usage of a key that there is not."""
    for path in ("/usage", "/usage/export", "/usage/delete"):
        refused = send(caller, path, key="free")
        assert refused.status_code == 401
        assert "This is no key of ours" in refused.text
        assert "the usage of your key" not in refused.text
        assert 'id="key"' in refused.text, "another can be tried"


def test_who_showed_nothing_has_nothing_to_export(caller: Caller) -> None:
    assert send(caller, "/usage/export").status_code == 401


@pytest.mark.parametrize("path", ["/usage", "/usage/export", "/usage/delete"])
def test_nothing_is_told_or_deleted_for_a_page_of_somebody_else(caller: Caller, path: str) -> None:
    key = key_of(caller)
    for headers in ({}, {"sec-fetch-site": "cross-site"}):
        refused = caller.request("POST", path, data={"key": key}, headers=headers)
        assert refused.status_code == 403
        assert GOOD not in refused.text
    assert send(caller, "/usage", key=key).status_code == 200


def test_who_deletes_what_their_cookie_stands_for_is_rid_of_the_cookie(caller: Caller) -> None:
    send(caller, "/chat", prompt="Who am I?")
    assert caller.client.cookies

    deleted = send(caller, "/usage/delete")
    assert "Deleted." in deleted.text
    assert not caller.client.cookies
    assert "Nothing says here who you are" in deleted.text

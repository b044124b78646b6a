"""The cookie's name and attributes, by the address that people know us under."""

from typing import Any, cast

import pytest
from litestar.types import HTTPScope

from scalix_free.api.cookie import Cookies, set_cookie_of

OURS = {b"sec-fetch-site": b"same-origin"}


def scope() -> HTTPScope:
    return cast("HTTPScope", {"state": cast("Any", {})})


@pytest.mark.parametrize(
    ("public_url", "name", "end"),
    [
        ("http://127.0.0.1:3001", "scalix_free", "SameSite=Lax"),
        ("https://free.example", "__Host-scalix_free", "SameSite=Lax; Secure"),
    ],
)
def test_over_tls_it_is_bound_to_the_host_by_its_name(public_url: str, name: str, end: str) -> None:
    cookies, request = Cookies(public_url, lambda token, address: token == "good"), scope()

    cookies.give(request, OURS, "good")
    written = set_cookie_of(request)
    assert written is not None
    assert written.decode().startswith(f"{name}=good; ")
    assert written.decode().endswith(f"Path=/; HttpOnly; {end}")

    sent = {**OURS, b"cookie": f"{name}=good".encode()}
    assert cookies.read(scope(), sent, "1.2.3.4") == "good"
    assert cookies.read(scope(), {**sent, b"cookie": b"other=good"}, "1.2.3.4") is None


def test_the_weaker_name_means_nothing_over_tls() -> None:
    cookies, request = Cookies("https://free.example", lambda token, address: True), scope()

    sent = {**OURS, b"cookie": b"scalix_free=good"}
    assert cookies.read(request, sent, "1.2.3.4") is None
    assert set_cookie_of(request) is None

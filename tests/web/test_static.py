"""Files that pages load: named by their contents, packed, and nothing else is served."""

import gzip

import pytest

from scalix_free.web.static import Assets, read_assets
from tests.api.caller import Caller


@pytest.fixture(scope="module")
def assets() -> Assets:
    return read_assets()


def test_all_of_them_are_served_as_they_are(assets: Assets, caller: Caller) -> None:
    assert {"site.css", "tokens.css", "theme.js", "site.js", "icon.svg"} <= set(assets)
    for name in assets:
        url = assets.url(name)
        asset = assets.at(url)
        found = caller.request("GET", url, headers={"accept-encoding": "identity"})
        assert found.content == asset.body
        assert found.headers["content-type"].startswith(asset.kind)
        assert "content-encoding" not in found.headers


def test_what_gets_smaller_is_packed_for_who_can_read_it(assets: Assets, caller: Caller) -> None:
    url = assets.url("site.css")
    asset = assets.at(url)
    assert asset.packed is not None

    found = caller.request("GET", url, headers={"accept-encoding": "gzip"})

    assert found.headers["content-encoding"] == "gzip"
    assert found.headers["vary"] == "accept-encoding"
    assert gzip.decompress(asset.packed) == found.content == asset.body


@pytest.mark.parametrize("path", ["site.css", "../frame.py", "%2e%2e/frame.py", "elements/", ""])
def test_nothing_else_is(caller: Caller, path: str) -> None:
    assert caller.request("GET", f"/static/{path}").status_code == 404

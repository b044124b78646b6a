"""What holds for every page: strict, ours alone, readable by everybody."""

import re
from urllib.parse import urlsplit

import httpx
import pytest

from tests.api.caller import Caller
from tests.web.page import Page

PAGES = (
    "/",
    "/chat",
    "/usage",
    "/upgrade",
    "/connect",
    "/status",
    "/privacy",
    "/sign-up",
    "/feedback",
    "/docs",
    "/verify",
)
KINDS = ("text/css", "text/javascript", "image/svg+xml")


@pytest.fixture(params=PAGES)
def response(caller: Caller, request: pytest.FixtureRequest) -> httpx.Response:
    response = caller.request("GET", request.param)
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/html")
    return response


@pytest.fixture
def page(response: httpx.Response) -> Page:
    return Page(response.text)


def test_its_policy_lets_in_nothing_from_elsewhere(response: httpx.Response) -> None:
    policy = dict(
        directive.split(" ", 1)
        for directive in response.headers["content-security-policy"].split("; ")
    )
    assert policy["default-src"] == "'none'"
    assert policy["frame-ancestors"] == "'none'"
    assert policy["base-uri"] == "'none'"
    for sources in policy.values():
        assert set(sources.split()) <= {"'none'", "'self'", "data:"}
    assert response.headers["referrer-policy"] in {"same-origin", "no-referrer"}


def test_nothing_in_it_is_inline(page: Page) -> None:
    assert not page.all("style")
    assert not [script for script in page.all("script") if "src" not in script]
    for _, attributes in page.elements:
        assert "style" not in attributes
        assert not [name for name in attributes if name.startswith("on")]
        assert not [v for v in attributes.values() if (v or "").lower().startswith("javascript:")]


def test_whatever_it_loads_is_ours_is_there_and_stays(page: Page, caller: Caller) -> None:
    loaded = [link["href"] for link in page.all("link")]
    loaded += [one["src"] for tag in ("script", "img", "iframe") for one in page.all(tag)]
    assert loaded
    for url in loaded:
        assert url is not None
        assert urlsplit(url).netloc == ""
        found = caller.request("GET", url)
        assert found.status_code == 200
        assert found.headers["content-type"].startswith(KINDS)
        assert found.headers["cache-control"].endswith("immutable")
        assert re.search(r"[.-][0-9A-Za-z_-]{8,}\.", url), "named after what is in it"
        is_style = found.headers["content-type"].startswith("text/css")
        assert not is_style or not re.search(r"@import|url\((?!['\"]?(data:|#))", found.text)


def test_it_can_be_read_by_everybody(page: Page) -> None:
    (html,) = page.all("html")
    assert html["lang"] == "en"
    assert page.all("title")
    assert len(page.all("h1")) == 1
    assert [main["id"] for main in page.all("main")] == ["main"]
    names = [meta.get("name") for meta in page.all("meta")]
    assert {"viewport", "color-scheme"} <= set(names)
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_its_fields_have_labels(page: Page) -> None:
    named = {label.get("for") for label in page.all("label")}
    for tag in ("input", "textarea", "select"):
        for field in page.all(tag):
            hidden = field.get("type") == "hidden"
            assert hidden or field.get("id") in named or "aria-label" in field


def test_its_links_lead_somewhere(page: Page, caller: Caller) -> None:
    ids = {attributes.get("id") for _, attributes in page.elements}
    for link in page.all("a"):
        href = link["href"]
        assert href
        if href.startswith("#"):
            assert href[1:] in ids
        else:
            assert urlsplit(href).netloc == ""
            assert caller.request("GET", href).status_code in {200, 307}

"""The pages: they work offline, without script, under their own content security policy."""

import re
from html.parser import HTMLParser
from urllib.parse import urlsplit

import httpx
import pytest

from tests.api.caller import Caller


class Page(HTMLParser):
    """Elements with their attributes, and the texts between them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == [], "elements are left open"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in {"meta", "link", "br", "hr", "img", "input"}:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture
def response(caller: Caller) -> httpx.Response:
    response = caller.request("GET", "/docs")
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
    assert response.headers["referrer-policy"] == "no-referrer"


def test_nothing_in_it_is_inline(page: Page) -> None:
    assert not page.all("style")
    assert not [script for script in page.all("script") if "src" not in script]
    for _, attributes in page.elements:
        assert "style" not in attributes
        assert not [name for name in attributes if name.startswith("on")]
        assert not [v for v in attributes.values() if (v or "").lower().startswith("javascript:")]


def test_whatever_it_loads_is_ours_and_there(page: Page, caller: Caller) -> None:
    loaded = [link["href"] for link in page.all("link")]
    loaded += [one["src"] for tag in ("script", "img", "iframe") for one in page.all(tag)]
    assert loaded
    for url in loaded:
        assert url is not None
        assert urlsplit(url).netloc == ""
        found = caller.request("GET", url)
        assert found.status_code == 200
        assert found.headers["content-type"].startswith("text/css")
        assert not re.search(r"@import|url\((?!['\"]?data:)", found.text)


def test_its_links_lead_somewhere(page: Page, caller: Caller) -> None:
    ids = {attributes.get("id") for _, attributes in page.elements}
    for link in page.all("a"):
        href = link["href"]
        assert href
        if href.startswith("#"):
            assert href[1:] in ids
        else:
            assert urlsplit(href).netloc == ""
            assert caller.request("GET", href).status_code == 200


def test_it_describes_every_endpoint(page: Page, caller: Caller) -> None:
    for path in caller.request("GET", "/openapi.json").json()["paths"]:
        assert path in page.text


def test_its_first_example_is_for_this_server(page: Page, caller: Caller) -> None:
    assert f"curl {caller.url}/v1/chat/completions" in page.text
    assert f'base_url="{caller.url}/v1"' in page.text


def test_it_can_be_read_by_everybody(page: Page) -> None:
    (html,) = page.all("html")
    assert html["lang"] == "en"
    assert page.all("title")
    assert len(page.all("h1")) == 1
    assert page.all("main")
    names = [meta.get("name") for meta in page.all("meta")]
    assert {"viewport", "color-scheme"} <= set(names)


@pytest.mark.parametrize(("path", "target"), [("/", "/docs"), ("/upgrade", "/docs#pro")])
def test_the_other_pages_lead_there(caller: Caller, path: str, target: str) -> None:
    response = caller.request("GET", path)
    assert response.status_code == 307
    assert response.headers["location"] == target
    assert caller.request("GET", target).status_code == 200

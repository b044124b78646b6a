"""A page with nothing but elements, under the policy of our own pages."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Locator, Request, Route

from scalix_free.web.frame import CONTENT_SECURITY_POLICY
from scalix_free.web.static import read_assets
from tests.browser.chromium import RULES, is_complaint

ADDRESS = "/elements-of-a-test"
MATRIX = [
    ("dark", 320),
    pytest.param("light", 320, marks=pytest.mark.slow),
    pytest.param("dark", 1280, marks=pytest.mark.slow),
    pytest.param("light", 1280, marks=pytest.mark.slow),
]
"""Colours and widths; one of them is enough for most days."""

WATCH = """
window.violations = [];
window.heard = [];
document.addEventListener("securitypolicyviolation", (event) =>
  violations.push(`${event.violatedDirective}: ${event.blockedURI} ${event.sample}`));
for (const name of ["upgrade", "dismiss", "threshold", "prompt", "feedback", "changed"])
  document.addEventListener(`scalix-${name}`, (event) =>
    heard.push({ name, detail: JSON.parse(JSON.stringify(event.detail)) }));
"""


class Lone:
    """The page, what it asked for, and what was complained of."""

    def __init__(
        self,
        browser: Browser,
        url: str,
        address: str,
        body: str,
        axe: str,
        wishes: Mapping[str, object],
    ) -> None:
        options: dict[str, Any] = {"viewport": {"width": 1000, "height": 800}, "locale": "en-GB"}
        options |= {"timezone_id": "Europe/Berlin", **wishes}
        self._context = browser.new_context(
            extra_http_headers={"x-forwarded-for": address}, **options
        )
        self._axe = axe
        self._said: list[str] = []
        self.requests: list[Request] = []
        self.page = self._context.new_page()
        self.page.set_default_timeout(10_000)
        self.page.add_init_script(WATCH)
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self._said.append(str(error)))
        self.page.on("request", self._request)
        self._url, self._body = url + ADDRESS, body
        self.load()

    def load(self) -> None:
        """Open the page, or open it anew.

        It alone is ours: while a browser may be answered by a test, it asks everybody not to
        answer from memory.
        """

        def serve(route: Route) -> None:
            _serve(route, self._body)

        self.page.route(self._url, serve)
        self.page.goto(self._url)
        self.page.wait_for_load_state("load")
        self.page.unroute(self._url, serve)

    def find(self, selector: str) -> Locator:
        return self.page.locator(selector)

    def run(self, script: str, argument: object = None) -> Any:
        return self.page.evaluate(script, argument)

    def give(self, selector: str, data: object) -> None:
        """Hand data to an element, as a host does."""
        script = "([selector, data]) => { document.querySelector(selector).data = data; }"
        self.run(script, [selector, data])

    def heard(self, name: str) -> list[Any]:
        """The details of all events of this name, without its prefix."""
        return [one["detail"] for one in self.run("heard") if one["name"] == name]

    def asked(self, method: str, path: str) -> list[Request]:
        """What was sent to this address of the service."""
        return [
            request
            for request in self.requests
            if request.method == method and request.url.partition("?")[0].endswith(path)
        ]

    def told(self) -> list[dict[str, str]]:
        """The impressions, clicks and dismissals that the service was told."""
        return [
            json.loads(request.post_data or "{}")
            for request in self.asked("POST", "/api/v1/free/events")
        ]

    def barriers(self) -> list[str]:
        """What keeps people out, by the rules of WCAG 2.2 A and AA."""
        self.run(self._axe + "; undefined")
        found = self.run(
            "(rules) => axe.run(document, { runOnly: { type: 'tag', values: rules } })", RULES
        )
        return [
            f"{one['id']}: {node['html']} {node['failureSummary']}"
            for one in found["violations"]
            for node in one["nodes"]
        ]

    def complaints(self) -> list[str]:
        return [*self._said, *self.run("violations")]

    def close(self) -> None:
        self._context.close()

    def _console(self, message: ConsoleMessage) -> None:
        if is_complaint(message):
            self._said.append(message.text)

    def _request(self, request: Request) -> None:
        if not request.url.endswith((ADDRESS, ".js", ".css", ".svg")):
            self.requests.append(request)


Opener = Callable[..., Lone]
"""Of the body of a page, and what its browser is wished to be like."""


def _serve(route: Route, body: str) -> None:
    assets = read_assets()
    page = f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Elements</title>
<meta name="viewport" content="width=device-width">
<link rel="icon" href="data:,">
<link rel="stylesheet" href="{assets.url("tokens.css")}">
<link rel="stylesheet" href="{assets.url("site.css")}">
<script defer src="{assets.url("elements/elements.js")}"></script>
<script defer src="{assets.url("elements/chat.js")}"></script></head>
<body><main class="main"><h1>Elements</h1>{body}</main></body></html>"""
    headers = {"content-security-policy": CONTENT_SECURITY_POLICY}
    route.fulfill(body=page, content_type="text/html; charset=utf-8", headers=headers)

"""A window on our pages: what is seen in it, and what was complained of."""

import re
from collections.abc import Mapping
from typing import Any

from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, Response

from tests.browser.chromium import RULES, is_complaint

WATCH = """
window.complaints = [];
document.addEventListener("securitypolicyviolation", (event) =>
  complaints.push(`${event.violatedDirective}: ${event.blockedURI} ${event.sample}`));
window.shifts = 0;
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) if (!entry.hadRecentInput) shifts += entry.value;
}).observe({ type: "layout-shift", buffered: true });
window.largest = 0;
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) largest = entry.startTime;
}).observe({ type: "largest-contentful-paint", buffered: true });
window.blocked = 0;
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) blocked += Math.max(0, entry.duration - 50);
}).observe({ type: "longtask", buffered: true });
"""

HTML = {"content-type": "text/html; charset=utf-8"}

TIMES = """() => {
  const paint = performance.getEntriesByName("first-contentful-paint")[0];
  const [navigation] = performance.getEntriesByType("navigation");
  return {
    ttfb: navigation.responseStart,
    fcp: paint ? paint.startTime : 0,
    lcp: largest,
    loaded: navigation.loadEventEnd,
    blocked,
    shifts,
  };
}"""


class Window:
    """A browser of somebody at an address of their own, with one page open."""

    def __init__(
        self, browser: Browser, url: str, address: str, axe: str, wishes: Mapping[str, object]
    ) -> None:
        options: dict[str, Any] = {
            "viewport": {"width": 1024, "height": 800},
            "locale": "en-GB",
            "timezone_id": "Europe/Berlin",
            "extra_http_headers": {"x-forwarded-for": address},
            **wishes,
        }
        self._has_script = options.get("java_script_enabled", True)
        self._browser, self._options = browser, options
        self._context = browser.new_context(**options)
        self._url, self._axe = url, axe
        self._said: list[str] = []
        self._violations: list[str] = []
        self.answers: list[Response] = []
        self.page: Page = self._context.new_page()
        self.page.set_default_timeout(15_000)
        self.page.add_init_script(WATCH)
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self._said.append(str(error)))
        self.page.on("response", lambda answer: self.answers.append(answer))  # noqa: PLW0108

    def go(self, path: str) -> None:
        """Open a page, and wait until it is still."""
        self.page.goto(self._url + path)
        self.page.wait_for_load_state("networkidle" if self._has_script else "load")

    def find(self, selector: str) -> Locator:
        """What stands in the page, shadows included."""
        return self.page.locator(selector)

    def run(self, script: str) -> Any:
        """Ask the page something."""
        return self.page.evaluate(script)

    def ask(self, question: str) -> None:
        """Type a question into the composer that is there without script, and send it."""
        self.find("#prompt").fill(question)
        self.page.get_by_role("button", name="Ask", exact=True).click()

    @property
    def barriers(self) -> list[str]:
        """What axe finds against WCAG 2.2 A and AA."""
        if self._has_script:
            return self._barriers(self.page)
        # axe is a script itself: it looks at the same page where scripts run, but has none.
        text = re.sub(r"<script[^>]*></script>", "", self.page.content())
        context = self._browser.new_context(**{**self._options, "java_script_enabled": True})
        try:
            copy = context.new_page()
            copy.route(self.page.url, lambda route: route.fulfill(body=text, headers=HTML))
            copy.goto(self.page.url)
            return self._barriers(copy)
        finally:
            context.close()

    def _barriers(self, page: Page) -> list[str]:
        page.evaluate(self._axe)
        found = page.evaluate("(rules) => axe.run({ runOnly: rules })", RULES)["violations"]
        return [
            f"{one['id']}: {node['html'][:160]} {node['any'][:1]}"
            for one in found
            for node in one["nodes"]
        ]

    @property
    def is_wide(self) -> bool:
        """Whether one has to scroll sideways."""
        return bool(
            self.run("document.documentElement.scrollWidth > document.documentElement.clientWidth")
        )

    @property
    def complaints(self) -> list[str]:
        """What the console, a script and the policy said so far."""
        return [*self._said, *self._violations, *self.run("window.complaints ?? []")]

    @property
    def times(self) -> dict[str, float]:
        """Milliseconds from the click on; and how much of the page jumped."""
        return dict(self.run(TIMES))

    @property
    def loaded(self) -> dict[str, int]:
        """Bytes on the wire by kind, as the browser counted them."""
        script = """() => Object.fromEntries(performance.getEntriesByType("resource").map(
          (entry) => [entry.name, entry.encodedBodySize]))"""
        return dict(self.run(script))

    def close(self) -> None:
        """Close it."""
        self._context.close()

    def _console(self, message: ConsoleMessage) -> None:
        if is_complaint(message):
            self._said.append(f"{message.type}: {message.text}")

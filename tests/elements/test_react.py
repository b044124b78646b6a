"""The wrappers for React in a browser: data go in, upgrades come out."""

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.elements.lone import Lone
from tests.node import node_modules, run

pytestmark = pytest.mark.timeout(300)


@pytest.mark.parametrize("version", ["18", "19"])
def test_they_feed_the_elements(lone: Callable[..., Lone], version: str, tmp_path: Path) -> None:
    folder = node_modules("clients/react")
    app = tmp_path / "app.js"
    run(["node", "test/bundle.mjs", version, "browser", "app.js", str(app)], folder)
    page = lone('<div id="app"></div>')
    page.run(app.read_text("utf-8") + ";undefined")

    expect(page.find(".banner.info .remaining")).to_have_text("45 requests remaining today")
    expect(page.find("[part=stat]").first).to_contain_text("Requests Today 12")
    page.run("show({ remainingRequests: 3, nearLimit: true })")
    expect(page.find("scalix-banner [part=banner].warning .remaining")).to_have_text(
        "3 requests remaining today"
    )
    page.find("scalix-banner [part=upgrade]").click()
    assert page.run("upgrades") == 1
    page.run("become('bob')")
    page.page.wait_for_function("asked.length === 2")
    assert page.run("asked") == ["ada", "bob"]
    # Of two looks that overlap the later one counts, also where the earlier takes longer.
    page.run("""() => {
      window.answers = [];
      window.host = () => new Promise((resolve) =>
        answers.push((requestsToday) => resolve({ requestsToday })));
      for (let look = 0; look < 2; look += 1)
        document.dispatchEvent(new CustomEvent("scalix-changed"));
    }""")
    page.run("answers[1](14)")
    expect(page.find("[part=stat]").first).to_contain_text("Requests Today 14")
    page.run("answers[0](13)")
    page.run("new Promise((resolve) => setTimeout(resolve))")
    expect(page.find("[part=stat]").first).to_contain_text("Requests Today 14")
    assert page.requests == []
    assert page.barriers() == []

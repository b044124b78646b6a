"""Every state of every page, and how somebody comes to it.

A state is reached in a window without script where the server renders it, and in one with script
where an element shows it: `SCRIPTED` are those.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urljoin

from playwright.sync_api import expect

from tests.browser.conftest import MODEL, NORMAL, model_of
from tests.browser.window import Window
from tests.world import Behaviour, RunningWorld

LIMIT = 5
"""Requests of an hour of who has no account."""
LONG = "long " * 3_000


@dataclass(frozen=True)
class Stage:
    """What a state is made with."""

    window: Window
    world: RunningWorld


Scene = Callable[[Stage], None]


@dataclass(frozen=True)
class State:
    """The page that it begins on, the way to it, and what the only model of its service does."""

    path: str
    scene: Scene
    fault: str = NORMAL


# ── Welcome ──────────────────────────────────────────────────────────────────────────────────


def first_visit(stage: Stage) -> None:
    expect(stage.window.find("h1")).to_have_text("Try Scalix Free - No API Key Required")
    expect(stage.window.find("#prompt")).to_be_visible()
    expect(stage.window.find(".samples button")).to_have_count(4)


def returning(stage: Stage) -> None:
    stage.window.ask("Once")
    stage.window.go("/")
    expect(stage.window.find("text=Welcome back.")).to_be_visible()
    expect(stage.window.find("main p a[href='/usage']").first).to_be_visible()


def degraded(stage: Stage) -> None:
    _fail(stage)
    stage.window.go("/")
    expect(stage.window.find("text=Answers fail more often than usual.")).to_be_visible()


def _fail(stage: Stage) -> None:
    """Be refused by all models, and wait until it is known: it is looked for once a minute."""
    stage.window.go("/chat")
    stage.window.ask("Will you fail?")
    receipts(stage, 1)


# ── Chat, by its form ────────────────────────────────────────────────────────────────────────


def chat_empty(stage: Stage) -> None:
    expect(stage.window.find("article")).to_have_count(0)


def chat_answered(stage: Stage) -> None:
    stage.world.behave(MODEL, Behaviour(text=MARKDOWN))
    stage.window.ask("Show me all of it")
    expect(stage.window.find(".receipt")).to_contain_text(f"world/{MODEL}")
    expect(stage.window.find(".prose table")).to_be_visible()


def chat_refused_too_long(stage: Stage) -> None:
    stage.window.ask(LONG)
    expect(stage.window.find("[role=alert]")).to_contain_text("not charged")
    expect(stage.window.page.get_by_role("button", name="Trim to fit")).to_be_visible()


def chat_trimmed(stage: Stage) -> None:
    chat_refused_too_long(stage)
    stage.window.page.get_by_role("button", name="Trim to fit").click()
    assert len(stage.window.find("#prompt").input_value()) <= 10_000


def chat_failed(stage: Stage) -> None:
    stage.window.ask("Will you fail?")
    expect(stage.window.find("[role=alert]")).to_contain_text("Nothing was charged")
    expect(stage.window.page.get_by_role("button", name="Try again")).to_be_visible()


def chat_cut(stage: Stage) -> None:
    stage.window.ask("Much")
    expect(stage.window.find(".notice.warn")).to_contain_text("greatest length")
    expect(stage.window.find(".receipt")).to_be_visible()


def chat_at_limit(stage: Stage) -> None:
    for n in range(LIMIT + 1):
        stage.window.ask(f"Question {n}")
    expect(stage.window.find("#limit")).to_have_text("Upgrade to continue using Scalix")
    expect(stage.window.find("#prompt")).to_have_value(f"Question {LIMIT}")


def chat_with_a_key(stage: Stage) -> None:
    token = _use_token(stage)
    stage.window.ask("With a key")
    expect(stage.window.find(".receipt")).to_contain_text(f"world/{MODEL}")
    expect(stage.window.find("form [name=key]").first).to_have_value(token)


def _use_token(stage: Stage) -> str:
    """Type in a credential of one's own, and forget the cookie that came with it."""
    page = stage.window.page
    token = page.request.post(urljoin(page.url, "/api/v1/free/session")).json()["token"]
    page.context.clear_cookies()
    stage.window.find("text=Ask with a key of your own").click()
    stage.window.find("#key").fill(token)
    page.get_by_role("button", name="Use it").click()
    expect(stage.window.find("text=You ask with your key.")).to_be_visible()
    return str(token)


# ── Usage ────────────────────────────────────────────────────────────────────────────────────


def usage_none(stage: Stage) -> None:
    expect(stage.window.find("text=Nothing used yet.")).to_be_visible()


def usage_some(stage: Stage) -> None:
    stage.window.go("/chat")
    stage.window.ask("Once")
    receipts(stage, 1)
    assert "N/A" not in stage.window.find("[data-meter=requests_hour]").inner_text()


def usage_near(stage: Stage) -> None:
    stage.window.go("/chat")
    for n in range(LIMIT - 1):
        stage.window.ask(f"Question {n}")
    receipts(stage, LIMIT - 1)
    expect(stage.window.find("text=Almost out of free requests")).to_be_visible()


def usage_at(stage: Stage) -> None:
    stage.window.go("/chat")
    for n in range(LIMIT):
        stage.window.ask(f"Question {n}")
    receipts(stage, LIMIT)
    expect(stage.window.find("text=Upgrade to continue using Scalix")).to_be_visible()


def usage_deleted(stage: Stage) -> None:
    usage_some(stage)
    stage.window.page.get_by_role("button", name="Delete my data").click()
    expect(stage.window.find("text=Deleted.")).to_be_visible()


def usage_no_key(stage: Stage) -> None:
    stage.window.find("#key").fill("free")
    stage.window.page.get_by_role("button", name="Show its usage").click()
    expect(stage.window.find("[role=alert]")).to_contain_text("This is no key of ours")


def receipts(stage: Stage, count: int) -> None:
    """They are written down within a second."""
    until = time.monotonic() + 10
    while True:
        # By a link of ours: a cookie counts on no other way.
        stage.window.find("nav a[href='/usage']").click()
        if stage.window.find("#receipts ~ table tbody tr").count() >= count:
            return
        assert time.monotonic() < until


# ── Status ───────────────────────────────────────────────────────────────────────────────────


def no_data(stage: Stage) -> None:
    expect(stage.window.find("text=No data yet.")).to_be_visible()


def down(stage: Stage) -> None:
    _fail(stage)
    stage.window.go("/status")
    expect(stage.window.find("text=Nobody answers at the moment.")).to_be_visible()
    expect(stage.window.find("#incidents ~ ul li")).to_have_count(1)


# ── The others ───────────────────────────────────────────────────────────────────────────────


def plain(stage: Stage) -> None:
    expect(stage.window.find("h1")).to_be_visible()


def upgrade_personal(stage: Stage) -> None:
    stage.window.go("/chat")
    for n in range(LIMIT - 1):
        stage.window.ask(f"Question {n}")
    stage.window.find("nav a[href='/upgrade']").click()
    expect(stage.window.find("text=10 % off, as")).to_be_visible()
    expect(stage.window.find("text=Show the price without it")).to_be_visible()


def upgrade_plain(stage: Stage) -> None:
    upgrade_personal(stage)
    stage.window.find("text=Show the price without it").click()
    expect(stage.window.find("text=10 % off, as")).to_have_count(0)
    expect(stage.window.find("text=Show my own price")).to_be_visible()


def upgrade_annual(stage: Stage) -> None:
    stage.window.find("text=Annual").click()
    expect(stage.window.find("#price ~ .figure")).to_contain_text("287.90")


def left_address(stage: Stage) -> None:
    stage.window.find("#email").fill("somebody@example.org")
    stage.window.find("#consent").check()
    stage.window.page.get_by_role("button", name="Tell me").click()
    expect(stage.window.find("text=Thank you.")).to_be_visible()


def connect_tried(stage: Stage) -> None:
    stage.window.page.get_by_role("button", name="Test from here").click()
    expect(stage.window.find("text=It works.")).to_be_visible()


def connect_failed(stage: Stage) -> None:
    stage.window.page.get_by_role("button", name="Test from here").click()
    expect(stage.window.find("text=It did not work.")).to_be_visible()


def mail_sent(stage: Stage) -> None:
    stage.window.find("#email").fill("somebody@example.org")
    stage.window.page.get_by_role("button", name="Send me a link").click()
    expect(stage.window.find("#code")).to_be_visible()


def mail_refused(stage: Stage) -> None:
    stage.window.find("#email").fill("somebody@localhost")
    stage.window.page.get_by_role("button", name="Send me a link").click()
    expect(stage.window.find("[role=alert]")).to_be_visible()


def code_refused(stage: Stage) -> None:
    mail_sent(stage)
    stage.window.find("#code").fill("000000")
    stage.window.page.get_by_role("button", name="Get my key").click()
    expect(stage.window.find("[role=alert]")).to_be_visible()
    expect(stage.window.find("#email")).to_have_value("somebody@example.org")


def thanked(stage: Stage) -> None:
    stage.window.go("/chat")
    stage.window.ask("Rate me")
    stage.window.page.get_by_role("button", name="Bad answer").click()
    expect(stage.window.find("text=Thank you.")).to_be_visible()


def nothing_to_rate(stage: Stage) -> None:
    stage.window.find("#answer").fill("req_" + "0" * 32)
    stage.window.find("input[value='1']").check()
    stage.window.page.get_by_role("button", name="Send").click()
    expect(stage.window.find("[role=alert]")).to_be_visible()


STATES: dict[str, State] = {
    "welcome": State("/", first_visit),
    "welcome-returning": State("/", returning),
    "welcome-degraded": State("/chat", degraded, "503"),
    "chat": State("/chat", chat_empty),
    "chat-answered": State("/chat", chat_answered),
    "chat-too-long": State("/chat", chat_refused_too_long),
    "chat-trimmed": State("/chat", chat_trimmed),
    "chat-failed": State("/chat", chat_failed, "500"),
    "chat-cut": State("/chat", chat_cut, "length"),
    "chat-at-limit": State("/chat", chat_at_limit),
    "chat-with-a-key": State("/chat", chat_with_a_key),
    "usage": State("/usage", usage_none),
    "usage-some": State("/usage", usage_some),
    "usage-near": State("/usage", usage_near),
    "usage-at-limit": State("/usage", usage_at),
    "usage-no-key": State("/usage", usage_no_key),
    "usage-deleted": State("/usage", usage_deleted),
    "upgrade": State("/upgrade", plain),
    "upgrade-annual": State("/upgrade", upgrade_annual),
    "upgrade-personal": State("/upgrade", upgrade_personal),
    "upgrade-plain": State("/upgrade", upgrade_plain),
    "upgrade-left": State("/upgrade", left_address),
    "connect": State("/connect", plain),
    "connect-tried": State("/connect", connect_tried),
    "connect-failed": State("/connect", connect_failed, "500"),
    "status": State("/status", plain),
    "status-no-data": State("/status", no_data, "limits-true"),
    "status-down": State("/chat", down, "504"),
    "privacy": State("/privacy", plain),
    "sign-up": State("/sign-up", plain),
    "sign-up-sent": State("/sign-up", mail_sent),
    "sign-up-refused": State("/sign-up", mail_refused),
    "verify": State("/verify", plain),
    "verify-refused": State("/sign-up", code_refused),
    "feedback": State("/feedback", plain),
    "feedback-thanks": State("/feedback", thanked),
    "feedback-refused": State("/feedback", nothing_to_rate),
    "docs": State("/docs", plain),
}
"""What the server renders, by name: the page that it begins on, and the way."""


# ── With script ──────────────────────────────────────────────────────────────────────────────


def asked_on_welcome(stage: Stage) -> None:
    stage.window.ask("Answer right here")
    expect(stage.window.find("scalix-chat .receipt")).to_contain_text(f"world/{MODEL}")
    assert stage.window.run("location.pathname") == "/"


def sample_on_welcome(stage: Stage) -> None:
    stage.window.find(".samples button").first.click()
    expect(stage.window.find("scalix-chat .receipt")).to_contain_text(f"world/{MODEL}")


def said(stage: Stage, text: str) -> None:
    stage.window.find("scalix-chat #draft").fill(text)
    stage.window.page.keyboard.press("Enter")


def chat_streamed(stage: Stage) -> None:
    said(stage, "Hello")
    expect(stage.window.find("scalix-chat .receipt")).to_contain_text(f"world/{MODEL}")


def chat_stopped(stage: Stage) -> None:
    said(stage, "Slowly")
    stage.world.step_gate(model_of("slow"))
    expect(stage.window.find("scalix-chat .answer .text")).to_be_visible()
    stage.window.page.get_by_role("button", name="Stop").click()
    expect(stage.window.find("scalix-chat .receipt")).to_contain_text("stopped")


def chat_failure(stage: Stage) -> None:
    said(stage, "Fail")
    expect(stage.window.find("scalix-chat .receipt")).to_contain_text("not charged")


def chat_broken(stage: Stage) -> None:
    said(stage, "Break")
    expect(stage.window.find("scalix-chat .receipt")).to_contain_text("given back")


def chat_limited(stage: Stage) -> None:
    for n in range(LIMIT):
        said(stage, f"Question {n}")
        expect(stage.window.find("scalix-chat .answer[aria-busy=false]")).to_have_count(n + 1)
    expect(stage.window.find("scalix-chat #draft")).to_have_count(0)
    expect(stage.window.find("scalix-chat")).to_contain_text("Upgrade to continue using Scalix")


def streamed_with_a_key(stage: Stage) -> None:
    token = _use_token(stage)
    with stage.window.page.expect_request("**/v1/chat/completions") as sent:
        said(stage, "With a key")
    assert sent.value.header_value("authorization") == f"Bearer {token}"
    expect(stage.window.find("scalix-chat .receipt")).to_contain_text(f"world/{MODEL}")
    expect(stage.window.find("scalix-banner .tier")).to_be_visible()


def tried_by_script(stage: Stage) -> None:
    stage.window.page.get_by_role("button", name="Test from here").click()
    expect(stage.window.find("[data-tried] .badge.ok")).to_have_count(2)


def script_finds_failure(stage: Stage) -> None:
    stage.window.page.get_by_role("button", name="Test from here").click()
    expect(stage.window.find("[data-tried] .badge.danger")).to_have_count(1)


def copied(stage: Stage) -> None:
    stage.window.page.get_by_role("button", name="Copy the base URL").click()
    expect(stage.window.page.get_by_role("button", name="Copied the base URL")).to_be_visible()


SCRIPTED: dict[str, State] = {
    "welcome": State("/", first_visit),
    "welcome-asked": State("/", asked_on_welcome),
    "welcome-sample": State("/", sample_on_welcome),
    "chat-streamed": State("/chat", chat_streamed),
    "chat-stopped": State("/chat", chat_stopped, "slow"),
    "chat-failure": State("/chat", chat_failure, "500"),
    "chat-broken": State("/chat", chat_broken, "cut"),
    "chat-limited": State("/chat", chat_limited),
    "chat-with-a-key": State("/chat", streamed_with_a_key),
    "usage": State("/usage", plain),
    "upgrade": State("/upgrade", plain),
    "connect-tried": State("/connect", tried_by_script),
    "connect-failed": State("/connect", script_finds_failure, "500"),
    "connect-copied": State("/connect", copied),
    "status": State("/status", plain),
    "privacy": State("/privacy", plain),
    "sign-up": State("/sign-up", plain),
    "feedback": State("/feedback", plain),
    "docs": State("/docs", plain),
}
"""What there is with script."""

MARKDOWN = """\
# An answer

It has **weight**, `code` and a [link](https://example.org).

| one | two |
|---|---|
| 1 | 2 |

```python
print("a line that is quite long, so that it has to be scrolled on a small screen, surely")
```

> Said by somebody

1. first
2. second
"""

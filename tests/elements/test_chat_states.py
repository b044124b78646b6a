"""`<scalix-chat>` fed by a host: every state, without any network, and what a model may not do."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Dialog, expect

from tests.elements.lone import MATRIX, Lone
from tests.elements.told import limits, offer

Open = Callable[..., Lone]

HOST = """
(() => {
  const held = (signal) => new Promise((resolve, reject) =>
    signal.addEventListener("abort", () => reject(new DOMException("", "AbortError"))));
  window.answers = {
    whole: async () => ({ id: "free_cmp_1", choices: [{ message: { content: "Whole." } }] }),
    pieces: async function* () { yield "In "; yield "pieces."; },
    echo: async function* (question) { yield question.messages.at(-1).content; },
    writing: async function* (question, signal) {
      yield "The first sentence. The second one. And";
      await held(signal);
    },
    waiting: async function* (question, signal) { await held(signal); },
    deaf: () => new Promise(() => undefined),
    long_one: async function* (question, signal) {
      window.more = new EventTarget();
      for (;;) {
        yield "A line.\\n\\n".repeat(60);
        await Promise.race([held(signal), new Promise((go) => more.addEventListener("go", go))]);
      }
    },
    broken: async function* () {
      yield "Half";
      yield { error: { message: "It broke.", code: "upstream_error" } };
    },
    failed: async () => ({ error: "COMPLETION_FAILED", message: "No model.", retryable: true }),
    throwing: async () => { throw new Error("The bridge is down."); },
    limited: async () => ({
      error: "RATE_LIMIT_EXCEEDED",
      message: "Free tier limit exceeded. Please upgrade to Pro.",
      resetTime: new Date(Date.now() + 3_600_000).toISOString(),
    }),
    long: async () => ({ error: { message: "Too long.", code: "prompt_too_long" } }),
  };
  window.asked = [];
  window.chat = document.querySelector("scalix-chat");
  window.answer = (name) => {
    chat.ask = (question, signal) => {
      asked.push(structuredClone(question));
      return answers[name](question, signal);
    };
  };
})()
"""


@pytest.fixture
def chat(lone: Open) -> Callable[..., Lone]:
    """A chat whose host answers by one of the scripts above."""

    def of(script: str, **wishes: object) -> Lone:
        page = lone("<scalix-chat></scalix-chat>", **wishes)
        page.run(HOST)
        page.run("answer", script)
        return page

    return of


def say(page: Lone, text: str = "Hello") -> None:
    page.find("#draft").fill(text)
    page.page.keyboard.press("Enter")


@pytest.mark.parametrize(("script", "text"), [("whole", "Whole."), ("pieces", "In pieces.")])
def test_a_host_answers_at_once_or_in_pieces(chat: Open, script: str, text: str) -> None:
    page = chat(script)
    say(page)

    expect(page.find(".text")).to_have_text(text)
    expect(page.find(".answer[aria-busy=false]")).to_have_count(1)
    assert page.requests == []
    assert page.heard("changed")[0]["state"] == "done"


def test_it_is_empty_with_four_examples(chat: Open) -> None:
    page = chat("echo")
    expect(page.find("[part=samples] button")).to_have_count(4)
    expect(page.find("[part=send]")).to_be_disabled()
    assert page.barriers() == []
    page.find("[part=samples] button").first.click()
    expect(page.find(".text")).to_have_text("Create a React component for a to-do list")
    expect(page.find("[part=samples]")).to_have_count(0)


def test_it_waits_and_can_be_stopped_before_the_first_word(chat: Open) -> None:
    page = chat("waiting")
    say(page)
    expect(page.find("[part=state]")).to_contain_text("Looking for the best free model")
    assert page.barriers() == []
    page.find("[part=stop]").click()
    expect(page.find("[part=state]")).to_have_text("Stopped.")
    expect(page.page.get_by_role("button", name="Ask again")).to_be_visible()


def test_stop_does_not_wait_for_a_host_that_hears_no_signal(chat: Open) -> None:
    page = chat("deaf")
    say(page)
    page.find("[part=stop]").click()
    expect(page.find("[part=state]")).to_have_text("Stopped.")
    page.run("answer", "echo")
    say(page, "Again")
    expect(page.find(".text")).to_have_text("Again")


def test_who_leaves_the_page_stops_and_who_forgets_may_go_on_at_once(chat: Open) -> None:
    page = chat("writing")
    say(page)
    expect(page.find(".text")).to_contain_text("The first sentence.")
    page.run("chat.before(window.mark = new Text()); chat.remove()")
    page.run("mark.after(chat)")
    expect(page.find("[part=state]")).to_have_text("Stopped.")
    say(page)
    expect(page.find("[part=stop]")).to_be_visible()
    page.run("answer", "echo")
    page.run("chat.clear(); chat.send('Anew')")
    expect(page.find(".text")).to_have_text("Anew")
    expect(page.find(".answer")).to_have_count(1)


def test_an_answer_stays_until_another_one_has_words(chat: Open) -> None:
    page = chat("whole")
    say(page)
    another = page.page.get_by_role("button", name="Another answer")
    expect(page.find(".text")).to_have_text("Whole.")
    page.run("answer", "failed")
    another.click()
    expect(page.find("[part=state]")).to_contain_text("No answer this time.")
    expect(page.find(".text")).to_have_text("Whole.")
    page.run("answer", "whole")
    page.page.get_by_role("button", name="Try again").click()
    expect(another).to_be_visible()
    turns = page.run("asked.map(({ turn }) => turn.split('-').slice(2).join())")
    assert turns == ["", "1", "1"]
    page.run("answer", "limited")
    another.click()
    expect(page.find("[part=limit]")).to_be_visible()
    expect(page.find(".text")).to_have_text("Whole.")
    expect(page.find("#later")).to_have_value("")


def test_what_is_typed_meanwhile_is_kept(chat: Open) -> None:
    page = chat("broken")
    say(page)
    page.find("#draft").fill("Not sent yet")
    page.run("answer", "echo")
    page.page.get_by_role("button", name="Continue from here").click()
    expect(page.find(".answer[aria-busy=false]")).to_have_count(2)
    expect(page.find("#draft")).to_have_value("Not sent yet")


def test_a_limit_is_lifted_when_the_host_says_so(chat: Open) -> None:
    page = chat("limited")
    page.give("scalix-chat", limits(hour=1, day=20))
    expect(page.find("[part=limit]")).to_be_visible()
    page.give("scalix-chat", limits(hour=1, day=2))
    say(page, "One more")
    expect(page.find("[part=limit]")).to_be_visible()
    page.give("scalix-chat", limits(hour=1, day=20))
    page.give("scalix-chat", limits(hour=1, day=2))
    expect(page.find("#draft")).to_have_value("One more")


def test_the_page_goes_along_with_an_answer_until_its_reader_scrolls(chat: Open) -> None:
    page = chat("long_one")
    say(page)
    paragraphs = page.find(".text p")
    expect(paragraphs).to_have_count(60)
    assert page.run("scrollY") > 0
    followed = page.run("scrollY")
    page.run("more.dispatchEvent(new Event('go'))")
    expect(paragraphs).to_have_count(120)
    assert page.run("scrollY") > followed
    page.find("article").last.focus()
    page.page.keyboard.press("Home")
    expect(page.find("h1")).to_be_in_viewport()
    page.run("more.dispatchEvent(new Event('go'))")
    expect(paragraphs).to_have_count(180)
    assert page.run("scrollY") == 0
    page.page.keyboard.press("Escape")


def test_nothing_is_sold_while_an_answer_is_written(chat: Open) -> None:
    page = chat("writing")
    page.give("scalix-chat", limits(hour=1, day=17))
    expect(page.page.get_by_text("Upgrade to Pro")).to_have_count(1)
    say(page)
    expect(page.find(".text")).to_contain_text("The first sentence.")
    expect(page.page.get_by_text("Upgrade to Pro")).to_have_count(0)
    assert page.barriers() == []
    page.find("[part=stop]").click()
    expect(page.page.get_by_text("Upgrade to Pro")).to_have_count(1)


def test_screen_readers_hear_sentences_and_the_end(chat: Open) -> None:
    page = chat("writing")
    heard = page.find("scalix-chat [aria-live=polite]")
    say(page)
    expect(heard).to_have_text("The first sentence. The second one.")
    expect(page.find(".answer")).to_have_attribute("aria-busy", "true")
    expect(page.find("[role=log]")).to_have_attribute("aria-live", "off")
    page.page.keyboard.press("Escape")
    expect(heard).to_have_text("And Stopped.")
    page.run("answer", "whole")
    say(page)
    expect(heard).to_have_text("Whole. Answer complete.")


@pytest.mark.parametrize(
    ("script", "words", "remedy"),
    [
        ("broken", "The answer broke off. It broke.", "Continue from here"),
        ("failed", "No answer this time. No model.", "Try again"),
        ("throwing", "No answer this time. The bridge is down.", "Try again"),
        ("long", "This is too long. Too long.", "Trim to fit"),
    ],
)
def test_what_goes_wrong_says_so_and_what_helps(
    chat: Open, script: str, words: str, remedy: str
) -> None:
    page = chat(script, color_scheme="dark")
    say(page)

    expect(page.find("[part=state]")).to_contain_text(words)
    assert page.barriers() == []
    page.run("answer", "echo")
    page.page.get_by_role("button", name=remedy).click()
    if remedy == "Trim to fit":
        expect(page.find("#draft")).to_have_value("Hello")
    else:
        expect(page.find(".text").last).not_to_be_empty()


def test_what_does_not_fit_is_trimmed_before_it_is_sent(chat: Open) -> None:
    page = chat("echo")
    page.run("chat.maxPromptChars = 60")
    page.find("#draft").fill("A sentence of it. " * 10)

    expect(page.find("[part=preview]")).to_contain_text("180 characters; at most 60 fit")
    assert page.barriers() == []
    page.page.get_by_role("button", name="Trim to fit").click()
    expect(page.find("#draft")).to_have_value(
        "A sentence of it. A sentence of it. A sentence of it."
    )


def test_the_oldest_messages_go_first(chat: Open) -> None:
    page = chat("echo")
    say(page, "x" * 700)
    expect(page.find(".answer[aria-busy=false]")).to_have_count(1)
    page.run("chat.contextTokens = 200")
    page.find("#draft").fill("And now?")
    expect(page.find("[part=preview]")).to_contain_text("longer than the models can read")
    page.page.get_by_role("button", name="Trim to fit").click()
    page.page.keyboard.press("Enter")
    page.find("#draft").press("Enter")
    expect(page.find(".answer[aria-busy=false]")).to_have_count(2)

    expect(page.find(".divider")).to_contain_text("not sent along any more")
    assert [one["content"] for one in page.run("asked.at(-1).messages")] == ["And now?"]


def test_a_message_that_waits_is_sent_when_the_limit_resets(chat: Open) -> None:
    page = chat("limited")
    page.page.clock.install()
    page.give("scalix-chat", {"limits": limits(hour=4, day=4), "offer": offer()})
    say(page, "One more")

    card = page.find("[part=limit]")
    expect(card).to_contain_text("Upgrade to continue using Scalix")
    expect(card).to_contain_text("Upgrade to continue your coding session.")
    expect(card).to_contain_text("in 1 h")
    expect(page.find("[part=limit] .primary")).to_have_text("Upgrade Now - 50% Off First Month")
    expect(page.find(".question")).to_have_count(0)
    assert page.barriers() == []
    page.find("[part=hold]").click()
    expect(card).to_contain_text("This will be sent at")
    assert page.barriers() == []
    page.run("answer", "echo")
    page.page.clock.fast_forward("30:00")
    expect(card).to_contain_text("in 30 min")
    page.page.clock.fast_forward("31:00")
    expect(page.find(".text")).to_have_text("One more")
    expect(card).to_have_count(0)
    expect(page.find("#draft")).to_be_visible()


def test_the_way_to_pro_is_the_hosts(chat: Open) -> None:
    page = chat("limited")
    say(page)
    page.find("[part=limit] [part=upgrade]").click()

    assert page.heard("upgrade") == [{"trigger": "AT_LIMIT", "message_id": "chat-limit"}]
    assert page.page.url.endswith("/elements-of-a-test")
    assert [one["action"] for one in page.heard("prompt")] == ["impression", "click"]


def test_without_a_connection_it_says_so(chat: Open) -> None:
    page = chat("echo")
    page.page.context.set_offline(True)
    expect(page.find("[part=quota]")).to_contain_text("You are offline")
    page.page.context.set_offline(False)
    expect(page.find("[part=quota]")).not_to_contain_text("You are offline")


def test_keys_alone_are_enough(chat: Open) -> None:
    page = chat("echo")
    press = page.page.keyboard.press
    page.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    for text in ("First", "Second"):
        say(page, text)
        expect(page.find(".text").last).to_have_text(text)
    focused = "chat.shadowRoot.activeElement?.dataset.id?.split('-').pop()"
    page.find("article").last.focus()
    press("k")
    assert page.run(focused) == "question"
    press("c")
    expect(page.find("scalix-chat [aria-live=polite]")).to_have_text("Copied")
    assert page.run("navigator.clipboard.readText()") == "Second"
    press("ArrowUp")
    press("ArrowUp")
    press("j")
    assert page.run(focused) == "answer"
    press("?")
    expect(page.find("details.settings")).to_have_attribute("open", "")
    page.find("details.settings input").first.focus()
    press("Escape")
    expect(page.find("details.settings")).not_to_have_attribute("open", "")
    assert page.run("chat.shadowRoot.activeElement.tagName") == "SUMMARY"
    page.run("answer", "writing")
    say(page, "Third")
    press("Tab")
    assert page.run("chat.shadowRoot.activeElement.textContent") == "Stop"


def test_single_keys_can_be_switched_off(chat: Open) -> None:
    page = chat("echo")
    say(page)
    page.page.get_by_text("Settings").click()
    page.page.get_by_label("Keyboard shortcuts between messages").uncheck()
    page.page.get_by_text("Settings").click()
    page.find("article").last.focus()
    page.page.keyboard.press("?")

    expect(page.find("details.settings")).not_to_have_attribute("open", "")


HOSTILE = [
    "<img src=x onerror=alert(1)>",
    "<script>alert(1)</script><svg onload=alert(1)>",
    "![t](https://tracker.example/pixel.gif)",
    "[click](javascript:alert(1)) <a href='javascript:alert(1)'>x</a>",
    '<div style="position:fixed;inset:0">over everything</div>',
    '[x](https://a.example "onmouseover=alert(1)")\n\n<style>*{display:none}</style>',
    "```html\n</code></pre><img src=x onerror=alert(1)>\n```",
    "<form action=https://a.example><input name=q><button>Send</button></form>",
    "<base href=https://a.example><meta http-equiv=refresh content='0;url=https://a.example'>",
    "<!--><img src=x onerror=alert(1)>-->",
    "| a |\n|---|\n| <iframe srcdoc='<script>alert(1)</script>'> |",
    "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)></style></mglyph></table>",
]


def test_a_model_can_do_nothing_but_write(chat: Open) -> None:
    page = chat("echo")
    dialogs: list[str] = []

    def dismiss(dialog: Dialog) -> None:
        dialogs.append(dialog.message)
        dialog.dismiss()

    page.page.on("dialog", dismiss)
    for number, text in enumerate(HOSTILE):
        say(page, text)
        expect(page.find(".answer[aria-busy=false]")).to_have_count(number + 1)

    # The fixture looks for what the policy had to stop: it had nothing to do.
    assert dialogs == []
    assert page.requests == []
    for tag in ("img", "script", "svg", "style", "iframe", "form", "input", "base", "math", "meta"):
        assert page.find(f".text {tag}").count() == 0, tag
    assert page.find(".text [style], .text [onerror], .text [onclick], .text [onload]").count() == 0
    for link in page.find(".text a").all():
        assert (link.get_attribute("href") or "").startswith("https://")
        assert link.get_attribute("rel") == "noopener nofollow ugc"


def test_code_can_be_copied(chat: Open) -> None:
    page = chat("echo")
    page.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    say(page, "```js\nconst a = 1 < 2;\n```")
    expect(page.find(".code-bar span")).to_have_text("js")
    page.find(".code-bar button").click()
    expect(page.find(".code-bar button")).to_have_text("Copied")
    assert page.run("navigator.clipboard.readText()") == "const a = 1 < 2;\n"
    assert page.barriers() == []


@pytest.mark.parametrize(("scheme", "width"), MATRIX)
def test_nobody_is_kept_out(chat: Open, scheme: str, width: int) -> None:
    page = chat("echo", color_scheme=scheme, viewport={"width": width, "height": 700})
    page.give("scalix-chat", limits(hour=1, day=17, tokens=4_600))
    text = "# A\n\nA [link](https://a.example), `code`\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n> said"
    page.run("(text) => chat.send(text)", f"{text}\n\n```js\n{'x' * 300}\n```")
    expect(page.find(".answer[aria-busy=false]")).to_have_count(1)
    page.page.get_by_text("Settings").click()

    assert page.barriers() == []
    assert page.run("document.documentElement.scrollWidth") == width


def test_what_cannot_be_copied_is_not_said_to_be(chat: Open) -> None:
    page = chat("echo")
    page.run("void (navigator.clipboard.writeText = () => Promise.reject(new Error()))")
    say(page, "```js\n1\n```")
    for button in (".code-bar button", "[part=tools] button >> nth=0"):
        page.find(button).click()
        expect(page.find(button)).to_have_text("Not copied")
        expect(page.find("scalix-chat [aria-live=polite]")).to_have_text("Not copied")


def test_in_the_colours_of_the_system_what_is_chosen_can_be_told(chat: Open) -> None:
    page = chat("pieces", forced_colors="active")
    say(page)
    good = page.page.get_by_role("button", name="Good answer")
    border = "(button) => getComputedStyle(button).borderTopWidth"
    assert good.evaluate(border) == "1px"
    good.click()

    expect(good).to_have_attribute("aria-pressed", "true")
    assert good.evaluate(border) == "2px"
    assert page.barriers() == []


@pytest.mark.parametrize(("wish", "least"), [("no-preference", 1), ("reduce", 0)])
def test_nothing_moves_where_that_is_wished(chat: Open, wish: str, least: int) -> None:
    page = chat("waiting", reduced_motion=wish)
    moving = "chat.shadowRoot.getAnimations().length"
    say(page)
    expect(page.find(".dots")).to_be_visible()
    assert bool(page.run(moving)) == bool(least)
    page.page.keyboard.press("Escape")
    page.run("answer", "writing")
    say(page)
    expect(page.find(".cursor")).to_contain_text("The first sentence.")
    assert bool(page.run(moving)) == bool(least)
    assert page.run("getComputedStyle(document.documentElement).scrollBehavior") == "auto"
    assert page.barriers() == []


def test_a_conversation_prints_without_what_can_be_pressed(chat: Open) -> None:
    page = chat("echo")
    say(page, "```js\n1\n```")
    expect(page.find("[part=prompt]")).to_be_visible()
    page.page.emulate_media(media="print")

    expect(page.find(".question .said")).to_be_visible()
    expect(page.find(".text code")).to_be_visible()
    expect(page.find(".receipt")).to_be_visible()
    expect(
        page.find("scalix-chat :is(button, form, summary, [part=prompt]):visible")
    ).to_have_count(0)

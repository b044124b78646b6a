"""What may be asked, in which session and in which turn, over HTTP."""

from collections.abc import Callable

import pytest

from tests.api.caller import COMPLETIONS, Caller, question
from tests.api.envelope import refused

Somebody = Callable[[], Caller]


def minted(caller: Caller) -> Caller:
    """The same person with an identity of their own."""
    token = caller.request("POST", "/api/v1/free/session").json()["token"]
    return Caller(caller.url, caller.client, caller.address, {"authorization": f"Bearer {token}"})


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize(
    ("text", "code"),
    [("x" * 10_001, "prompt_too_long"), ("Is it ILLEGAL?", "content_blocked")],
)
def test_what_may_not_be_asked_is_refused_for_free(
    caller: Caller, text: str, code: str, streamed: bool
) -> None:
    response = caller.ask(text, stream=streamed)
    assert refused(response, 400, code).param == "messages"
    assert caller.used()["requests_day"] == 0


def test_the_longest_message_is_answered(caller: Caller) -> None:
    assert caller.ask("x" * 10_000).status_code == 200


def test_older_messages_may_be_longer(caller: Caller) -> None:
    older = [{"role": "user", "content": "x" * 10_001}, {"role": "assistant", "content": "Long."}]
    body = {"messages": [*older, {"role": "user", "content": "Why?"}]}
    assert caller.request("POST", COMPLETIONS, json=body).status_code == 200


@pytest.mark.parametrize(
    "keys",
    [
        [("idempotency-key", "k")] * 4,
        [("x-scalix-request-id", f"k:attempt-{n}") for n in range(4)],
        [("x-dyad-free-quota-key", "k")] * 4,
    ],
    ids=lambda keys: keys[0][0],
)
def test_one_turn_is_charged_one_request(caller: Caller, keys: list[tuple[str, str]]) -> None:
    somebody = minted(caller)
    for name, value in keys:
        answer = somebody.request("POST", COMPLETIONS, json=question(), headers={name: value})
        assert answer.status_code == 200
    assert somebody.used()["requests_day"] == 1
    assert somebody.answer()["free_tier"]["remaining_requests"] == 3


@pytest.mark.parametrize("key", ["", "k" * 257])
def test_what_is_no_key_makes_no_turn(caller: Caller, key: str) -> None:
    somebody = minted(caller)
    for _ in range(2):
        somebody.request("POST", COMPLETIONS, json=question(), headers={"idempotency-key": key})
    assert somebody.used()["requests_day"] == 2


def test_without_an_identity_there_are_no_turns(caller: Caller) -> None:
    for _ in range(2):
        caller.request("POST", COMPLETIONS, json=question(), headers={"idempotency-key": "k"})
    assert caller.used()["requests_day"] == 2


def test_the_session_of_an_identity_is_told(caller: Caller) -> None:
    somebody = minted(caller)
    own = somebody.request("GET", "/api/v1/free/session").json()["session_id"]
    assert somebody.answer()["free_tier"]["session_id"] == own
    assert somebody.answer(session_id="mine")["free_tier"]["session_id"] == "mine"

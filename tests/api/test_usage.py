"""One's own usage over HTTP: days, receipts, limits, and what neighbours may see."""

import datetime
import itertools
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.api.caller import COMPLETIONS, Caller, question
from tests.api.envelope import our_headers, refused
from tests.api.models import GOOD
from tests.api.test_session import as_bearer, token_of

USAGE = "/api/v1/free/usage"
WRITTEN_S = 5.0
"""Within a second, says the manual; a busy machine gets more."""


def usage(caller: Caller, query: str = "") -> Any:
    response = caller.request("GET", USAGE + query)
    assert response.status_code == 200, response.text
    return response.json()


def once(caller: Caller, holds: Callable[[Any], bool]) -> Any:
    """The usage, once it is as it should be."""
    end = time.monotonic() + WRITTEN_S
    while not holds(told := usage(caller)):
        assert time.monotonic() < end, told
        time.sleep(0.05)
    return told


def test_somebody_new_has_used_nothing(caller: Caller) -> None:
    told = usage(caller)
    days = told.pop("days")
    assert len(days) == 14
    today = datetime.datetime.now(datetime.UTC).date()
    assert datetime.date.fromisoformat(days[-1]["date"]) in {today, today - datetime.timedelta(1)}
    dates = [datetime.date.fromisoformat(day["date"]) for day in days]
    assert all(b - a == datetime.timedelta(1) for a, b in itertools.pairwise(dates))
    assert {(day["requests"], day["tokens"]) for day in days} == {(0, 0)}
    assert (told.pop("receipts"), told.pop("shared")) == ([], True)
    assert told == caller.limits()


def test_a_session_sees_days_and_receipts(caller: Caller) -> None:
    mine = as_bearer(caller, token_of(caller))
    whole = mine.ask(model=GOOD, temperature=0.5)
    streamed = mine.stream(model=GOOD, temperature=0.5)
    mine.ask("illegal things")
    told = once(mine, lambda told: len(told["receipts"]) == 3)

    assert told["shared"] is False
    refusal, second, first = told["receipts"]
    assert first["request_id"] == whole.headers["x-request-id"]
    answer = whole.json()["usage"]
    assert first == {
        "request_id": first["request_id"],
        "at": first["at"],
        "model": GOOD,
        "attempts": 1,
        "cache": "bypass",
        "outcome": "answered",
        "code": None,
        "prompt_tokens": answer["prompt_tokens"],
        "completion_tokens": answer["completion_tokens"],
        "charged_requests": 1,
        "charged_tokens": answer["total_tokens"],
        "first_token_ms": None,
        "total_ms": first["total_ms"],
    }
    assert second["request_id"] == streamed.headers["x-request-id"]
    assert 0 < second["first_token_ms"] <= second["total_ms"]
    assert (refusal["outcome"], refusal["code"]) == ("refused", "content_blocked")
    assert (refusal["charged_requests"], refusal["charged_tokens"]) == (0, 0)
    assert [day["requests"] for day in told["days"][-2:]] in ([0, 2], [2, 0], [1, 1])
    tokens = sum(receipt["charged_tokens"] for receipt in told["receipts"])
    assert sum(day["tokens"] for day in told["days"]) == tokens
    assert told["windows"][0]["used"] == 2


def test_a_turn_that_is_asked_again_is_charged_by_one_receipt(caller: Caller) -> None:
    mine = as_bearer(caller, token_of(caller))
    for _ in range(2):
        body = question(model=GOOD, temperature=0.5)
        answer = mine.request("POST", COMPLETIONS, json=body, headers={"idempotency-key": "turn"})
        assert answer.status_code == 200
    told = once(mine, lambda told: len(told["receipts"]) == 2)

    second, first = told["receipts"]
    assert [first["charged_requests"], second["charged_requests"]] == [1, 0]
    assert first["charged_tokens"] == second["charged_tokens"] > 0
    windows = {window["name"]: window["used"] for window in told["windows"]}
    assert sum(day["requests"] for day in told["days"]) == windows["requests_day"] == 1
    assert sum(day["tokens"] for day in told["days"]) == windows["tokens_day"]


def test_without_a_credential_there_are_sums_only(caller: Caller) -> None:
    caller.ask(model=GOOD)
    told = once(caller, lambda told: told["days"][-1]["requests"] == 1)

    assert told["receipts"] == []
    assert told["shared"] is True


def test_nobody_sees_what_others_used(caller: Caller, somebody: Callable[[], Caller]) -> None:
    mine = as_bearer(caller, token_of(caller))
    mine.ask(model=GOOD)
    once(mine, lambda told: len(told["receipts"]) == 1)

    for other in (caller, somebody(), as_bearer(caller, token_of(caller))):
        told = usage(other)
        assert told["receipts"] == []
        assert sum(day["requests"] for day in told["days"]) == 0


def test_only_the_last_twenty_are_receipts(caller: Caller) -> None:
    mine = as_bearer(caller, token_of(caller))
    for _ in range(5):
        mine.ask(model=GOOD)
    for n in range(16):
        mine.ask(f"illegal {n}")
    told = once(mine, lambda told: len(told["receipts"]) == 20)
    assert [one["outcome"] for one in told["receipts"]].count("refused") == 16


def test_as_many_days_as_asked_for(caller: Caller) -> None:
    assert len(usage(caller, "?days=1")["days"]) == 1
    assert len(usage(caller, "?days=30")["days"]) == 30
    for wrong in ("0", "31", "-1", "x", "1.5", "", "99999", "000131", "\u0663"):
        error = refused(caller.request("GET", f"{USAGE}?days={wrong}"), 400, "invalid_request")
        assert error.param == "days"


def test_it_is_nobody_else_s_to_keep(caller: Caller) -> None:
    response = caller.request("GET", USAGE)
    assert response.headers["cache-control"] == "no-store"
    assert our_headers(response) == {"x-request-id"}
    wrong = as_bearer(caller, "scalix_free_not.valid")
    refused(wrong.request("GET", USAGE), 401, "invalid_api_key")


@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_it_only_reads(caller: Caller, method: str) -> None:
    refused(caller.request(method, USAGE), 405, "method_not_allowed")

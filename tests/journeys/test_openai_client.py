"""The official client, pointed at the service with a key that is none."""

import json
from collections.abc import AsyncIterator, Callable, Iterator

import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam, ChatCompletionToolParam

from tests.api.caller import QUESTION, Caller
from tests.api.models import ALL, GOOD, Fresh
from tests.api.test_operations import Sample, grown, metrics
from tests.api.test_stream import breaking
from tests.world import Behaviour

__all__ = ["metrics"]  # a fixture

ASKED: list[ChatCompletionMessageParam] = [{"role": "user", "content": QUESTION}]
ECHO = f"You said: {QUESTION}"
TOOL: ChatCompletionToolParam = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}


@pytest.fixture
def sdk(caller: Caller) -> Iterator[openai.OpenAI]:
    """The client with its defaults, among them two retries; only the address is made up."""
    headers = {"x-forwarded-for": caller.address}
    url = f"{caller.url}/v1"
    with openai.OpenAI(base_url=url, api_key="free", default_headers=headers) as sdk:
        yield sdk


@pytest.fixture
async def async_sdk(caller: Caller) -> AsyncIterator[openai.AsyncOpenAI]:
    headers = {"x-forwarded-for": caller.address}
    url = f"{caller.url}/v1"
    async with openai.AsyncOpenAI(base_url=url, api_key="free", default_headers=headers) as sdk:
        yield sdk


# ── Answers ──────────────────────────────────────────────────────────────────────────────────


def test_an_answer(sdk: openai.OpenAI) -> None:
    answer = sdk.chat.completions.create(model="scalix-free", messages=ASKED)
    assert answer.choices[0].message.content == ECHO
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert answer.usage.total_tokens == 14
    assert answer.model_extra is not None
    assert answer.model_extra["free_tier"]["remaining_requests"] == 4


def test_its_headers(sdk: openai.OpenAI) -> None:
    raw = sdk.chat.completions.with_raw_response.create(model="gpt-4o", messages=ASKED)
    assert raw.headers["x-scalix-model"] == GOOD
    assert raw.headers["x-scalix-model-requested"] == "gpt-4o"
    assert raw.request_id == raw.headers["x-request-id"]
    assert raw.parse().choices[0].message.content == ECHO


def test_a_stream(sdk: openai.OpenAI) -> None:
    said, left, usages = "", None, []
    for chunk in sdk.chat.completions.create(model="scalix-free", messages=ASKED, stream=True):
        said += chunk.choices[0].delta.content or ""  # as naive code reads it: every one has it
        left = (chunk.model_extra or {}).get("free_tier", left)
        usages.append(chunk.usage)
    assert said == ECHO
    assert left is not None
    assert left["remaining_requests"] == 4
    assert not any(usages)


def test_a_stream_with_usage(sdk: openai.OpenAI) -> None:
    stream = sdk.chat.completions.create(
        model="scalix-free", messages=ASKED, stream=True, stream_options={"include_usage": True}
    )
    *chunks, last = list(stream)
    assert all(chunk.choices for chunk in chunks)
    assert last.choices == []
    assert last.usage is not None
    assert (last.usage.prompt_tokens, last.usage.completion_tokens) == (6, 8)


def test_the_clients_own_collector_of_streams(sdk: openai.OpenAI) -> None:
    with sdk.chat.completions.stream(model="scalix-free", messages=ASKED) as stream:
        completion = stream.get_final_completion()
    assert completion.choices[0].message.content == ECHO


async def test_the_async_client(async_sdk: openai.AsyncOpenAI) -> None:
    answer = await async_sdk.chat.completions.create(model="scalix-free", messages=ASKED)
    assert answer.choices[0].message.content == ECHO
    stream = await async_sdk.chat.completions.create(
        model="scalix-free", messages=ASKED, stream=True
    )
    said = "".join([chunk.choices[0].delta.content or "" async for chunk in stream])
    assert said == ECHO


def test_the_models(sdk: openai.OpenAI) -> None:
    ids = [model.id for model in sdk.models.list()]
    assert ids[0] == "scalix-free"
    assert set(ids[1:]) == {model["id"] for model in ALL}
    assert sdk.models.retrieve("scalix-free").id == "scalix-free"
    assert sdk.models.retrieve(GOOD).owned_by == "world"
    with pytest.raises(openai.NotFoundError):
        sdk.models.retrieve("gpt-4o")


def test_a_tool_is_called_and_its_result_is_told(sdk: openai.OpenAI, fresh: Fresh) -> None:
    fresh.behave(
        Behaviour("tools", calls=(("get_weather", '{"city": "Paris"}'),)),
        Behaviour(text="It is sunny."),
    )
    messages = list(ASKED)
    answer = sdk.chat.completions.create(model=fresh.id, messages=messages, tools=[TOOL])
    message = answer.choices[0].message
    assert answer.choices[0].finish_reason == "tool_calls"
    assert message.tool_calls is not None
    (call,) = message.tool_calls
    assert call.type == "function"
    assert (call.function.name, json.loads(call.function.arguments)) == (
        "get_weather",
        {"city": "Paris"},
    )
    messages += [
        {"role": "assistant", "tool_calls": [call.to_dict()]},  # type: ignore[list-item]
        {"role": "tool", "tool_call_id": call.id, "content": "sunny"},
    ]
    answer = sdk.chat.completions.create(model=fresh.id, messages=messages, tools=[TOOL])
    assert answer.choices[0].message.content == "It is sunny."
    asked, told = fresh.seen
    assert asked.body["tools"] == [TOOL]
    assert told.body["messages"] == messages


def test_a_tool_is_called_in_a_stream(sdk: openai.OpenAI, fresh: Fresh) -> None:
    fresh.behave("tools")
    with sdk.chat.completions.stream(model=fresh.id, messages=ASKED, tools=[TOOL]) as stream:
        message = stream.get_final_completion().choices[0].message
    assert [
        (call.function.name, json.loads(call.function.arguments))
        for call in message.tool_calls or []
    ] == [("get_weather", {"city": "Paris"}), ("get_time", {"zone": "UTC"})]


# ── Refusals ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("streamed", [False, True])
def test_a_spent_hour_is_asked_for_once(
    sdk: openai.OpenAI,
    caller: Caller,
    metrics: Callable[[], dict[Sample, float]],
    streamed: bool,
) -> None:
    """The client would try twice more; the answer tells it not to."""
    for _ in range(5):
        caller.answer()
    before = metrics()
    with pytest.raises(openai.RateLimitError) as refusal:
        sdk.chat.completions.create(model="scalix-free", messages=ASKED, stream=streamed)
    assert grown(before, metrics(), "free_api_refusals_total") == {"free_tier_hourly_limit": 1}
    error = refusal.value
    assert error.code == "free_tier_hourly_limit"
    assert error.type == "rate_limit_error"
    assert "Free tier limit exceeded. Please upgrade to Pro." in error.message
    assert "Resource has been exhausted" in error.message
    assert isinstance(error.body, dict)
    assert error.body["reset_at"] == error.response.headers["x-scalix-reset-at"]
    assert error.body["upgrade_url"].endswith("/upgrade")


def test_what_cannot_be_helped_is_asked_for_once(
    sdk: openai.OpenAI, fresh: Fresh, metrics: Callable[[], dict[Sample, float]]
) -> None:
    fresh.behave("500")
    before = metrics()
    with pytest.raises(openai.InternalServerError) as failure:
        sdk.chat.completions.create(model=fresh.id, messages=ASKED)
    assert grown(before, metrics(), "free_api_errors_total") == {"upstream_error": 1}
    assert failure.value.status_code == 502
    assert len(fresh.seen) == 1


def test_a_short_wait_is_waited(sdk: openai.OpenAI, fresh: Fresh) -> None:
    """A budget that returns in a moment: the client sleeps as told, and gets its answer."""
    fresh.behave(Behaviour("429", retry_after_s=0.05), "normal")
    answer = sdk.chat.completions.create(model=fresh.id, messages=ASKED)
    assert answer.choices[0].message.content == ECHO
    assert len(fresh.seen) == 2


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"temperature": 3}, openai.BadRequestError),
        ({"extra_headers": {"authorization": "Bearer scalix_key_0"}}, openai.AuthenticationError),
    ],
)
def test_a_refusal_has_its_type(
    sdk: openai.OpenAI, fields: dict[str, object], error: type[openai.APIStatusError]
) -> None:
    with pytest.raises(error) as refusal:
        sdk.chat.completions.create(model="scalix-free", messages=ASKED, **fields)  # type: ignore[call-overload]
    assert refusal.value.request_id == refusal.value.response.headers["x-request-id"]


def test_a_stream_that_breaks_raises(sdk: openai.OpenAI, fresh: Fresh) -> None:
    fresh.behave(breaking("cut"))
    stream = sdk.chat.completions.create(model=fresh.id, messages=ASKED, stream=True)
    assert next(stream).choices[0].delta.content
    with pytest.raises(openai.APIError, match="broke off") as failure:
        list(stream)
    assert failure.value.code == "upstream_error"
    assert isinstance(failure.value.body, dict)
    assert failure.value.body["request_id"] == stream.response.headers["x-request-id"]


async def test_who_closes_a_stream_closes_the_provider(
    async_sdk: openai.AsyncOpenAI, fresh: Fresh
) -> None:
    fresh.behave(Behaviour("stall", k=1))
    stream = await async_sdk.chat.completions.create(model=fresh.id, messages=ASKED, stream=True)
    assert (await anext(aiter(stream))).choices[0].delta.content
    await stream.close()
    assert fresh.aborted(within_s=1.0)

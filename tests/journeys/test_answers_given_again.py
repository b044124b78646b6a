"""The same question again, through HTTP: by the official client, at once, and after an erasure."""

import asyncio
from collections.abc import Callable

import httpx
import openai
import pytest

from tests.api.caller import COMPLETIONS, QUESTION, Caller, question
from tests.api.models import Fresh
from tests.world import Behaviour


def use(response: httpx.Response) -> tuple[str, str]:
    """What its headers say of the cache, and how many models were asked."""
    return response.headers["x-scalix-cache"], response.headers["x-scalix-attempts"]


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("streamed_again", [False, True])
def test_the_client_gets_the_same_whichever_way_it_asks(
    caller: Caller, fresh: Fresh, streamed: bool, streamed_again: bool
) -> None:
    fresh.behave(Behaviour(text="A budget is what is left."), Behaviour(text="Another answer."))
    headers = {"x-forwarded-for": caller.address}
    with openai.OpenAI(base_url=f"{caller.url}/v1", api_key="free", default_headers=headers) as sdk:
        said = [ask(sdk, fresh.id, stream) for stream in (streamed, streamed_again)]

    assert said == ["A budget is what is left."] * 2
    assert len(fresh.seen) == 1
    assert caller.used()["requests_hour"] == 2


def ask(sdk: openai.OpenAI, model: str, streamed: bool) -> str:
    completions = sdk.chat.completions
    if not streamed:
        answer = completions.create(model=model, messages=[{"role": "user", "content": QUESTION}])
        return answer.choices[0].message.content or ""
    with completions.stream(
        model=model, messages=[{"role": "user", "content": QUESTION}]
    ) as stream:
        return stream.get_final_completion().choices[0].message.content or ""


def test_a_replayed_stream_is_one(caller: Caller, fresh: Fresh) -> None:
    first = caller.stream(model=fresh.id, stream_options={"include_usage": True})
    again = caller.stream(model=fresh.id, stream_options={"include_usage": True})

    assert (first.headers["x-scalix-cache"], again.headers["x-scalix-cache"]) == ("miss", "hit")
    assert again.headers["x-scalix-model"] == fresh.id
    assert (again.content, again.done) == (first.content, True)
    assert again.frames[-1]["usage"] == first.frames[-1]["usage"]
    assert again.free_tier["remaining_requests"] == first.free_tier["remaining_requests"] - 1


def test_who_wants_another_answer_gets_one(caller: Caller, fresh: Fresh) -> None:
    anew = {"cache-control": "no-cache"}
    caller.answer(model=fresh.id)
    asked = caller.request("POST", COMPLETIONS, json=question(model=fresh.id), headers=anew)
    warm = caller.ask(model=fresh.id, temperature=1)

    assert use(asked) == use(warm) == ("bypass", "1")
    assert len(fresh.seen) == 3


def test_neighbours_far_away_ask_for_themselves(
    somebody: Callable[[], Caller], fresh: Fresh
) -> None:
    for caller in (somebody(), somebody()):
        assert use(caller.ask(model=fresh.id)) == ("miss", "1")
        assert use(caller.ask(model=fresh.id)) == ("hit", "0")


async def test_of_two_at_once_one_may_leave(caller: Caller, fresh: Fresh) -> None:
    fresh.behave(Behaviour("slow", between_s=0.0))
    headers = {"x-forwarded-for": caller.address}
    body = question(model=fresh.id, stream=True)
    async with httpx.AsyncClient(base_url=caller.url, headers=headers, trust_env=False) as client:
        first, second = (asyncio.create_task(client.post(COMPLETIONS, json=body)) for _ in range(2))
        await asyncio.to_thread(fresh.arrived)
        while caller.used()["concurrent"] < 2:
            await asyncio.sleep(0.005)
        first.cancel()
        await asyncio.wait([first])
        while caller.used()["concurrent"] > 1:
            await asyncio.sleep(0.005)
        fresh.world.open_gate(fresh.name)
        answer = await second

    assert answer.status_code == 200
    assert answer.text.endswith("data: [DONE]\n\n")
    assert len(fresh.seen) == 2  # the first left before there was a word to share
    assert caller.used()["requests_hour"] == 2


async def test_with_the_last_of_them_the_provider_is_left(caller: Caller, fresh: Fresh) -> None:
    fresh.behave(Behaviour("hang"))
    headers = {"x-forwarded-for": caller.address}
    body = question(model=fresh.id, stream=True)
    async with httpx.AsyncClient(base_url=caller.url, headers=headers, trust_env=False) as client:
        asking = [asyncio.create_task(client.post(COMPLETIONS, json=body)) for _ in range(2)]
        await asyncio.to_thread(fresh.arrived)
        while caller.used()["concurrent"] < 2:
            await asyncio.sleep(0.005)
        for one in asking:
            one.cancel()
        await asyncio.wait(asking)
    assert await asyncio.to_thread(fresh.aborted, 1.0)

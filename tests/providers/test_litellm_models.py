"""What a pool reads of the models of a proxy."""

import json
from typing import Any

import pytest
from aiohttp import web

from scalix_free.providers import litellm_models
from scalix_free.providers.litellm_models import ModelsUnavailable, ProxyModel, proxy_models
from scalix_free.providers.openai_http import open_session


async def read(
    models: Any, info: Any = 404, *, asked: list[tuple[str, str | None]] | None = None
) -> dict[str, ProxyModel]:
    """What is read where a proxy says this; a number is a status, bytes are what they are."""

    async def answer(request: web.Request) -> web.Response:
        if asked is not None:
            asked.append((request.path, request.headers.get("Authorization")))
        said = models if request.path == "/v1/models" else info
        if isinstance(said, int):
            return web.Response(status=said)
        body = said if isinstance(said, bytes) else json.dumps({"data": said}).encode()
        return web.Response(body=body, content_type="application/json")

    app = web.Application()
    app.add_routes([web.get("/{path:.*}", answer)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        root = f"http://127.0.0.1:{runner.addresses[0][1]}"
        async with open_session() as session:
            found = await proxy_models(session, root, "sk-master")
    finally:
        await runner.cleanup()
    return {one.name: one for one in found}


def named(*names: str) -> list[dict[str, str]]:
    return [{"id": name, "object": "model"} for name in names]


def told(name: str, model: str, /, api_base: str | None = None, **about: Any) -> dict[str, Any]:
    where = {"model": model, "api_base": api_base, "use_in_pass_through": False}
    return {"model_name": name, "litellm_params": where, "model_info": {"id": "x", **about}}


async def test_names_are_enough() -> None:
    asked: list[tuple[str, str | None]] = []
    found = await read(named("free-gemini-flash", "two"), asked=asked)
    assert found["free-gemini-flash"] == ProxyModel(name="free-gemini-flash")
    assert list(found) == ["free-gemini-flash", "two"]
    assert asked == [
        ("/v1/models", "Bearer sk-master"),
        ("/v1/model/info", "Bearer sk-master"),
    ], "nothing else: /health would call every model"


async def test_what_is_behind_a_name_and_what_it_can() -> None:
    found = await read(
        named("fast", "here"),
        [
            told(
                "fast",
                "gemini/gemini-flash",
                max_input_tokens=1_000_000,
                max_output_tokens=8192,
                supports_function_calling=True,
                supports_vision=True,
                supports_response_schema=None,
            ),
            told("here", "openai/local", "http://127.0.0.1:9/v1/", supports_vision=False),
            told("fast", "groq/second"),
            told("unlisted", "groq/third"),
        ],
    )
    assert found["fast"] == ProxyModel(
        name="fast",
        stands_for="gemini/gemini-flash",
        context_tokens=1_000_000,
        max_output_tokens=8192,
        abilities=("tools", "images"),
    )
    assert found["here"] == ProxyModel(
        name="here", stands_for="openai/local", api_base="http://127.0.0.1:9/v1"
    ), "of whom LiteLLM knows nothing it says that they can do nothing"
    assert list(found) == ["fast", "here"]


async def test_what_does_not_talk_and_what_is_no_model_is_left_out() -> None:
    info = [
        told("words", "openai/a", mode="chat"),
        told("vectors", "openai/b", mode="embedding"),
        told("pictures", "openai/c", mode="image_generation"),
    ]
    rows = [*named("words", "vectors", "pictures", "groq/*", "words"), {"id": "a b"}, {}, 3]
    assert list(await read(rows, info)) == ["words"]


@pytest.mark.parametrize("info", [403, b"nonsense", b"{}", [3, {"model_name": 7}, {}]])
async def test_what_cannot_be_read_beside_the_names_is_done_without(info: object) -> None:
    assert list(await read(named("one"), info)) == ["one"]


async def test_a_proxy_that_fails_to_say_what_is_behind_is_asked_again() -> None:
    """By its name alone a model may be another's, with other limits, or nobody's and without."""
    with pytest.raises(ModelsUnavailable, match="status 503"):
        await read(named("one"), 503)


@pytest.mark.parametrize(
    ("models", "why"),
    [
        (401, "status 401"),
        (500, "status 500"),
        (302, "status 302"),
        (b"<!doctype html>", "no list"),
        (b'{"data": 3}', "no list"),
        ([], "no model that talks"),
        ([{"id": "groq/*"}], "no model that talks"),
    ],
)
async def test_a_list_that_cannot_be_read_says_why(models: object, why: str) -> None:
    with pytest.raises(ModelsUnavailable, match=why):
        await read(models)


async def test_an_endless_list_is_not_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(litellm_models, "MOST_BYTES", 100)
    with pytest.raises(ModelsUnavailable, match="too large"):
        await read(named(*(f"model-{n}" for n in range(20))))


async def test_where_nobody_listens_there_is_no_list() -> None:
    async with open_session() as session:
        with pytest.raises(ModelsUnavailable, match="ClientConnectorError"):
            await proxy_models(session, "http://127.0.0.1:1", "")

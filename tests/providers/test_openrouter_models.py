"""OpenRouter's list of models, read over real HTTP: what is free, and what is no list."""

import datetime
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import pytest

from scalix_free.providers import openrouter_models
from scalix_free.providers.openai_http import open_session
from scalix_free.providers.openrouter_models import (
    FreeModel,
    ListUnavailable,
    free_models,
    parse,
)
from tests.providers.lister import Lister, lister, row

FREE = {"prompt": "0", "completion": "0", "request": "0", "image": "0"}


def found(*rows: Mapping[str, Any]) -> Sequence[FreeModel]:
    return parse(json.dumps({"data": rows}).encode())


def names(*rows: Mapping[str, Any]) -> list[str]:
    return [model.name for model in found(*rows)]


def test_a_free_model_is_understood() -> None:
    (model,) = found(
        row(
            "maker/model:free",
            context_length=262144,
            architecture={
                "modality": "text+image->text",
                "input_modalities": ["text", "image"],
                "output_modalities": ["text"],
            },
            top_provider={
                "context_length": 131072,
                "max_completion_tokens": 32768,
                "is_moderated": False,
            },
            supported_parameters=["tools", "response_format", "reasoning", "temperature"],
            expiration_date="2026-12-31",
        )
    )

    assert model == FreeModel(
        name="maker/model:free",
        context_tokens=131072,
        max_output_tokens=32768,
        abilities=("tools", "json", "images"),
        reasoning=True,
        expires=datetime.date(2026, 12, 31),
    )


def test_what_is_not_said_is_not_known() -> None:
    (model,) = found({"id": "a/b", "pricing": {"prompt": "0", "completion": "0"}})

    assert model == FreeModel(
        name="a/b",
        context_tokens=None,
        max_output_tokens=None,
        abilities=(),
        reasoning=False,
        expires=None,
    )


@pytest.mark.parametrize(
    ("pricing", "free"),
    [
        (FREE, True),
        ({"prompt": "0", "completion": "0"}, True),
        ({"prompt": 0, "completion": 0.0}, True),
        ({"prompt": "0.00000000", "completion": "0e-9"}, True),
        ({"prompt": "0.0000002", "completion": "0.0000008"}, False),
        ({"prompt": "0", "completion": "0.0000008"}, False),
        ({"prompt": "0", "completion": "0", "request": "0.01"}, False),
        ({"prompt": "-1", "completion": "-1"}, False),  # it depends on what is picked
        ({"prompt": "0"}, False),
        ({"prompt": "0", "completion": None}, False),
        ({"prompt": "nothing", "completion": "0"}, False),
        ({"prompt": "nan", "completion": "0"}, False),
        ({}, False),
    ],
)
def test_free_is_what_has_no_price(pricing: Mapping[str, Any], free: bool) -> None:
    assert names(row("with:free", pricing=pricing), row("other", pricing=FREE)) == (
        ["with:free", "other"] if free else ["other"]
    )


def test_the_suffix_is_neither_needed_nor_enough() -> None:
    paid = {"prompt": "0.1", "completion": "0.1"}

    assert names(row("a/plain"), row("b/paid:free", pricing=paid)) == ["a/plain"]


def test_what_does_not_answer_in_text_alone_is_left_out() -> None:
    draws = {"input_modalities": ["text"], "output_modalities": ["text", "image"]}

    assert names(row("draws", architecture=draws), row("x/llama-guard-4:free"), row("talks")) == [
        "talks"
    ]


@pytest.mark.parametrize(
    "broken",
    [
        {"id": 3, "pricing": FREE},
        {"id": "", "pricing": FREE},
        {"id": "with space", "pricing": FREE},
        {"id": "line\nbreak", "pricing": FREE},
        {"pricing": FREE},
        {"id": "x"},
        {"id": "x", "pricing": "free"},
        {"id": "x", "pricing": FREE, "context_length": "much"},
        "x",
        None,
    ],
)
def test_a_row_that_cannot_be_read_is_passed_over(broken: Any) -> None:
    assert names(broken, row("good")) == ["good"]


@pytest.mark.parametrize("date", ["", "soon", "2026-13-01", None])
def test_a_date_that_is_none_does_not_end_a_model(date: str | None) -> None:
    assert found(row("a", expiration_date=date))[0].expires is None


def test_a_moment_ends_a_model_on_its_day() -> None:
    (model,) = found(row("a", expiration_date="2026-12-31T08:00:00Z"))

    assert model.expires == datetime.date(2026, 12, 31)


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b'{"data": 3}', b"<html>", b"\xff"])
def test_what_is_no_list_is_refused(body: bytes) -> None:
    with pytest.raises(ListUnavailable, match="it is no list of models"):
        parse(body)


# ── Over HTTP ────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
async def server() -> AsyncIterator[Lister]:
    async with lister() as server:
        yield server


async def read(server: Lister) -> Sequence[FreeModel]:
    async with open_session() as session:
        return await free_models(session, server.base_url)


async def test_the_list_is_read_without_a_key(server: Lister) -> None:
    server.rows = [row("a:free"), row("b", pricing={"prompt": "1", "completion": "1"})]

    assert [model.name for model in await read(server)] == ["a:free"]
    (asked,) = server.asked
    assert (asked.method, asked.path) == ("GET", "/v1/models")
    assert "authorization" not in asked.headers


async def test_a_list_without_a_free_model_is_not_believed(server: Lister) -> None:
    server.rows = [row("b", pricing={"prompt": "1", "completion": "1"})]

    with pytest.raises(ListUnavailable, match="it names no free model"):
        await read(server)


@pytest.mark.parametrize("status", [204, 302, 401, 404, 429, 500, 503])
async def test_any_other_status_is_no_list(server: Lister, status: int) -> None:
    server.status = status

    with pytest.raises(ListUnavailable, match=f"status {status}"):
        await read(server)


async def test_a_list_that_never_ends_is_cut(
    server: Lister, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openrouter_models, "MOST_BYTES", 1_000)
    server.rows = [row(f"{n}:free") for n in range(100)]

    with pytest.raises(ListUnavailable, match="it is too large"):
        await read(server)


async def test_a_server_that_says_nothing_is_left(
    server: Lister, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openrouter_models, "PATIENCE_S", 0.05)
    server.silent = True

    with pytest.raises(ListUnavailable, match="TimeoutError"):
        await read(server)


async def test_a_server_that_is_not_there_is_no_list() -> None:
    async with open_session() as session:
        with pytest.raises(ListUnavailable, match="ClientConnectorError"):
            await free_models(session, "http://127.0.0.1:1/v1")

"""OpenRouter's list of models: which of them are free today. Reading it costs no quota."""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Annotated, Final

import aiohttp
import msgspec
from msgspec import Meta

from scalix_free import __version__
from scalix_free.providers.http_session import Session

MOST_BYTES: Final = 16 * 1024 * 1024
PATIENCE_S: Final = 20.0
PRICES: Final = ("prompt", "completion", "request")
JSON_PARAMETERS: Final = frozenset({"response_format", "structured_outputs"})
JUDGES: Final = ("guard", "safety", "moderation")
"""Words in the names of models that judge texts and do not answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FreeModel:
    """A model that costs nothing, as the list has it. From ``expires`` on it is gone."""

    name: str
    context_tokens: int | None
    max_output_tokens: int | None
    abilities: tuple[str, ...]
    reasoning: bool
    expires: datetime.date | None


class ListUnavailable(Exception):  # noqa: N818
    """The list could not be read, or names no free model at all. The message is ours."""


class _Architecture(msgspec.Struct, frozen=True):
    input_modalities: tuple[str, ...] = ("text",)
    output_modalities: tuple[str, ...] = ("text",)


class _Server(msgspec.Struct, frozen=True):
    context_length: int | None = None
    max_completion_tokens: int | None = None


class _Row(msgspec.Struct, frozen=True):
    id: Annotated[str, Meta(pattern=r"^[!-~]{1,200}$")]
    pricing: dict[str, str | int | float | None]
    context_length: int | None = None
    architecture: _Architecture | None = None
    top_provider: _Server | None = None
    supported_parameters: tuple[str, ...] | None = None
    expiration_date: str | None = None


class _List(msgspec.Struct, frozen=True):
    data: list[msgspec.Raw]


async def free_models(session: Session, base_url: str) -> Sequence[FreeModel]:
    """Read the list below a ``base_url``. Raises ``ListUnavailable``."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            body = await _read(session, f"{base_url}/models")
    except (aiohttp.ClientError, OSError, ValueError) as error:  # a TimeoutError is an OSError
        raise ListUnavailable(type(error).__name__) from None
    found = parse(body)
    if not found:
        raise ListUnavailable("it names no free model")
    return found


async def _read(session: Session, url: str) -> bytes:
    body = bytearray()
    headers = {"User-Agent": f"scalix-free/{__version__}", "Accept": "application/json"}
    async with session.get(url, headers=headers, allow_redirects=False) as response:
        if response.status != 200:
            raise ListUnavailable(f"status {response.status}")
        async for part in response.content.iter_any():
            body += part
            if len(body) > MOST_BYTES:
                raise ListUnavailable("it is too large")
    return bytes(body)


def parse(body: bytes) -> Sequence[FreeModel]:
    """The free models of a list; rows that cannot be read are passed over.

    Raises ``ListUnavailable`` for what is no list.
    """
    try:
        rows = msgspec.json.decode(body, type=_List).data
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise ListUnavailable("it is no list of models") from None
    return tuple(_free(rows))


def _free(rows: Sequence[msgspec.Raw]) -> Iterator[FreeModel]:
    for raw in rows:
        try:
            row = msgspec.json.decode(raw, type=_Row)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            continue
        if _is_free(row) and _talks(row):
            yield _model(row)


def _is_free(row: _Row) -> bool:
    """Whether it costs nothing: by its price, since not every free one has the suffix."""
    try:
        prices = [Decimal(str(row.pricing.get(name) or 0)) for name in PRICES]
    except InvalidOperation:
        return False
    said = [row.pricing.get(name) for name in PRICES[:2]]
    return None not in said and all(price == 0 for price in prices)


def _talks(row: _Row) -> bool:
    writes = row.architecture is None or row.architecture.output_modalities == ("text",)
    return writes and not any(word in row.id for word in JUDGES)


def _model(row: _Row) -> FreeModel:
    parameters = frozenset(row.supported_parameters or ())
    reads = row.architecture.input_modalities if row.architecture else ("text",)
    server = row.top_provider or _Server()
    able = {
        "tools": "tools" in parameters,
        "json": bool(JSON_PARAMETERS & parameters),
        "images": "image" in reads,
    }
    lengths = [n for n in (row.context_length, server.context_length) if n is not None and n > 0]
    most = server.max_completion_tokens
    return FreeModel(
        name=row.id,
        context_tokens=min(lengths, default=None),
        max_output_tokens=most if most is not None and most > 0 else None,
        abilities=tuple(name for name, has in able.items() if has),
        reasoning="reasoning" in parameters,
        expires=_date(row.expiration_date),
    )


def _date(text: str | None) -> datetime.date | None:
    try:
        return datetime.date.fromisoformat((text or "")[:10])
    except ValueError:
        return None

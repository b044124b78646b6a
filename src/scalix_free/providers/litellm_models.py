"""The models that a LiteLLM proxy has, and what it says of them. Reading them calls no model."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Final, TypeVar

import aiohttp
import msgspec
from msgspec import Meta

from scalix_free import __version__
from scalix_free.providers.http_session import Session

MOST_BYTES: Final = 16 * 1024 * 1024
PATIENCE_S: Final = 10.0
TALKS: Final = frozenset({None, "chat", "responses", "completion"})
"""Modes of models that answer in words; where none is told it is taken for one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyModel:
    """A model of a proxy. ``stands_for`` is LiteLLM's name of what is behind it, "" where untold.

    ``api_base`` is where that is asked, where it is not LiteLLM's own address for it.
    """

    name: str
    stands_for: str = ""
    api_base: str = ""
    context_tokens: int | None = None
    max_output_tokens: int | None = None
    abilities: tuple[str, ...] | None = None


class ModelsUnavailable(Exception):  # noqa: N818
    """The list could not be read, or is empty. The message is ours."""


class NotToldError(ModelsUnavailable):
    """It is no list, or not for this key: asking again would change nothing."""


Name = Annotated[str, Meta(pattern=r"^[!-~]{1,200}$")]


class _Named(msgspec.Struct, frozen=True):
    id: Name


class _Where(msgspec.Struct, frozen=True):
    model: str = ""
    api_base: str | None = None


class _About(msgspec.Struct, frozen=True):
    mode: str | None = None
    max_input_tokens: int | None = None
    max_output_tokens: int | None = None
    supports_function_calling: bool | None = None
    supports_response_schema: bool | None = None
    supports_vision: bool | None = None


class _Info(msgspec.Struct, frozen=True):
    model_name: Name
    litellm_params: _Where = _Where()
    model_info: _About = _About()


class _List(msgspec.Struct, frozen=True):
    data: list[msgspec.Raw]


R = TypeVar("R", _Named, _Info)


async def proxy_models(session: Session, root: str, key: str) -> Sequence[ProxyModel]:
    """The models below the root of a proxy. Raises ``ModelsUnavailable``.

    ``/v1/models`` says which there are. What is behind them, and what they can do, stands in
    ``/v1/model/info``, which not every key may read: without it the names say all. Where a proxy
    fails to say it, nothing is read: whose limits a model has would change for a moment.
    """
    try:
        async with asyncio.timeout(PATIENCE_S):
            named = _rows(await _read(session, f"{root}/v1/models", key), _Named)
            told = await _told(session, root, key)
    except (aiohttp.ClientError, OSError, ValueError) as error:  # a TimeoutError is an OSError
        raise ModelsUnavailable(type(error).__name__) from None
    found = tuple(_found([one.id for one in named], told))
    if not found:
        raise ModelsUnavailable("it names no model that talks")
    return found


async def _told(session: Session, root: str, key: str) -> Sequence[_Info]:
    try:
        return list(_rows(await _read(session, f"{root}/v1/model/info", key), _Info))
    except NotToldError:
        return ()


async def _read(session: Session, url: str, key: str) -> bytes:
    body = bytearray()
    headers = {"User-Agent": f"scalix-free/{__version__}", "Accept": "application/json"}
    if key:
        headers["Authorization"] = f"Bearer {key}"
    async with session.get(url, headers=headers, allow_redirects=False) as response:
        if response.status != 200:
            failed = response.status >= 500
            raise (ModelsUnavailable if failed else NotToldError)(f"status {response.status}")
        async for part in response.content.iter_any():
            body += part
            if len(body) > MOST_BYTES:
                raise ModelsUnavailable("it is too large")
    return bytes(body)


def _rows(body: bytes, kind: type[R]) -> Iterator[R]:
    """The rows of a list; those that cannot be read are passed over."""
    try:
        raws = msgspec.json.decode(body, type=_List).data
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise NotToldError("it is no list of models") from None
    for raw in raws:
        try:
            yield msgspec.json.decode(raw, type=kind)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            continue


def _found(names: Sequence[str], told: Sequence[_Info]) -> Iterator[ProxyModel]:
    """Each model once; of a group of several deployments the first one speaks for all."""
    about: dict[str, _Info] = {}
    for info in told:
        about.setdefault(info.model_name, info)
    for name in dict.fromkeys(names):
        info = about.get(name, _Info(model_name=name))
        if "*" not in name and info.model_info.mode in TALKS:
            yield _model(name, info)


def _model(name: str, info: _Info) -> ProxyModel:
    about = info.model_info
    can: Mapping[str, bool | None] = {
        "tools": about.supports_function_calling,
        "json": about.supports_response_schema,
        "images": about.supports_vision,
    }
    is_known = any(can.values())  # LiteLLM says no to all of it for whom it does not know
    return ProxyModel(
        name=name,
        stands_for=info.litellm_params.model,
        api_base=(info.litellm_params.api_base or "").rstrip("/"),
        context_tokens=_positive(about.max_input_tokens),
        max_output_tokens=_positive(about.max_output_tokens),
        abilities=tuple(name for name, has in can.items() if has) if is_known else None,
    )


def _positive(count: int | None) -> int | None:
    return count if count is not None and count > 0 else None

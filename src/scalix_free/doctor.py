"""Looks at everything that a deployment needs, and says what to do about what it lacks.

Nothing is changed, no model is asked, no secret is shown. What it finds is one ``Check`` a thing.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import stat
import sys
import time
from collections.abc import AsyncIterator, Iterator
from email.utils import parsedate_to_datetime
from importlib.util import find_spec
from typing import Final, Literal, TypeAlias
from urllib.parse import urlsplit

import aiohttp
import msgspec
from sqlalchemy import text

from scalix_free.admission.sizing import BUILD, messages_a_day
from scalix_free.api.headers import EXPOSED
from scalix_free.core.errors import StoreUnavailable
from scalix_free.identity.address import is_loopback
from scalix_free.parent import StartError, bind, choose_local
from scalix_free.providers.llama_model import Absent
from scalix_free.settings import FreeTier, Loaded, ProviderEntry, Settings, SettingsError, revealed
from scalix_free.storage.database import Database
from scalix_free.storage.redis_link import check_server
from scalix_free.web.static import read_assets

State: TypeAlias = Literal["ok", "warn", "fail"]

EXIT: Final[dict[State, int]] = {"ok": 0, "warn": 1, "fail": 2}
PATIENCE_S: Final = 5.0
LEAST_SQLITE: Final = (3, 35)
LEAST_BYTES: Final = 256 * 1024 * 1024
MOST_SKEW_S: Final = 5.0


class Check(msgspec.Struct, frozen=True):
    """One thing that was looked at; ``fix`` is what to do where it is not as it should be."""

    name: str
    state: State
    says: str
    fix: str = ""


class Report(msgspec.Struct, frozen=True):
    """All of it; ``state`` is the worst of them."""

    state: State
    checks: list[Check]


def report_of(checks: list[Check]) -> Report:
    """The checks, and the worst of their states."""
    return Report(max((check.state for check in checks), key=EXIT.__getitem__), checks)


def unreadable(error: SettingsError) -> Report:
    """What there is to say where the configuration cannot be read."""
    return report_of([Check("configuration", "fail", str(error), "Correct the key that it names.")])


async def examine(loaded: Loaded, *, offline: bool) -> Report:
    """Look at everything; ``offline`` speaks to nobody but this machine's own service."""
    settings = loaded.settings
    checks = [
        _configuration(loaded),
        *_machine(),
        _data(settings),
        _pages(),
        *_exposure(settings),
        _mail(settings),
        *_sizing(settings),
    ]
    checks += [check async for check in _stores(settings)]
    timeout = aiohttp.ClientTimeout(total=PATIENCE_S)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        checks += [check async for check in _service(settings, session)]
        checks += await _models(settings, session, offline=offline)
    return report_of(checks)


def as_text(report: Report) -> str:
    """The report for a person."""
    lines = []
    for check in report.checks:
        lines.append(f"{check.state:5} {check.name}: {check.says}")
        if check.fix:
            lines.append(f"      {check.fix}")
    counts = {state: sum(check.state == state for check in report.checks) for state in EXIT}
    lines.append(", ".join(f"{count} {state}" for state, count in counts.items()))
    return "\n".join(lines)


def as_json(report: Report) -> str:
    """The report for a program."""
    return msgspec.json.format(msgspec.json.encode(report), indent=2).decode()


# ── This machine ─────────────────────────────────────────────────────────────────────────────


def _configuration(loaded: Loaded) -> Check:
    if loaded.warnings:
        return Check(
            "configuration",
            "warn",
            f"{loaded.source}: {'; '.join(loaded.warnings)}",
            "Unset what has no effect, or configure what was meant.",
        )
    return Check("configuration", "ok", f"{loaded.source}")


def _machine() -> Iterator[Check]:
    python = ".".join(map(str, sys.version_info[:3]))
    yield Check("python", "ok", python)
    if sqlite3.sqlite_version_info < LEAST_SQLITE:
        yield Check(
            "sqlite",
            "fail",
            f"{sqlite3.sqlite_version} is too old",
            "Use a Python with SQLite 3.35 or newer.",
        )
    else:
        yield Check("sqlite", "ok", sqlite3.sqlite_version)


def _data(settings: Settings) -> Check:
    folder = settings.data_dir
    existing = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    if not os.access(existing, os.W_OK | os.X_OK):
        fix = "Choose another --data, or let this user write there."
        return Check("data", "fail", f"{folder}: cannot be written", fix)
    free = shutil.disk_usage(existing).free
    if free < LEAST_BYTES:
        return Check("data", "warn", f"{folder}: {free >> 20} MiB are free", "Make room.")
    if folder.exists() and stat.S_IMODE(folder.stat().st_mode) & 0o077:
        return Check("data", "warn", f"{folder}: others may look into it", f"chmod 700 {folder}")
    return Check("data", "ok", f"{folder}: {free >> 30} GiB are free")


def _pages() -> Check:
    assets = list(read_assets())
    if not any(name.startswith("elements/") for name in assets):
        fix = "Install the package again; from a checkout, build frontend/."
        return Check("pages", "warn", "the elements are not in this package", fix)
    return Check("pages", "ok", f"{len(assets)} files")


def _exposure(settings: Settings) -> Iterator[Check]:
    """Who can reach it, and whether it knows who they are."""
    server = settings.server
    name = urlsplit(server.public_url).hostname or ""
    if is_loopback(server.host) and is_loopback(name):
        yield Check("exposure", "ok", "only this machine can reach it")
        return
    if not server.trusted_proxies and (
        is_loopback(server.host) or server.public_url.startswith("https://")
    ):
        yield Check(
            "proxy",
            "warn",
            f"{server.public_url} leads through a proxy, and none is trusted: all callers would "
            "share its address",
            'Name it: server.trusted_proxies = ["127.0.0.0/8"], or the network it calls from.',
        )
    if is_loopback(name):
        yield Check(
            "address",
            "warn",
            f"{server.public_url} is everybody's own machine: elsewhere forms are refused, "
            "and links in mails lead nowhere",
            "Set server.public_url to what browsers show.",
        )
    if not is_loopback(server.host) and server.secret is None:
        yield Check(
            "secret",
            "warn",
            "it is made in the data directory, and lost with it",
            "Set SCALIX_FREE_SECRET to 32 random bytes, and keep it.",
        )
    if not server.public_url.startswith("https://"):
        yield Check(
            "tls",
            "warn",
            f"{server.public_url} is not encrypted: tokens and prompts can be read on the way",
            "Put a proxy with TLS before it, and set server.public_url.",
        )


def _mail(settings: Settings) -> Check:
    if settings.mail.url.reveal() != "console":
        return Check("mail", "ok", f"{settings.mail.url}")
    if is_loopback(settings.server.host) and is_loopback(
        urlsplit(settings.server.public_url).hostname or ""
    ):
        return Check("mail", "ok", "printed on this machine's screen")
    return Check(
        "mail",
        "warn",
        "printed on the operator's screen: nobody else can get an account",
        'Set mail.url = "smtps://user:password@host" and mail.from.',
    )


# ── Limits ───────────────────────────────────────────────────────────────────────────────────


def _sizing(settings: Settings) -> Iterator[Check]:
    tiers = settings.tiers
    whole = settings.accounting.tokens_counted == "total"
    for name, tier in (("anonymous", tiers.anonymous), ("registered", tiers.registered)):
        yield _tier_holds(name, tier, whole=whole)
    yield Check("messages (pro)", "ok", "a user of the Scalix app sends as many as they like")


def _tier_holds(name: str, tier: FreeTier, *, whole: bool) -> Check:
    held = messages_a_day(
        BUILD,
        requests=tier.requests_per_day,
        tokens=tier.tokens_per_day,
        context_tokens=tier.context_tokens,
        counts_whole_prompt=whole,
    )
    price = BUILD.price(counts_whole_prompt=whole)
    says = (
        f"a user of the Scalix app sends {'as many as they like' if held is None else held} a day, "
        f"at about {price:,} tokens each"
    )
    if held is None or held > 1:
        return Check(f"messages ({name})", "ok", says)
    fix = f"For five a day: tiers.{name}.tokens_per_day = {5 * price}."
    if whole:
        fix += ' To count what is typed and answered alone: accounting.tokens_counted = "new".'
    return Check(f"messages ({name})", "warn", says, fix)


# ── Stores ───────────────────────────────────────────────────────────────────────────────────


async def _stores(settings: Settings) -> AsyncIterator[Check]:
    ledger, database = settings.store.ledger, settings.store.database
    if ledger.reveal() == "sqlite":
        yield Check("ledger", "ok", "SQLite in the data directory")
    else:
        try:
            await check_server(ledger.reveal())
            yield Check("ledger", "ok", f"{ledger}")
        except (StoreUnavailable, ValueError) as error:
            yield Check("ledger", "fail", f"{ledger}: {error}", "Start it, or correct the URL.")
    if database.reveal() == "sqlite":
        yield Check("database", "ok", "SQLite in the data directory")
        return
    store = Database(database.reveal())
    await store.open()
    try:
        async with store.transaction(reads=True) as connection:
            await connection.execute(text("SELECT 1"))
        yield Check("database", "ok", f"{database}")
    except StoreUnavailable as error:
        yield Check("database", "fail", f"{database}: {error}", "Start it, or correct the URL.")
    finally:
        await store.close()


# ── The running service ──────────────────────────────────────────────────────────────────────


async def _service(settings: Settings, session: aiohttp.ClientSession) -> AsyncIterator[Check]:
    """What is at our address: the service, nobody, or somebody else."""
    server = settings.server
    host = f"[{server.host}]" if ":" in server.host else server.host
    url = f"http://{host}:{server.port}/health"
    try:
        async with session.get(url, headers={"origin": "https://elsewhere.example"}) as response:
            body = await response.read()
            headers = response.headers
            ours = response.status == 200 and b'"uptime_seconds"' in body
    except (aiohttp.ClientError, OSError, TimeoutError):
        yield _port(server.host, server.port)
        return
    if not ours:
        fix = "Stop it, or choose another port: server.port."
        yield Check("port", "fail", f"something else answers on port {server.port}", fix)
        return
    yield Check("port", "ok", f"the service answers on port {server.port}")
    exposed = headers.get("access-control-expose-headers", "").lower().split(", ")
    if headers.get("access-control-allow-origin") != "*" or set(EXPOSED) - set(exposed):
        fix = "Let the proxy pass Access-Control-* headers as they are."
        yield Check("cors", "fail", "pages of others cannot read the headers of limits", fix)
    else:
        yield Check("cors", "ok", "pages of others may read answers and the headers of limits")
    if (skew := _skew_s(headers.get("date"))) is not None:
        yield skew


def _port(host: str, port: int) -> Check:
    try:
        bind(host, port).close()
    except StartError as error:
        return Check("port", "fail", str(error), "Stop what uses it, or set server.port.")
    return Check("port", "ok", f"{host} port {port} is free")


def _skew_s(date: str | None) -> Check | None:
    if date is None:
        return None
    skew = abs(parsedate_to_datetime(date).timestamp() - time.time())
    if skew > MOST_SKEW_S:
        return Check("clock", "warn", f"differs by {skew:.0f} seconds", "Let NTP set the clock.")
    return Check("clock", "ok", "agrees with those that answered")


# ── Models ───────────────────────────────────────────────────────────────────────────────────


async def _models(
    settings: Settings, session: aiohttp.ClientSession, *, offline: bool
) -> list[Check]:
    asked = [entry for entry in settings.catalogue if entry.is_open]
    checks = list(
        await asyncio.gather(*(_provider(entry, session, offline=offline) for entry in asked))
    )
    local = choose_local(settings)
    if isinstance(local, Absent):
        checks.append(Check("local model", "warn", local.reason, "Set a provider's key instead."))
    elif local is not None:
        checks.append(Check("local model", "ok", local.id))
    if not asked:
        waiting = sorted({name for entry in settings.catalogue for name in entry.missing})
        fix = f"Set one of {', '.join(waiting)}, or add a [[providers]] table."
        state: State = "fail" if local is None or isinstance(local, Absent) else "warn"
        says = "no provider is configured" + (
            ": every question is refused"
            if state == "fail"
            else ": a demonstration model answers, which is no assistant"
        )
        checks.append(Check("providers", state, says, fix))
    return checks


async def _provider(
    entry: ProviderEntry, session: aiohttp.ClientSession, *, offline: bool
) -> Check:
    """Ask for its list of models, which costs nothing."""
    name = f"provider {entry.name}"
    if entry.kind == "litellm" and find_spec("litellm") is None:
        return Check(name, "fail", "LiteLLM is missing", "pip install 'scalix-free[litellm]'")
    count = len(entry.serves)
    if offline or not (entry.base_url or entry.pool):
        return Check(name, "ok", f"configured, with {count} models; not asked")
    url = f"{entry.pool.roots[0]}/v1" if entry.pool else entry.base_url
    key = revealed(entry.api_key)
    headers = {"authorization": f"Bearer {key}"} if key else {}
    try:
        async with session.get(f"{url}/models", headers=headers) as response:
            status = response.status
    except (aiohttp.ClientError, OSError, TimeoutError):
        return Check(name, "fail", "cannot be reached", "Look at base_url and at the network.")
    if status in (401, 403):
        return Check(
            name, "fail", f"refuses the key ({status})", "Set the variable of a valid one."
        )
    if status >= 500:
        return Check(
            name, "warn", f"answers with {status}", "It may pass; others answer meanwhile."
        )
    return Check(name, "ok", f"answers, with {count} models here")

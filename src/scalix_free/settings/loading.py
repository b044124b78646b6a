"""Reading the settings, once, when a command starts."""

from collections.abc import Collection, Mapping
from ipaddress import ip_address
from itertools import chain
from pathlib import Path

import msgspec

from scalix_free.settings.checks import bounds_users, complaints
from scalix_free.settings.draft import PROXIES, drafted, idle
from scalix_free.settings.errors import Key, SettingsError
from scalix_free.settings.lacking import lacking, warnings
from scalix_free.settings.merging import Variables, merged, without_effect
from scalix_free.settings.reading import Reading
from scalix_free.settings.shipped import shipped
from scalix_free.settings.texts import origin_of
from scalix_free.settings.tree import Addresses, FreeTier, Local, Server, Settings, Tiers


class Loaded(msgspec.Struct, frozen=True, kw_only=True):
    """The settings, where they come from, and what the operator should hear about them.

    source: the configuration file as it was named, or "built-in defaults".
    warnings: sentences without secrets.
    """

    settings: Settings
    source: str
    warnings: tuple[str, ...]


def load(
    *,
    config: Path | None,
    data: Path | None,
    environ: Mapping[str, str],
    cwd: Path,
    host: str | None = None,
    port: int | None = None,
    workers: int | None = None,
) -> Loaded:
    """Read the configuration file that counts, what the environment changes in it, and check all.

    `config`, `data`, `host`, `port` and `workers` are the command line's, None where it is silent.
    Relative paths start from `cwd`, those inside the file from its folder. Nothing is written, and
    no folder is made. Raises SettingsError, and nothing else, for whatever is wrong.
    """
    draft = drafted(config, environ, cwd)
    if host is not None:
        draft.put(("server", "host"), host, said_by="--host")
    if port is not None:
        draft.put(("server", "port"), port, said_by="--port")
    if workers is not None and workers < 1:
        raise SettingsError("--workers", f"expected a whole number of at least 1, got {workers}")

    reading = Reading(draft, environ)
    settings = _derived(reading.settings(), reading.written, draft.folder)
    catalogue = shipped()
    for key, what in chain(complaints(settings, catalogue), lacking(reading.written)):
        raise draft.error(key, what)
    used = reading.used | draft.used
    variables = Variables(environ, used, by_proxy=PROXIES in used)

    settings = msgspec.structs.replace(
        settings,
        data_dir=cwd / (data or environ.get("SCALIX_FREE_DATA") or "data"),
        workers=1 if workers is None else workers,
        catalogue=merged(settings, catalogue, variables, reading.written),
    )
    told = (
        *warnings(environ, used),
        *idle(environ, used),
        *without_effect(settings, catalogue, variables),
    )
    return Loaded(settings=settings, source=draft.source, warnings=told)


def _derived(settings: Settings, written: Collection[Key], folder: Path) -> Settings:
    """Fill in the defaults that follow from other keys."""
    server = settings.server
    if ("server", "public_url") not in written:
        server = msgspec.structs.replace(server, public_url=_public_url(server))
    return msgspec.structs.replace(
        settings,
        server=server,
        tiers=_tiers(settings.tiers, written),
        addresses=_addresses(settings.addresses, written),
        local=_local(settings.local, folder),
    )


def _public_url(server: Server) -> str:
    try:
        anywhere = ip_address(server.host).is_unspecified
    except ValueError:
        anywhere = False
    return origin_of("http", "127.0.0.1" if anywhere else server.host, server.port)


def _tiers(tiers: Tiers, written: Collection[Key]) -> Tiers:
    """Whoever lowers a ceiling need not lower what lies below it as well."""

    def fitted(name: str, tier: FreeTier) -> FreeTier:
        ceiling = tier.max_output_tokens
        if ceiling is None or ("tiers", name, "default_output_tokens") in written:
            return tier
        lowered = min(ceiling, tier.default_output_tokens)
        return msgspec.structs.replace(tier, default_output_tokens=lowered)

    return msgspec.structs.replace(
        tiers,
        anonymous=fitted("anonymous", tiers.anonymous),
        registered=fitted("registered", tiers.registered),
    )


def _addresses(addresses: Addresses, written: Collection[Key]) -> Addresses:
    """Whoever lifts an address's requests need not lift its users as well."""
    if bounds_users(addresses) or ("addresses", "users_per_hour") in written:
        return addresses
    return msgspec.structs.replace(addresses, users_per_hour=None)


def _local(local: Local, folder: Path) -> Local:
    if local.model_path is None:
        return local
    return msgspec.structs.replace(local, model_path=folder / local.model_path)

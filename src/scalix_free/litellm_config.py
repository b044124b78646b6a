"""A configuration for LiteLLM's proxy, made from the catalogue.

The models of the providers that have a key here; where none has, those of all providers that only
need one. Keys are named, never written: LiteLLM reads them from its own environment.
"""

from __future__ import annotations

import datetime
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

import yaml

from scalix_free.core.chat import OWN_MODEL
from scalix_free.settings import FreeTier, Settings
from scalix_free.settings.shipped import PLACEHOLDER, ProviderRow, Shipped, shipped
from scalix_free.settings.tree import ModelEntry, ProviderEntry

NATIVE: Final = frozenset({"gemini", "openrouter", "groq", "mistral", "cerebras", "sambanova"})
"""Providers that LiteLLM knows by our names for them; all others are asked in OpenAI's format."""

PLANNED: Final = {
    "free-gemini-flash": "gemini/gemini-2.5-flash",
    "free-gemini-pro": "gemini/gemini-pro",
    "free-deepseek": "openrouter/deepseek/deepseek-chat-v3-0324:free",
}
"""The plan's names, and whom it meant. Whoever has their place today is called so."""

LAST: Final = 1_000

HEAD: Final = """\
# A configuration for LiteLLM's proxy, made by `scalix-free litellm-config`. Beside it belongs
# litellm_plugin.py of the same version; docs/litellm.md says what the proxy's environment needs.
"""


class Listed(NamedTuple):
    """One model as LiteLLM is told of it."""

    provider: ProviderEntry
    row: ProviderRow
    model: ModelEntry
    priority: int


def litellm_config(settings: Settings, environ: Mapping[str, str]) -> int:
    """Print it; 1 where there is nothing to tell."""
    today = datetime.datetime.now(datetime.UTC).date()
    listed = listed_models(settings.catalogue, shipped(), today)
    if not listed:
        print("no provider of the catalogue may be asked for anything here", file=sys.stderr)
        return 1
    for name in unaddressed(settings.catalogue, listed):
        print(f"left out: {name}, whose address needs a variable that is not set", file=sys.stderr)
    told = configuration(listed, shipped(), environ, settings.tiers.registered)
    print(HEAD + yaml.safe_dump(told, sort_keys=False, allow_unicode=True, width=120), end="")
    return 0


# ── Which models ─────────────────────────────────────────────────────────────────────────────


def listed_models(
    catalogue: Sequence[ProviderEntry], known: Shipped, today: datetime.date
) -> list[Listed]:
    """The models to tell, the first to be asked first."""
    rows = known.by_name()
    ours = [entry for entry in catalogue if entry.shipped and entry.name in rows]
    chosen = [entry for entry in ours if entry.serves]
    if not chosen:
        chosen = [entry for entry in ours if rows[entry.name].switched_on_by == "key"]
    places = inherited_places(known, today)
    found = [
        Listed(entry, rows[entry.name], model, places.get(model.id, LAST))
        for entry in chosen
        if not PLACEHOLDER.search(entry.base_url)
        for model in entry.models
        if model.is_called and not model.has_retired(today)
    ]
    return sorted(found, key=lambda one: (one.priority, -one.model.quality, one.model.id))


def unaddressed(catalogue: Sequence[ProviderEntry], listed: Sequence[Listed]) -> Iterator[str]:
    """Providers that serve here but whose address is not known."""
    told = {one.provider.name for one in listed}
    for entry in catalogue:
        if entry.name not in told and entry.serves and PLACEHOLDER.search(entry.base_url):
            yield entry.name


def inherited_places(known: Shipped, today: datetime.date) -> dict[str, int]:
    """Priorities by the plan: of who has ended the successor inherits."""
    places: dict[str, int] = {}
    for row in known.providers:
        for model in row.models:
            heir = heir_of(row.id_of(model), known, today)
            if heir is not None:
                places[heir] = min(places.get(heir, LAST), model.priority)
    return places


def heir_of(model_id: str, known: Shipped, today: datetime.date) -> str | None:
    """The model that answers in the place of this one today: itself, if it still can."""
    models = {row.id_of(model): model for row in known.providers for model in row.models}
    heir: str | None = model_id
    while heir is not None:
        model = models[heir]
        ended = model.retires is not None and model.retires <= today
        if not ended and model.status in {"live", "preview"}:
            return heir
        heir = model.successor
    return None


# ── What LiteLLM is told ─────────────────────────────────────────────────────────────────────


def configuration(
    listed: Sequence[Listed], known: Shipped, environ: Mapping[str, str], tier: FreeTier
) -> dict[str, object]:
    """The whole configuration, as plain values."""
    ids = [one.model.id for one in listed]
    return {
        "model_list": [_row(one, place, environ) for place, one in enumerate(listed, 1)],
        "litellm_settings": {
            "success_callback": ["litellm_plugin.custom_free_tier_tracker"],
            "failure_callback": ["litellm_plugin.custom_free_tier_error_handler"],
            "num_retries": 0,
            "default_fallbacks": ids[:3],
            "drop_params": True,
            "global_disable_no_log_param": True,
        },
        "general_settings": {
            "master_key": "os.environ/LITELLM_MASTER_KEY",
            "database_url": "os.environ/DATABASE_URL",
            "custom_auth": "litellm_plugin.custom_auth",
            "cancel_on_disconnect": True,
        },
        "router_settings": {
            "routing_strategy": "usage-based-routing-v2",
            "redis_host": "os.environ/REDIS_HOST",
            "redis_port": "os.environ/REDIS_PORT",
            "model_group_alias": {OWN_MODEL: ids[0], **_planned(ids, known)},
            "free_tier_limits": {
                "requests_per_hour": tier.requests_per_hour,
                "requests_per_day": tier.requests_per_day,
                "tokens_per_day": tier.tokens_per_day,
            },
        },
    }


def _row(one: Listed, place: int, environ: Mapping[str, str]) -> dict[str, object]:
    native = one.provider.name in NATIVE
    limits = one.model.limits
    parameters: dict[str, object] = {
        "model": f"{one.provider.name if native else 'openai'}/{one.model.model}"
    }
    if not native:
        parameters["api_base"] = one.provider.base_url
    if one.row.key_variables:
        name = next(filter(environ.get, one.row.key_variables), one.row.key_variables[0])
        parameters["api_key"] = f"os.environ/{name}"
    figures = {
        "rpm": limits.rpm or one.provider.limits.rpm,
        "tpm": limits.tpm or one.provider.limits.tpm,
    }
    parameters |= {name: figure for name, figure in figures.items() if figure is not None}
    parameters["metadata"] = {"free_tier": True, "priority": place}
    info: dict[str, object] = {
        "free_tier": True,
        "priority": place,
        "scalix_model": one.model.id,
    }
    if one.model.context_tokens is not None:
        info["max_input_tokens"] = one.model.context_tokens
    if one.model.max_output_tokens is not None:
        info["max_output_tokens"] = one.model.max_output_tokens
    return {"model_name": one.model.id, "litellm_params": parameters, "model_info": info}


def _planned(ids: Sequence[str], known: Shipped) -> dict[str, str]:
    today = datetime.datetime.now(datetime.UTC).date()
    heirs = {name: heir_of(model_id, known, today) for name, model_id in PLANNED.items()}
    return {name: heir for name, heir in heirs.items() if heir in ids and heir is not None}

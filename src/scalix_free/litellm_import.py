"""An operator's configuration of LiteLLM's proxy becomes providers of ours, as far as it can.

What could be translated goes to stdout as TOML, every key that could not be to stderr, by name.
Keys that stand in the file are never printed: each becomes a variable to be set.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import yaml

from scalix_free.settings.errors import SettingsError
from scalix_free.settings.shipped import Shipped, shipped
from scalix_free.settings.toml_text import tables

OPENAI: Final = frozenset(
    {
        "openai",
        "custom_openai",
        "openai_like",
        "hosted_vllm",
        "litellm_proxy",
        "lm_studio",
        "llamafile",
        "vllm",
    }
)
"""LiteLLM's names for whatever speaks OpenAI's format at an address of its own."""
OPENAI_ITSELF: Final = "https://api.openai.com/v1"
OPENAI_KEY: Final = "env:OPENAI_API_KEY"

FAMILIES: Final = (
    (re.compile(r"gpt-|chatgpt-|o\d|ft:"), "openai"),
    (re.compile(r"claude-"), "anthropic"),
)
"""Whose a model is that is named without its provider, as LiteLLM takes it."""

CHAT: Final = frozenset({"chat", "completion", "responses"})
NO_CHAT: Final = re.compile(r"embed|rerank|whisper|dall-e|moderation|\btts\b", re.IGNORECASE)
"""Names of models that do not chat, where no mode is told: LiteLLM has a list of all models."""
OURS: Final = ("free_tier", "priority", "scalix_model")

COST: Final = "Everybody whom this service answers may ask these models, at the owner's cost."

Table = dict[str, object]


@dataclass
class Provider:
    """An account: all models that are asked at one address, in one way, with one key."""

    table: Table
    models: list[Table] = field(default_factory=list)


@dataclass
class Translation:
    """What is found so far.

    ``lost`` are sentences, each beginning with the key that it is about; ``variables`` are the
    names that keys which stand in the file are given.
    """

    known: Shipped
    providers: dict[tuple[object, ...], Provider] = field(default_factory=dict)
    ids: dict[str, list[str]] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)
    names: set[str] = field(default_factory=set)
    variables: dict[str, str] = field(default_factory=dict)

    def toml(self) -> str:
        """The providers as our configuration file has them."""
        rows = [
            {**provider.table, "models": provider.models} for provider in self.providers.values()
        ]
        return tables({"providers": rows}).lstrip("\n")


def import_litellm(file: Path) -> int:
    """Print the translation and what is missing in it; 1 where nothing could be translated."""
    found = translate(read(file), shipped())
    for sentence in found.lost:
        print(sentence, file=sys.stderr)
    if not found.providers:
        print(f"{file}: no model of it could be translated", file=sys.stderr)
        return 1
    print(COST, file=sys.stderr)
    print(f"# From {file.name}, by `scalix-free import litellm`.\n\n{found.toml()}", end="")
    return 0


def read(file: Path) -> Mapping[str, object]:
    """The configuration in a file. Raises ``SettingsError`` for what is none."""
    try:
        found = yaml.safe_load(file.read_text("utf-8"))
    except OSError as error:
        raise SettingsError(str(file), f"cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise SettingsError(str(file), f"not UTF-8 at byte {error.start}") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = "" if mark is None else f" in line {mark.line + 1}"
        raise SettingsError(str(file), f"broken YAML{where}") from None
    if not isinstance(found, dict) or not isinstance(found.get("model_list"), list):
        raise SettingsError(str(file), "expected a configuration of LiteLLM, with a model_list")
    return found


def translate(config: Mapping[str, object], known: Shipped) -> Translation:
    """Read a configuration."""
    found = Translation(known)
    rows = config["model_list"]
    assert isinstance(rows, list)
    for number, row in enumerate(rows):
        _model(found, f"model_list[{number}]", row)
    for section, value in config.items():
        if section != "model_list":
            _section(found, str(section), value)
    return found


# ── Models ───────────────────────────────────────────────────────────────────────────────────


def _model(found: Translation, path: str, row: object) -> None:
    parameters = _taken(row, "litellm_params")
    name, target = _taken(row, "model_name"), _taken(parameters, "model")
    if not isinstance(name, str) or not isinstance(target, str):
        found.lost.append(f"{path}: left out, since it lacks model_name or litellm_params.model")
        return
    if (why := _left_out(row, name, target)) is not None:
        found.lost.append(f"{path}.{why}")
        return
    asked = _asked(found, path, target, _taken(parameters, "custom_llm_provider"))
    if asked is None:
        return
    provider, model = _provider(found, path, *asked, parameters)
    table: Table = {"id": _id(found, path, name), "model": model}
    info = _taken(row, "model_info")
    for ours, value in (
        ("priority", _first(_priorities(row))),
        ("context_tokens", _taken(info, "max_input_tokens")),
        ("max_output_tokens", _taken(info, "max_output_tokens")),
    ):
        if _is_count(value):
            table[ours] = value
    limits = {ours: _taken(parameters, theirs) for theirs, ours in LIMITS.items()}
    if kept := {key: value for key, value in limits.items() if _is_count(value)}:
        table["limits"] = kept
    provider.models.append(table)
    _rest(found, path, row)


def _left_out(row: object, name: str, target: str) -> str | None:
    """The key by which a model is none of ours, and why; None where it is one."""
    info, metadata = _taken(row, "model_info"), _taken(_taken(row, "litellm_params"), "metadata")
    mode = _taken(info, "mode")
    if isinstance(mode, str) and mode not in CHAT:
        return f"model_info.mode: left out, since {mode} is no chat"
    if mode is None and NO_CHAT.search(target):
        return f"litellm_params.model: left out, since {target} does not chat, by its name"
    if "*" in name or "*" in target:
        return f"model_name: left out, since {name} stands for many models"
    if _taken(info, "free_tier") is False or _taken(metadata, "free_tier") is False:
        return f"model_name: left out, since {name} is marked as not free"
    return None


def _asked(found: Translation, path: str, target: str, given: object) -> tuple[str, str] | None:
    """Whom LiteLLM asks for a model, and the model as that one calls it."""
    prefix, slash, rest = target.partition("/")
    if isinstance(given, str) and given != prefix:
        return given, target
    if slash and rest:
        return prefix, rest
    where = f"{path}.litellm_params.model"
    owner = next((owner for family, owner in FAMILIES if family.match(target)), None)
    if slash or owner is None:
        found.lost.append(f"{where}: left out, since {target} is no provider/model")
        return None
    found.lost.append(f"{where}: {target} names no provider; taken for {owner}/{target}")
    return owner, target


def _provider(
    found: Translation, path: str, prefix: str, model: str, parameters: object
) -> tuple[Provider, str]:
    """The account that a model belongs to, and the model as we ask it for."""
    base = _text(_taken(parameters, "api_base")) or _text(_taken(parameters, "base_url"))
    row = found.known.by_name().get(prefix)
    table: Table = {}
    name = prefix
    if prefix in OPENAI and (base or prefix == "openai"):
        base = (base or OPENAI_ITSELF).rstrip("/")
        row = next((one for one in found.known.providers if one.base_url == base), None)
        name = row.name if row is not None else prefix if base == OPENAI_ITSELF else _host(base)
        base = base if row is None else None
    elif row is None:
        model = f"{prefix}/{model}"
        table["kind"] = "litellm"
        found.lost.append(
            f"{path}.litellm_params.model: {prefix} is asked through LiteLLM's SDK, which needs "
            "scalix-free[litellm]"
        )
    if base is not None:
        table["base_url"] = base
    key = _key(found, path, name, _taken(parameters, "api_key"))
    if key is None and base == OPENAI_ITSELF:
        key = OPENAI_KEY
    if key is not None:
        table["api_key"] = key
    account = (name, *table.items())
    if account not in found.providers:
        ours = _name(found, name)
        if row is not None and ours != name:  # by its name alone nobody knows it any more
            table.setdefault("base_url", row.base_url)
        found.providers[account] = Provider({"name": ours, **table})
    return found.providers[account], model


def _key(found: Translation, path: str, name: str, value: object) -> str | None:
    """A reference to a variable, whatever the file has."""
    if not isinstance(value, str) or not value:
        return None
    if value.startswith("os.environ/"):
        return f"env:{value.removeprefix('os.environ/')}"
    variable = found.variables.setdefault(value, _variable(found, name))
    found.lost.append(
        f"{path}.litellm_params.api_key: stands in the file and is not printed; set {variable}"
    )
    return f"env:{variable}"


def _variable(found: Translation, name: str) -> str:
    """A variable for the key of a provider that no other key has."""
    base = re.sub(r"[^A-Z0-9]+", "_", name.upper()).strip("_")
    base = f"PROVIDER_{base}" if not base[:1].isalpha() else base
    taken, number = set(found.variables.values()), 1
    variable = f"{base}_API_KEY"
    while variable in taken:
        number += 1
        variable = f"{base}_{number}_API_KEY"
    return variable


def _name(found: Translation, wanted: str) -> str:
    """A name for a provider that no other has."""
    base = re.sub(r"[^A-Za-z0-9_.-]+", "-", wanted).strip("-") or "provider"
    name, number = base, 1
    while name in found.names:
        number += 1
        name = f"{base}-{number}"
    found.names.add(name)
    return name


def _id(found: Translation, path: str, name: str) -> str:
    """An id of ours. LiteLLM lets models share a name; here each has its own."""
    wanted = re.sub(r"[^!-~]+", "-", name).strip("-") or "model"
    ids = found.ids.setdefault(name, [])
    taken = {one for others in found.ids.values() for one in others}
    model_id, number = wanted, 1
    while model_id in taken:
        number += 1
        model_id = f"{wanted}-{number}"
    if model_id != name:
        found.lost.append(f"{path}.model_name: {name} is called {model_id}")
    ids.append(model_id)
    return model_id


def _priorities(row: object) -> Sequence[object]:
    parameters = _taken(row, "litellm_params")
    return (
        _taken(_taken(row, "model_info"), "priority"),
        _taken(_taken(parameters, "metadata"), "priority"),
        _taken(parameters, "order"),
    )


LIMITS: Final = {"rpm": "rpm", "tpm": "tpm", "max_parallel_requests": "concurrent"}
"""LiteLLM's limits of a model, and ours."""

UNDERSTOOD: Final = {
    "": frozenset({"model_name", "litellm_params", "model_info"}),
    "litellm_params": frozenset(
        {
            "model",
            "custom_llm_provider",
            "api_base",
            "base_url",
            "api_key",
            "metadata",
            "order",
            *LIMITS,
        }
    ),
    "litellm_params.metadata": frozenset(OURS),
    "model_info": frozenset({"id", "mode", "max_input_tokens", "max_output_tokens", *OURS}),
}
"""By the table that they stand in, the keys of a model that mean something here."""


ELSEWHERE: Final = {
    "api_version": "LiteLLM reads AZURE_API_VERSION",
    "aws_region_name": "LiteLLM reads AWS_REGION_NAME",
    "vertex_project": "LiteLLM reads VERTEXAI_PROJECT",
    "vertex_location": "LiteLLM reads VERTEXAI_LOCATION",
    "timeout": "see routing.first_token_timeout_s",
    "stream_timeout": "see routing.idle_timeout_s",
    "max_retries": "see routing.attempts",
}
"""What does the same for all models, by what it is among the parameters of one."""


def _rest(found: Translation, path: str, row: object) -> None:
    """Name what was not understood."""
    for within, understood in UNDERSTOOD.items():
        inner = row
        for name in filter(None, within.split(".")):
            inner = _taken(inner, name)
        where = ".".join(filter(None, (path, within)))
        for key in inner if isinstance(inner, dict) else ():
            if key not in understood:
                found.lost.append(f"{where}.{key}: {ELSEWHERE.get(key, NOTHING)}")
    parameters = _taken(row, "litellm_params")
    for key in LIMITS:
        value = _taken(parameters, key)
        if value is not None and not _is_count(value):
            found.lost.append(f"{path}.litellm_params.{key}: expected a whole number")


# ── Everything else ──────────────────────────────────────────────────────────────────────────

NOTHING: Final = "has no counterpart here"
INSTEAD: Final = {
    "general_settings.master_key": "operators have server.operator_token here",
    "general_settings.database_url": "set store.database, or DATABASE_URL",
    "router_settings.redis_host": "set store.ledger, or REDIS_URL",
    "router_settings.redis_port": "set store.ledger, or REDIS_URL",
    "router_settings.redis_password": "set store.ledger, or REDIS_URL",
    "router_settings.routing_strategy": "routing is this service's own; see [routing]",
    "router_settings.num_retries": "see routing.attempts",
    "litellm_settings.num_retries": "see routing.attempts",
    "litellm_settings.request_timeout": "see routing.first_token_timeout_s",
    "litellm_settings.drop_params": "what a model does not take is left out anyway",
    "router_settings.free_tier_limits": "see [tiers]",
    "litellm_settings.cache": "see caches.answers",
    "litellm_settings.default_fallbacks": "any model that can answer is asked anyway",
    "router_settings.default_fallbacks": "any model that can answer is asked anyway",
    "litellm_settings.context_window_fallbacks": "models that are too small are not asked",
    "router_settings.context_window_fallbacks": "models that are too small are not asked",
    "router_settings.enable_pre_call_checks": "models that are too small are not asked",
    "router_settings.allowed_fails": "models that fail rest by themselves",
    "router_settings.cooldown_time": "models that fail rest by themselves",
}
"""What does the same here."""


def _section(found: Translation, section: str, value: object) -> None:
    if not isinstance(value, dict):
        found.lost.append(f"{section}: {NOTHING}")
        return
    for key, inner in value.items():
        path = f"{section}.{key}"
        if key == "fallbacks" and section in {"litellm_settings", "router_settings"}:
            _fallbacks(found, path, inner)
        elif key == "model_group_alias" and isinstance(inner, dict):
            for alias in inner:
                found.lost.append(f"{path}.{alias}: a model has one name here")
        else:
            found.lost.append(f"{path}: {INSTEAD.get(path, NOTHING)}")


def _fallbacks(found: Translation, path: str, value: object) -> None:
    """``[{name: [names]}]`` → fallbacks of the models of that name."""
    for number, row in enumerate(value if isinstance(value, list) else ()):
        for name, others in row.items() if isinstance(row, dict) else ():
            where = f"{path}[{number}].{name}"
            given = others if isinstance(others, list) else []
            names = [other for other in given if isinstance(other, str)]
            if len(names) < len(given):
                found.lost.append(f"{where}: a fallback with parameters of its own {NOTHING}")
            for other in names:
                if other not in found.ids:
                    found.lost.append(f"{where}: there is no model {other}")
            if name not in found.ids:
                found.lost.append(f"{where}: there is no such model")
                continue
            after = [one for other in names for one in found.ids.get(other, ())]
            for model in _models_of(found, found.ids[name]):
                own = [one for one in after if one != model["id"]]
                if own:
                    model["fallbacks"] = own


def _models_of(found: Translation, ids: Sequence[str]) -> Sequence[Table]:
    return [
        model
        for provider in found.providers.values()
        for model in provider.models
        if model["id"] in ids
    ]


# ── Plain values ─────────────────────────────────────────────────────────────────────────────


def _taken(table: object, key: str) -> object:
    return table.get(key) if isinstance(table, dict) else None


def _text(value: object) -> str | None:
    """A text, perhaps of the environment."""
    if not isinstance(value, str) or not value:
        return None
    return f"env:{value.removeprefix('os.environ/')}" if value.startswith("os.environ/") else value


def _first(values: Sequence[object]) -> object:
    return next((value for value in values if _is_count(value)), None)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _host(base_url: str) -> str:
    return urlsplit(base_url).hostname or "provider"

"""The words at the start: where to go, what holds, which models there are and on what terms."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator, Mapping, Sequence
from textwrap import wrap

from scalix_free import __version__
from scalix_free.runtime import LocalModel, Runtime
from scalix_free.settings import SWITCHED_OFF, Loaded, ModelEntry, ProviderEntry, Settings

QUESTION = "What is the capital of France?"
WIDTH = 120
NOT_ASKED: Mapping[str, str] = {}


def banner(runtime: Runtime, loaded: Loaded, local_state: str, local_reason: str | None) -> str:
    """All of it. ``local_reason`` says why there is no local model, where one was wanted."""
    url = runtime.public_url
    today = datetime.datetime.fromtimestamp(runtime.started_at, datetime.UTC).date()
    catalogue = loaded.settings.catalogue
    lines = [
        f"Scalix Free {__version__}: AI without an API key",
        "",
        f"  SDKs      base_url {url}/v1   api_key free   model scalix-free",
        f"  Pages     {url}/   with /chat /usage /connect /status /docs",
        f"  Settings  {loaded.source}; data in {loaded.settings.data_dir}",
        f"  Limits    {_limits(loaded.settings)}",
        *_under("Models", _short_lines(catalogue, runtime.local, local_state, today)),
        *_under("Terms", _terms_lines(catalogue, today)),
        *(f"  Note      {text}" for text in _notes(loaded, local_reason)),
        "",
        "Ask now:",
        f"  curl {url}/v1/chat/completions -H 'Content-Type: application/json' \\",
        f"""    -d '{{"messages": [{{"role": "user", "content": "{QUESTION}"}}]}}'""",
        "",
        "Stop with Ctrl-C.",
    ]
    return "\n".join(lines)


def _limits(settings: Settings) -> str:
    tier = settings.tiers.anonymous
    parts = [
        f"{_most(tier.requests_per_hour)} requests per hour",
        f"{_most(tier.requests_per_day)} per day",
        f"{_most(tier.tokens_per_day)} tokens per day",
        f"{_most(tier.concurrent)} at once, for each address",
    ]
    return ", ".join(parts)


def _most(limit: int | None) -> str:
    return "unlimited" if limit is None else f"{limit:,}"


def _under(head: str, lines: Iterable[str]) -> Iterator[str]:
    for line in lines:
        for part in _wrapped(line):
            yield f"  {head:9} {part}"
            head = ""


def _wrapped(line: str) -> list[str]:
    return wrap(
        line, WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
    ) or [""]


def _notes(loaded: Loaded, local_reason: str | None) -> Iterator[str]:
    yield from loaded.warnings
    if local_reason is not None:
        yield f"no local model: {local_reason}"
    if not any(entry.is_open for entry in loaded.settings.catalogue):
        yield (
            "no provider is configured; for real answers set one of the variables above, or add a "
            '[[providers]] table with base_url, api_key = "env:NAME" and a model to '
            "scalix-free.toml"
        )


# ── In short, at the start ───────────────────────────────────────────────────────────────────


def _short_lines(
    catalogue: Sequence[ProviderEntry],
    local: LocalModel | None,
    local_state: str,
    today: datetime.date,
) -> Iterator[str]:
    """What answers, model by model or in one line for a shipped provider; then what could."""
    ready = [
        *(line for entry in catalogue if not entry.shipped for line in _own_lines(entry)),
        *(_in_one_line(entry, today) for entry in catalogue if entry.shipped and not entry.off),
        *_local_lines(local, local_state),
    ]
    yield from ready or ["none: every question will be refused"]
    yield from (
        f"{entry.name}  {entry.off}"
        for entry in catalogue
        if entry.shipped and entry.off == SWITCHED_OFF
    )
    waiting = {
        entry: count
        for entry in catalogue
        if entry.missing
        and (count := sum(m.is_called and not m.has_retired(today) for m in entry.models))
    }
    if any(entry.is_open for entry in catalogue):
        names = ", ".join(" and ".join(entry.missing) for entry in waiting)
        yield from [f"more with {names}; scalix-free models shows all"] if waiting else []
        return
    for entry, count in waiting.items():
        yield f"{entry.name}  {entry.off} ({_counted(count, 'model')})"


def _in_one_line(entry: ProviderEntry, today: datetime.date) -> str:
    there = [model.model for model in entry.serves if not model.has_retired(today)]
    reasons = sorted({model.left_out for model in entry.models if model.left_out})
    left_out = f"; left out: {', '.join(reasons)}" if reasons else ""
    if not there:
        return f"{entry.name}  no model is left{left_out}"
    return f"{entry.name}  ready: {', '.join(there)}{left_out}"


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _terms_lines(catalogue: Sequence[ProviderEntry], today: datetime.date) -> Iterator[str]:
    """Who will serve strangers, and on what terms."""
    own = [entry.name for entry in catalogue if not entry.shipped and entry.is_open]
    if own:
        yield f"{', '.join(own)} will serve strangers, on the terms of your account there"
    for entry in catalogue:
        served = [model for model in entry.serves if not model.has_retired(today)]
        if entry.shipped and served:
            yield f"{entry.name} will serve strangers: {', '.join(_terms(entry, served))}"


def _terms(entry: ProviderEntry, served: Sequence[ModelEntry]) -> Iterator[str]:
    """The flags of a provider in words; of its models those that any of them has."""
    trains = {model.terms.trains_on_prompts for model in served}
    some = "" if len(trains) == 1 else "some models "
    if True in trains:
        yield f"{some}may train on prompts"
    elif None in trains:
        yield f"nobody said whether {some or 'it '}may train on prompts"
    else:
        yield "does not train on prompts"
    if any(model.terms.human_review for model in served):
        yield "people may read prompts"
    if any(model.terms.evaluation_only for model in served):
        yield "for evaluation only"
    if entry.terms.blocked_regions:
        yield f"not for end users in {' '.join(entry.terms.blocked_regions)}"
    if entry.terms.min_age is not None:
        yield f"from {entry.terms.min_age} years on"
    if any(model.terms.no_resale for model in served):
        yield "no resale"
    yield f"as a public service: {entry.terms.public_service or 'nobody said'}"


# ── All of it ────────────────────────────────────────────────────────────────────────────────


def model_lines(
    catalogue: Sequence[ProviderEntry],
    local: LocalModel | None,
    today: datetime.date,
    proxies: Mapping[str, str] = NOT_ASKED,
) -> Iterator[str]:
    """Every model with its state: the operator's, this machine's, those of the catalogue.

    ``proxies`` says how each LiteLLM proxy is, by its root.
    """
    ready = [
        *(line for entry in catalogue if not entry.shipped for line in _own_lines(entry, proxies)),
        *_local_lines(local, "ready"),
    ]
    if not ready and not any(entry.is_open for entry in catalogue):
        ready = ["none: every question will be refused"]
    yield from ready
    for entry in catalogue:
        if entry.shipped:
            yield ""
            yield f"{entry.name}  {entry.off or 'ready'}  ({entry.label})"
            yield from (f"  {_state(model, entry, today)}" for model in entry.models)


def _state(model: ModelEntry, entry: ProviderEntry, today: datetime.date) -> str:
    if model.status == "alias":
        return f"{model.id}  another name of {model.successor}"
    if model.status == "paid":
        return f"{model.id}  paid for{_in_its_place(model)}"
    if model.status == "gone" or model.has_retired(today):
        since = f" since {model.retires}" if model.retires is not None else ""
        return f"{model.id}  gone{since}{_in_its_place(model)}"
    if model.left_out:
        return f"{model.id}  left out: {model.left_out}"
    until = f", until {model.retires}{_in_its_place(model)}" if model.retires is not None else ""
    traits = [f"priority {model.priority}", f"quality {model.quality}", *model.fit]
    if model.status != "live":
        traits.insert(0, model.status)
    return f"{model.id}  {'off' if entry.off else 'ready'} ({', '.join(traits)}){until}"


def _in_its_place(model: ModelEntry) -> str:
    return f"; in its place {model.successor}" if model.successor else ""


def _own_lines(entry: ProviderEntry, proxies: Mapping[str, str] = NOT_ASKED) -> list[str]:
    """The operator's own models, first the one that is asked first."""
    if entry.off:
        return [f"{entry.name}  {entry.off}"]
    if entry.pool is not None and entry.name == entry.pool.name:
        what = "the models that these proxies name" if entry.asks_proxies else "asked by proxies"
        roots = [f"{root} {proxies.get(root, '')}".rstrip() for root in entry.pool.roots]
        head = f"{entry.name}  {what}, by {entry.pool.balance}: {', '.join(roots)}"
        return [head, *_ready_lines(entry)]
    return _ready_lines(entry)


def _ready_lines(entry: ProviderEntry) -> list[str]:
    how = ", through LiteLLM" if entry.kind == "litellm" else ""
    return [
        f"{model.id}  ready (priority {model.priority}{how})"
        for model in sorted(entry.models, key=lambda model: model.priority)
    ]


def _local_lines(local: LocalModel | None, state: str) -> list[str]:
    if local is None:
        return []
    what = (
        "a demonstration model: it shows that all works and is no assistant"
        if local.demonstration
        else "on this machine"
    )
    return [f"{local.id}  {state}, {what}"]

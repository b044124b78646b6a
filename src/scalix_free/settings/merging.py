"""The catalogue as it holds here: the operator's tables, and the shipped rows that have a key."""

import re
from collections.abc import Callable, Collection, Iterator, Mapping

import msgspec

from scalix_free.settings.errors import Key, SettingsError
from scalix_free.settings.form import UnfitError
from scalix_free.settings.reading import presentable
from scalix_free.settings.secret import Secret
from scalix_free.settings.shipped import (
    PLACEHOLDER,
    ModelRow,
    ProviderRow,
    Shipped,
    vendor_terms,
)
from scalix_free.settings.texts import EEA
from scalix_free.settings.tree import (
    Model,
    ModelEntry,
    Policy,
    Pool,
    Provider,
    ProviderEntry,
    ProviderLimits,
    Settings,
    Status,
    Terms,
    laid_over,
)

Said = Callable[..., bool]

SWITCHED_OFF = "switched off"
"""Why a provider is off that a table has `enabled = false` for."""

BY_PROXY = "models are asked by LITELLM_PROXY_URL alone"
"""Why a provider is off whose key is in the environment."""

ON_REQUEST = {
    "ended": "gives nothing away any more",
    "trial": "gives a credit once",
    "credit": "is paid for once a small credit is spent",
    "keyless": "needs no key",
}
"""Why a provider waits for a table, by what of it is free."""


class Variables:
    """The variables that may switch shipped providers on.

    Those that a reference of the operator's names are `used`: it is in hand already. Where models
    are asked `by_proxy`, the proxies have the keys, and none of them is used here.
    """

    def __init__(
        self, environ: Mapping[str, str], used: Collection[str], *, by_proxy: bool = False
    ) -> None:
        self._environ = environ
        self._used = used
        self.by_proxy = by_proxy

    def key(self, row: ProviderRow) -> tuple[str, Secret] | None:
        """The key that switches this one on, and its variable."""
        return None if self.by_proxy else self.found(row)

    def found(self, row: ProviderRow) -> tuple[str, Secret] | None:
        """The first key variable that is set, and the key."""
        for name in row.key_variables:
            if name not in self._used and (value := self._value(name)):
                return name, Secret(value)
        return None

    def address(self, row: ProviderRow) -> str:
        """Where it is asked; what is not set stays a placeholder. Raises SettingsError."""

        def filled(found: re.Match[str]) -> str:
            value = self._value(found[1])
            if value and not re.fullmatch(r"[A-Za-z0-9_-]+", value):
                raise SettingsError(found[1], "expected letters, digits, and any of _ -")
            return value or found[0]

        return PLACEHOLDER.sub(filled, row.base_url)

    def _value(self, name: str) -> str:
        value = self._environ.get(name, "")
        try:
            presentable(value)
        except UnfitError as unfit:
            raise SettingsError(name, str(unfit)) from None
        return value


def merged(
    settings: Settings,
    catalogue: Shipped,
    variables: Variables,
    written: Collection[Key],
) -> tuple[ProviderEntry, ...]:
    """Return all providers, the operator's own first. Raises SettingsError.

    A table that names a shipped provider replaces what it says, key by key; its models, where it
    lists some, are all its models, each filled up from the shipped row of the same `model`.
    """
    rows = catalogue.by_name()
    own = {provider.name for provider in settings.providers}
    entries = [
        _of_table(provider, rows.get(provider.name), variables, _said_of(at, written))
        for at, provider in enumerate(settings.providers)
    ]
    entries += [_of_row(row, variables) for row in catalogue.providers if row.name not in own]
    listing = {provider.name: provider for provider in settings.providers if provider.models}
    taken = {model.id for one in listing.values() if one.enabled for model in one.models}
    return tuple(
        _fitted(entry, settings.policy, () if entry.name in listing else taken) for entry in entries
    )


def without_effect(settings: Settings, catalogue: Shipped, variables: Variables) -> Iterator[str]:
    """Yield a sentence for each key that is set and switches nothing on."""
    own = {provider.name for provider in settings.providers}
    rows = [row for row in catalogue.providers if row.name not in own]
    if variables.by_proxy:
        names = [found[0] for row in rows if (found := variables.found(row)) is not None]
        if names:
            yield f"{', '.join(names)}: not used, as {BY_PROXY}"
        return
    for row in catalogue.providers:
        found = variables.key(row)
        if row.switched_on_by == "key" or row.name in own or found is None:
            continue
        use = "" if row.free == "ended" else f'; to use it, add [[providers]] name = "{row.name}"'
        yield f"{found[0]} is set, but {row.name} {ON_REQUEST[row.free]}{use}"


def _said_of(at: int, written: Collection[Key]) -> Said:
    return lambda *names: ("providers", at, *names) in written


def _fitted(entry: ProviderEntry, policy: Policy, taken: Collection[str]) -> ProviderEntry:
    """Leave out what the policy bars, and what has the id of a model of the operator's."""
    models = tuple(
        msgspec.structs.replace(model, left_out=barred(model.terms, policy))
        if entry.shipped
        else model
        for model in entry.models
        if model.id not in taken
    )
    return msgspec.structs.replace(entry, models=models)


def barred(terms: Terms, policy: Policy) -> str:
    """Why a policy bars these terms; "" where it does not."""
    if not policy.allow_training_on_prompts and terms.trains_on_prompts is not False:
        return (
            "may train on prompts"
            if terms.trains_on_prompts
            else "not known to spare prompts from training"
        )
    if not policy.allow_evaluation_only and terms.evaluation_only:
        return "for evaluation only"
    regions = set(terms.blocked_regions or ())
    if "EEA" in regions:
        regions.update(EEA.split())
    if shut := regions.intersection(policy.end_user_regions):
        return f"not for end users in {', '.join(sorted(shut))}"
    if terms.min_age is not None and terms.min_age > policy.min_age:
        return f"for people from {terms.min_age} years on"
    return ""


# ── Shipped rows ─────────────────────────────────────────────────────────────────────────────


def _of_row(row: ProviderRow, variables: Variables) -> ProviderEntry:
    key = variables.key(row)
    address = variables.address(row)
    missing = _missing(row, key is not None, address)
    off = _needs(missing)
    if variables.by_proxy and row.needs_key:
        missing, off = (), BY_PROXY
    if row.switched_on_by == "table":
        missing, off = (), f"{ON_REQUEST[row.free]}; a [[providers]] table switches it on"
        if row.free == "ended":
            off = ON_REQUEST[row.free]
    return _entry(row, address, key[1] if key else None, missing=missing, off=off)


def _missing(row: ProviderRow, has_key: bool, address: str) -> tuple[str, ...]:
    lacking = () if has_key or not row.needs_key else row.key_variables[:1]
    return (*lacking, *PLACEHOLDER.findall(address))


def _needs(missing: Collection[str]) -> str:
    return f"needs {' and '.join(missing)}" if missing else ""


def _entry(
    row: ProviderRow, address: str, key: Secret | None, *, missing: tuple[str, ...], off: str
) -> ProviderEntry:
    return ProviderEntry(
        name=row.name,
        label=row.label,
        shipped=True,
        base_url=address,
        api_key=key,
        limits=row.limits,
        firm=False,
        reset=row.reset,
        counts_answers=row.tokens_counted == "all",
        terms=row.terms,
        vendor_terms=tuple(row.vendor_terms.items()),
        discovers=row.discovers,
        missing=missing,
        off=off,
        models=tuple(_model_of_row(row, model) for model in row.models),
    )


def _model_of_row(row: ProviderRow, model: ModelRow) -> ModelEntry:
    return ModelEntry(
        id=row.id_of(model),
        model=model.model,
        priority=model.priority,
        context_tokens=model.context_tokens,
        max_output_tokens=model.max_output_tokens,
        limits=model.limits,
        firm=False,
        fallbacks=model.fallbacks,
        abilities=model.abilities,
        reasoning=model.reasoning,
        quality=model.quality,
        grade=model.grade,
        fit=model.fit,
        status=model.status,
        retires=model.retires,
        successor=model.successor,
        listed=model.listed,
        terms=row.terms_of(model),
    )


# ── The operator's tables ────────────────────────────────────────────────────────────────────


def _of_table(
    provider: Provider, row: ProviderRow | None, variables: Variables, said: Said
) -> ProviderEntry:
    off = "" if provider.enabled else SWITCHED_OFF
    if row is None:
        return ProviderEntry(
            name=provider.name,
            label=provider.name,
            shipped=False,
            kind=provider.kind,
            base_url=provider.base_url or "",
            pool=_pool(provider),
            api_key=provider.api_key,
            limits=provider.limits,
            reset=provider.reset,
            off=off,
            models=tuple(map(_own_model, provider.models)),
        )
    entry = _account_of(provider, row, variables, off)
    models = entry.models
    if provider.models:
        known = {model.model: model for model in entry.models}
        models = tuple(
            _filled(model, known.get(model.model), row, _said_of_model(at, said))
            for at, model in enumerate(provider.models)
        )
    return msgspec.structs.replace(
        entry,
        limits=laid_over(provider.limits, entry.limits),
        firm=provider.limits != ProviderLimits(),
        reset=provider.reset if said("reset") else entry.reset,
        discovers=entry.discovers and not provider.models,
        models=models,
    )


def _account_of(
    provider: Provider, row: ProviderRow, variables: Variables, off: str
) -> ProviderEntry:
    """Who is asked, how, where, and with which key."""
    if provider.kind == "litellm":  # by LiteLLM's own address, unless one is given
        found = variables.key(row)
        key = provider.api_key or (found[1] if found else None)
        entry = _entry(row, provider.base_url or "", key, missing=(), off=off)
        return msgspec.structs.replace(entry, kind="litellm", discovers=False)
    if provider.base_url is not None:  # a key of the environment is for the provider's own address
        return _entry(row, provider.base_url, provider.api_key, missing=(), off=off)
    found = variables.key(row)
    key = provider.api_key or (found[1] if found else None)
    address = variables.address(row)
    missing = () if off else _missing(row, key is not None, address)
    if missing and variables.by_proxy:
        missing, off = (), BY_PROXY
    return _entry(row, address, key, missing=missing, off=off or _needs(missing))


def _pool(provider: Provider) -> Pool | None:
    if provider.kind != "litellm-proxy":
        return None
    return Pool(
        name=provider.name,
        roots=provider.base_urls,
        balance=provider.balance,
        health_path=provider.health_path,
        health_interval_s=provider.health_interval_s,
    )


def _said_of_model(at: int, said: Said) -> Said:
    return lambda name: said("models", at, name)


def _own_model(model: Model) -> ModelEntry:
    return ModelEntry(
        id=model.id,
        model=model.model,
        priority=model.priority,
        context_tokens=model.context_tokens,
        max_output_tokens=model.max_output_tokens,
        limits=model.limits,
        fallbacks=model.fallbacks,
        abilities=model.abilities,
        reasoning=model.reasoning,
        reasoning_allowance_tokens=model.reasoning_allowance_tokens,
    )


FILLED = ("priority", "context_tokens", "max_output_tokens", "fallbacks", "abilities", "reasoning")


def _filled(model: Model, known: ModelEntry | None, row: ProviderRow, said: Said) -> ModelEntry:
    """A model of a table under a shipped name: what it says, and the shipped row for the rest."""
    if known is None:
        return msgspec.structs.replace(
            _own_model(model), terms=vendor_terms(row.vendor_terms.items(), model.model, row.terms)
        )
    own = {name: getattr(model, name) for name in FILLED if said(name)}
    return msgspec.structs.replace(
        known,
        id=model.id,
        limits=laid_over(model.limits, known.limits),
        firm=model.limits != ProviderLimits(),
        status=LISTED.get(known.status, known.status),
        reasoning_allowance_tokens=model.reasoning_allowance_tokens,
        **own,
    )


LISTED: Mapping[Status, Status] = {"paid": "live", "alias": "live"}
"""What an operator lists by name is called, whatever it costs; only what is gone stays so."""

"""The shipped catalogue as it is written: `catalogue.toml`, read and checked."""

import datetime
import re
import tomllib
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from scalix_free.settings.form import UnfitError
from scalix_free.settings.texts import COUNTRIES, zone
from scalix_free.settings.tree import (
    CALLED,
    Ability,
    Class,
    Count,
    Fit,
    Id,
    Name,
    ProviderLimits,
    Status,
    Terms,
    Text,
)

Quality = Annotated[int, Meta(ge=1, le=1000)]
Variable = Annotated[str, Meta(pattern=r"^[A-Z][A-Z0-9_]*$")]
PLACEHOLDER = re.compile(r"\{([A-Z0-9_]+)\}")
"""A variable that a base_url needs in it."""
STAR = 200
"""A star of the plan, in thousandths of quality."""


class Plan(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the original plan said: its name of the model, its figures, one to five stars."""

    name: Text
    limits: Text
    stars: Annotated[int, Meta(ge=1, le=5)]
    fit: Text


class Row(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What rows of both kinds say of their facts.

    as_of, sources: of every fact of the row; facts: of those of another date or source, as
    `date source, source`.
    """

    as_of: datetime.date
    sources: Annotated[tuple[str, ...], Meta(min_length=1)]
    facts: dict[str, Annotated[str, Meta(pattern=r"^\d{4}-\d\d-\d\d \w+(, \w+)*$")]] = {}
    note: str = ""
    plan: Plan | None = None


class ModelRow(Row, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A model of a provider; `model` is the provider's name of it."""

    model: Id
    status: Status = "live"
    retires: datetime.date | None = None
    successor: Id | None = None
    priority: Count = 100
    fallbacks: tuple[Id, ...] = ()
    quality: Quality
    grade: Class = msgspec.field(name="class")
    fit: tuple[Fit, ...]
    context_tokens: Count | None = None
    max_output_tokens: Count | None = None
    limits: ProviderLimits = ProviderLimits()
    abilities: tuple[Ability, ...] | None = None
    reasoning: bool = False
    listed: bool = True
    terms: Terms = Terms()


class ProviderRow(Row, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An account with a provider; see the head of the file."""

    name: Name
    label: Text
    base_url: Annotated[str, Meta(pattern=r"^https://\S+[^/]$")]
    key_variables: tuple[Variable, ...]
    switched_on_by: Literal["key", "table"]
    free: Literal["recurring", "keyless", "credit", "trial", "ended"]
    limits: ProviderLimits = ProviderLimits()
    reset: Text
    tokens_counted: Literal["all", "prompts"] = "all"
    headers_tell: Literal["every answer", "refusals", "nothing"]
    discovers: bool = False
    terms: Terms = Terms()
    vendor_terms: dict[str, Terms] = {}
    models: tuple[ModelRow, ...] = ()

    @property
    def needs_key(self) -> bool:
        """Whether it answers nobody without one."""
        return self.free != "keyless"

    @property
    def placeholders(self) -> tuple[str, ...]:
        """The variables that its address is made of."""
        return tuple(PLACEHOLDER.findall(self.base_url))

    def id_of(self, row: ModelRow) -> str:
        """Our id of one of its models."""
        return f"{self.name}/{row.model}"

    def terms_of(self, row: ModelRow) -> Terms:
        """What holds for one of its models."""
        return row.terms.over(vendor_terms(self.vendor_terms.items(), row.model, self.terms))


class Shipped(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole file. sources: what each short name of a source stands for."""

    sources: dict[str, Text]
    providers: tuple[ProviderRow, ...]

    def by_name(self) -> Mapping[str, ProviderRow]:
        """The providers by their names."""
        return {row.name: row for row in self.providers}

    def ids(self) -> frozenset[str]:
        """Our ids of all models."""
        return frozenset(row.id_of(model) for row in self.providers for model in row.models)

    def variables(self) -> tuple[str, ...]:
        """Every variable that can switch a provider on, or is part of an address."""
        return tuple(
            dict.fromkeys(
                name for row in self.providers for name in (*row.key_variables, *row.placeholders)
            )
        )


def vendor_terms(table: Iterable[tuple[str, Terms]], model: str, terms: Terms) -> Terms:
    """A provider's terms, overruled by those of the vendor whose models are called so."""
    for prefix, own in table:
        if model.startswith(prefix):
            return own.over(terms)
    return terms


@cache
def shipped() -> Shipped:
    """Return the catalogue of this version. A broken one is a bug, which a test finds."""
    return read(files("scalix_free").joinpath("catalogue.toml").read_text("utf-8"))


def read(text: str) -> Shipped:
    """Read a catalogue; raises ValueError for what is none."""
    return msgspec.convert(tomllib.loads(text), Shipped)


# ── What does not fit together ───────────────────────────────────────────────────────────────


def faults(catalogue: Shipped) -> Iterator[str]:
    """Yield a sentence for whatever contradicts itself or leads nowhere."""
    seen: set[str] = set()
    successors = {
        row.id_of(model): model.successor for row in catalogue.providers for model in row.models
    }
    for row in catalogue.providers:
        if row.name in seen:
            yield f"{row.name}: is there twice"
        seen.add(row.name)
        yield from _of_provider(row, catalogue.sources)
        for model in row.models:
            name = row.id_of(model)
            if name in seen:
                yield f"{name}: is there twice"
            seen.add(name)
            yield from (f"{name}: {what}" for what in _of_model(model, row, catalogue.sources))
            yield from (f"{name}: {what}" for what in _of_links(name, model, successors))


def _of_provider(row: ProviderRow, sources: Collection[str]) -> Iterator[str]:
    yield from (f"{row.name}: {what}" for what in _of_facts(row, sources))
    try:
        zone(row.reset)
    except UnfitError:
        yield f"{row.name}: {row.reset} is no zone"
    if row.needs_key and not row.key_variables:
        yield f"{row.name}: needs a key and names no variable"
    for terms in (row.terms, *row.vendor_terms.values(), *(model.terms for model in row.models)):
        for region in terms.blocked_regions or ():
            if region != "EEA" and region not in COUNTRIES.split():
                yield f"{row.name}: {region} is no region"


def _of_facts(row: Row, sources: Collection[str]) -> Iterator[str]:
    named = {*row.sources, *(name for fact in row.facts.values() for name in _sources_of(fact))}
    yield from (f"{name} is no source" for name in sorted(named - {*sources}))
    fields = {field.encode_name for field in msgspec.structs.fields(type(row))}
    yield from (f"{fact} is no fact of it" for fact in row.facts if fact not in fields)


def _sources_of(fact: str) -> list[str]:
    return fact.partition(" ")[2].split(", ")


def _of_model(model: ModelRow, row: ProviderRow, sources: Collection[str]) -> Iterator[str]:
    yield from _of_facts(model, sources)
    if model.plan is not None and model.quality != STAR * model.plan.stars:
        yield f"quality is not {STAR} for each of the plan's stars"
    if model.plan is None and model.grade != class_of(model.quality):
        yield f"class is not that of its quality, {class_of(model.quality)}"
    if model.status == "alias" and model.successor is None:
        yield "is another name of nothing"
    if model.status in CALLED and model.limits == row.limits == ProviderLimits():
        yield "has no limit at all"


def _of_links(name: str, model: ModelRow, successors: Mapping[str, str | None]) -> Iterator[str]:
    for fallback in model.fallbacks:
        if fallback not in successors or fallback == name:
            yield f"{fallback} cannot be its fallback"
    passed = {name}
    heir = model.successor
    while heir is not None:
        if heir not in successors:
            yield f"there is no {heir} to succeed it"
            return
        if heir in passed:
            yield f"{heir} succeeds itself in the end"
            return
        passed.add(heir)
        heir = successors[heir]


def class_of(quality: int) -> Class:
    """The class of a model of which the plan said nothing."""
    return "high" if quality >= 800 else "medium" if quality >= 550 else "low"

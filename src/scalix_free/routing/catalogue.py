"""The models that there are, and those that were."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Literal, NamedTuple, TypeAlias
from zoneinfo import ZoneInfo

from scalix_free.core.budget import FOREVER_MS, Allowance
from scalix_free.core.clock import wall_clock
from scalix_free.core.ports import Backend, Clock

UNLIMITED: Final = Allowance()
AVERAGE_QUALITY: Final = 600
DAY_MINUTES: Final = 1_440
USUAL_TOKENS: Final = 4_096
"""More than what nearly all requests take."""

Why: TypeAlias = Literal["gone", "paid", "alias"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a provider's terms say, as far as anybody knows; None where nobody does.

    ``blocked_regions`` are ISO country codes, and EEA, whose end users may not be served;
    ``min_age`` is of end users, in years; ``says`` is a sentence for people.
    """

    trains_on_prompts: bool | None = None
    human_review: bool | None = None
    evaluation_only: bool | None = None
    no_resale: bool | None = None
    blocked_regions: tuple[str, ...] = ()
    min_age: int | None = None
    public_service: str | None = None
    says: str | None = None


UNKNOWN_TERMS: Final = Terms()


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """An account with a provider, whose limits all its models share.

    ``zone`` is that of the provider's day, None where the day is rolling. ``counts_answers`` says
    whether the provider counts the tokens of answers too, or those of prompts alone.
    """

    name: str
    allowance: Allowance = UNLIMITED
    zone: ZoneInfo | None = None
    counts_answers: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One model of one provider.

    ``abilities`` is None where nobody said: then it is taken to be able. ``fallbacks`` are ids
    tried first after this one. A ``demonstration`` model shows that the service works and is no
    assistant. ``hidden_tokens`` is a reasoning model's allowance on top of the cap. ``quality`` is
    what its answers are expected to be worth, in thousandths, until they are known; ``grade`` its
    class in words, and ``fit`` what it is good at. From ``retires_ms`` on it is gone, and
    ``successor`` has its place. ``barred_for_resale``: whoever pays must not be served by it.
    """

    id: str
    provider: str
    backend: Backend
    account: Account | None = None
    allowance: Allowance = UNLIMITED
    quality: int = AVERAGE_QUALITY
    priority: int = 100
    context_tokens: int | None = None
    max_output_tokens: int | None = None
    abilities: frozenset[str] | None = None
    fallbacks: tuple[str, ...] = ()
    demonstration: bool = False
    hidden_tokens: int | None = None
    grade: str | None = None
    fit: tuple[str, ...] = ()
    status: str = "live"
    retires_ms: int | None = None
    successor: str | None = None
    terms: Terms = UNKNOWN_TERMS
    barred_for_resale: bool = False
    renews: bool = field(init=False)
    """Whether what it gives comes back within a minute: no day limits it, or a day that its minutes
    cannot use up."""

    def __post_init__(self) -> None:
        whose = UNLIMITED if self.account is None else self.account.allowance
        object.__setattr__(self, "renews", _renews(self.allowance, whose))

    @property
    def is_metered(self) -> bool:
        """Whether it has a limit, or its account has."""
        account = self.account
        return self.allowance.is_limiting or (account is not None and account.allowance.is_limiting)

    def lacks(self, needs: Iterable[str]) -> list[str]:
        """Which of these abilities the model does not have."""
        return [] if self.abilities is None else [n for n in needs if n not in self.abilities]

    def fits(self, prompt_tokens: int) -> bool:
        """Whether a prompt leaves room for an answer."""
        return self.context_tokens is None or prompt_tokens < self.context_tokens


def _renews(*allowances: Allowance) -> bool:
    rpm = _least(allowed.rpm for allowed in allowances)
    rpd = _least(allowed.rpd for allowed in allowances)
    tpd = _least(allowed.tpd for allowed in allowances)
    if rpm is None:
        return rpd is None and tpd is None
    requests = rpm * DAY_MINUTES
    return (rpd is None or rpd >= requests) and (tpd is None or tpd >= requests * USUAL_TOKENS)


def _least(limits: Iterable[int | None]) -> int | None:
    return min((limit for limit in limits if limit is not None), default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gone:
    """A model that is never called: it ended, is paid for, or is another name of its successor.

    ``since_ms`` is when it ended, None where nobody knows. Its place is ``priority`` and
    ``fallbacks``.
    """

    id: str
    provider: str
    why: Why = "gone"
    since_ms: int | None = None
    successor: str | None = None
    priority: int = 100
    fallbacks: tuple[str, ...] = ()


class Retired(NamedTuple):
    """When a model was found to be gone, and until when that is believed."""

    since_ms: int
    until_ms: int


NOBODY: Final[Mapping[str, Retired]] = {}


class Catalogue:
    """All models, in the order in which they are tried: by priority, then as given.

    A model whose time has come is gone from that moment on, and so is, for as long as that is
    believed, one that its provider does not know any more and that has a successor. ``restock``
    replaces all of them at once: whoever has asked before goes on with what they got.
    """

    def __init__(
        self, models: Iterable[Model], gone: Iterable[Gone] = (), *, clock: Clock = wall_clock
    ) -> None:
        self._clock = clock
        self._retired: dict[str, Retired] = {}
        self._stock = _stock(tuple(models), tuple(gone), clock())

    def __iter__(self) -> Iterator[Model]:
        return iter(self._current().models)

    def __len__(self) -> int:
        return len(self._current().models)

    @property
    def is_metered(self) -> bool:
        """Whether any model has a limit."""
        return self._current().is_metered

    def candidates(self, model_id: str) -> tuple[Model, ...]:
        """Who may answer whoever asks for this model, in order; each stands once.

        A model that was asked for comes alone, with its own fallbacks, and for one that is gone
        its successor does; otherwise all come, each followed by its fallbacks.
        """
        stock = self._current()
        alone = stock.alone.get(model_id)
        if alone is None and (heir := stock.heirs.get(model_id)) is not None:
            alone = stock.alone[heir]
        return stock.everybody if alone is None else alone

    def get(self, model_id: str) -> Model | None:
        """The model of this id, if there is one that can be called."""
        return self._current().by_id.get(model_id)

    def has(self, model_id: str) -> bool:
        """Whether this model can be called, or another one in its place."""
        stock = self._current()
        return model_id in stock.by_id or model_id in stock.heirs

    def gone(self) -> Sequence[Gone]:
        """The models that are never called."""
        return self._current().gone

    def successor(self, model_id: str) -> str | None:
        """The model that has the place of this one, by way of all that followed each other.

        None for a model that nothing succeeds; a model that can be called still may have one.
        """
        stock = self._current()
        heir = stock.heirs.get(model_id)
        if heir is None and (model := stock.by_id.get(model_id)) is not None:
            heir = stock.resolved(model.successor)
        return heir

    def restock(self, models: Iterable[Model], gone: Iterable[Gone] = ()) -> None:
        """Have these models from now on."""
        self._stock = _stock(tuple(models), tuple(gone), self._clock(), self._retired)

    def retire(self, model_id: str, until_ms: int) -> None:
        """Take a model for gone until then: its provider has said so.

        Its successor has its place. One without a successor that can be called stays where it is.
        """
        now_ms = self._clock()
        known = self._retired.get(model_id)
        if until_ms <= now_ms or (known is not None and known.until_ms >= until_ms):
            return
        since_ms = known.since_ms if known is not None and known.until_ms > now_ms else now_ms
        self._retired[model_id] = Retired(since_ms, until_ms)
        self._restock(now_ms)

    def _current(self) -> _Stock:
        now_ms = self._clock()
        if now_ms >= self._stock.until_ms:
            self._restock(now_ms)
        return self._stock

    def _restock(self, now_ms: int) -> None:
        stock = self._stock
        self._stock = _stock(stock.given, stock.given_gone, now_ms, self._retired)


@dataclass(frozen=True, slots=True)
class _Stock:
    """The models as they are until the next one retires.

    ``given`` are the models before anybody retired or inherited. ``heirs`` has the id of the model
    that can be called in the place of one that is gone.
    """

    given: tuple[Model, ...]
    given_gone: tuple[Gone, ...]
    models: tuple[Model, ...]
    gone: tuple[Gone, ...]
    by_id: Mapping[str, Model]
    heirs: Mapping[str, str]
    everybody: tuple[Model, ...]
    alone: Mapping[str, tuple[Model, ...]]
    is_metered: bool
    until_ms: int

    def resolved(self, model_id: str | None) -> str | None:
        """The id, or that of its heir; None where neither can be called."""
        if model_id is None or model_id in self.by_id:
            return model_id
        return self.heirs.get(model_id)


def _stock(
    given: tuple[Model, ...],
    given_gone: tuple[Gone, ...],
    now_ms: int,
    retired: Mapping[str, Retired] = NOBODY,
) -> _Stock:
    found: dict[str, int | None] = {
        name: one.since_ms for name, one in retired.items() if one.until_ms > now_ms
    }
    over = {model.id: model.retires_ms for model in given if _is_over(model, now_ms)}
    ends = found | over
    heirs = _heirs((*given_gone, *_ended(given, ends)), _others(given, ends))
    ends = {name: end for name, end in ends.items() if name in over or name in heirs}
    gone = (*given_gone, *_ended(given, ends))
    heirs = _heirs(gone, _others(given, ends))
    rest = [model for model in given if model.id not in ends]
    models = tuple(sorted(_inherit(rest, gone, heirs), key=lambda model: model.priority))
    by_id = {model.id: model for model in models}
    return _Stock(
        given=given,
        given_gone=given_gone,
        models=models,
        gone=gone,
        by_id=by_id,
        heirs=heirs,
        everybody=tuple(followed(models, by_id.get)),
        alone={model.id: tuple(followed([model], by_id.get)) for model in models},
        is_metered=any(model.is_metered for model in models),
        until_ms=min(
            (
                *(model.retires_ms for model in models if model.retires_ms is not None),
                *(one.until_ms for one in retired.values() if one.until_ms > now_ms),
            ),
            default=FOREVER_MS,
        ),
    )


def _is_over(model: Model, now_ms: int) -> bool:
    return model.retires_ms is not None and model.retires_ms <= now_ms


def _others(given: Iterable[Model], ends: Mapping[str, int | None]) -> set[str]:
    return {model.id for model in given if model.id not in ends}


def _ended(given: Iterable[Model], ends: Mapping[str, int | None]) -> Iterator[Gone]:
    for model in given:
        if model.id in ends:
            yield Gone(
                id=model.id,
                provider=model.provider,
                since_ms=ends[model.id],
                successor=model.successor,
                priority=model.priority,
                fallbacks=model.fallbacks,
            )


def _heirs(gone: Sequence[Gone], there: set[str]) -> dict[str, str]:
    """Whoever can be called in the place of each that is gone."""
    next_of = {model.id: model.successor for model in gone if model.id not in there}
    heirs: dict[str, str] = {}
    for model_id, successor in next_of.items():
        passed, heir = {model_id}, successor
        while heir is not None and heir not in there and heir not in passed:
            passed.add(heir)
            heir = next_of.get(heir)
        if heir in there:
            heirs[model_id] = heir
    return heirs


def _inherit(
    models: Sequence[Model], gone: Sequence[Gone], heirs: Mapping[str, str]
) -> Iterator[Model]:
    """The models with the best place of those that they succeed; fallbacks lead to who is there."""
    places: dict[str, Gone] = {}
    for former in sorted(gone, key=lambda model: model.priority):
        heir = heirs.get(former.id)
        if heir is not None:
            places.setdefault(heir, former)
    for model in models:
        place = places.get(model.id)
        fallbacks, priority = model.fallbacks, model.priority
        if place is not None:
            fallbacks, priority = fallbacks or place.fallbacks, min(priority, place.priority)
        there = [heirs.get(fallback, fallback) for fallback in fallbacks]
        fallbacks = tuple(dict.fromkeys(name for name in there if name != model.id))
        if (fallbacks, priority) == (model.fallbacks, model.priority):
            yield model
        else:
            yield replace(model, fallbacks=fallbacks, priority=priority)


def followed(
    models: Iterable[Model],
    find: Callable[[str], Model | None],
    fallen: Container[str] = frozenset(),
) -> Iterator[Model]:
    """Each model followed by its fallbacks, except for those that have fallen; each stands once."""
    seen: set[str] = set()
    waiting = list(models)
    while waiting:
        model = waiting.pop(0)
        if model.id in seen:
            continue
        seen.add(model.id)
        yield model
        fallbacks = (find(name) for name in model.fallbacks if name not in fallen)
        waiting[:0] = [fallback for fallback in fallbacks if fallback is not None]

"""The models that there are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final
from zoneinfo import ZoneInfo

from scalix_free.core.budget import Allowance
from scalix_free.core.ports import Backend

UNLIMITED: Final = Allowance()
AVERAGE_QUALITY: Final = 600


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
    what its answers are expected to be worth, in thousandths, until they are known.
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


class Catalogue:
    """All models, in the order in which they are tried: by priority, then as configured."""

    def __init__(self, models: Iterable[Model]) -> None:
        self._models = tuple(sorted(models, key=lambda model: model.priority))
        self._by_id = {model.id: model for model in self._models}
        self.is_metered = any(model.is_metered for model in self._models)
        self._everybody = tuple(self._unfold(self._models))
        self._alone = {model.id: tuple(self._unfold([model])) for model in self._models}

    def __iter__(self) -> Iterator[Model]:
        return iter(self._models)

    def __len__(self) -> int:
        return len(self._models)

    def candidates(self, model_id: str) -> tuple[Model, ...]:
        """Who may answer whoever asks for this model, in order; each stands once.

        A model that was asked for comes alone, with its own fallbacks; otherwise all come, each
        followed by its fallbacks.
        """
        return self._alone.get(model_id, self._everybody)

    def _unfold(self, models: Iterable[Model]) -> Iterator[Model]:
        seen: set[str] = set()
        waiting = list(models)
        while waiting:
            model = waiting.pop(0)
            if model.id in seen:
                continue
            seen.add(model.id)
            yield model
            fallbacks = map(self._by_id.get, model.fallbacks)
            waiting[:0] = [fallback for fallback in fallbacks if fallback is not None]

    def get(self, model_id: str) -> Model | None:
        """The model of this id, if there is one."""
        return self._by_id.get(model_id)

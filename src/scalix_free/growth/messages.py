"""What a prompt says. All of it is the operator's to word."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from scalix_free.core.funnel import Trigger
from scalix_free.core.standing import Standing

SHOWN_MODELS: Final = 3
LEAST_TOKENS: Final = 64
"""With fewer left no answer is begun."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Texts:
    """The operator's words; see the settings of the same names."""

    first_request: str
    near_limit: str
    at_limit: str
    quality_issue: str
    limit_exceeded: str
    limit_exceeded_action: str
    limit_exceeded_promotion: str
    quality_upgrade: str
    quality_upgrade_action: str
    better_models: str
    feature_upgrade: str
    feature_upgrade_action: str
    notice: str


@dataclass(frozen=True, slots=True)
class Message:
    """A prompt in words. ``id`` stays the same as long as the words do."""

    text: str
    call_to_action: str | None
    id: str


class Messages:
    """The words for each trigger. ``promotion`` is the first month's discount in percent."""

    def __init__(self, texts: Texts, *, promotion: int) -> None:
        self._texts = texts
        promised = texts.limit_exceeded_promotion.replace("{percent}", str(promotion))
        self._at_limit = (texts.limit_exceeded_action, promised if promotion else "")

    def of(self, trigger: Trigger | None, *, promoted: bool, models: str) -> Message:
        """What is said; to whom the first month's discount is not for, not a word of it.

        ``models`` is what the models of Pro are called.
        """
        texts = self._texts
        action, promised = self._at_limit
        continued = f"{action} - {promised}" if promised and promoted else action
        better = texts.quality_upgrade_action
        words: Mapping[Trigger | None, tuple[str, str | None]] = {
            Trigger.FIRST_REQUEST: (texts.first_request, None),  # a welcome sells nothing
            Trigger.NEAR_LIMIT: (texts.near_limit, texts.feature_upgrade_action),
            Trigger.AT_LIMIT: (texts.at_limit, continued),
            Trigger.QUALITY_ISSUE: (texts.quality_issue, better),
            Trigger.LIMIT_EXCEEDED: (texts.limit_exceeded, continued),
            Trigger.QUALITY_UPGRADE: (texts.quality_upgrade.replace("{models}", models), better),
        }
        pair = words.get(trigger, (texts.feature_upgrade, texts.feature_upgrade_action))
        return Message(*pair, _id(trigger, *pair))

    @property
    def notice(self) -> str:
        """What is said beside a price that something personal moved."""
        return self._texts.notice

    def displayed(self) -> dict[str, str]:
        """What stands on a prompt of each trigger that answers carry."""
        texts = self._texts
        return {
            Trigger.FIRST_REQUEST.value: texts.first_request,
            Trigger.NEAR_LIMIT.value: texts.near_limit,
            Trigger.AT_LIMIT.value: texts.at_limit,
            Trigger.QUALITY_ISSUE.value: texts.quality_issue,
        }


def called(wanted: Sequence[str], models: Iterable[str], otherwise: str) -> str:
    """The models of Pro in a list: as they are wanted, if there are such, else by their ids.

    ``models`` are ids, the best first.
    """
    ids = list(models)
    found = [name for name in wanted if any(_is_like(name, model) for model in ids)]
    for model in ids:
        name = model.rpartition("/")[2]
        if name not in found and not any(_is_like(known, model) for known in found):
            found.append(name)
    found = found[:SHOWN_MODELS]
    if len(found) < 2:
        return found[0] if found else otherwise
    *most, last = found
    return f"{', '.join(most)}, and {last}" if len(found) > 2 else f"{most[0]} and {last}"


def is_at_limit(standing: Standing) -> bool:
    """Whether nothing more would be answered now."""
    binding, tokens = standing.binding, standing.tokens
    if binding is not None and not binding.remaining:
        return True
    return tokens is not None and (tokens.remaining or 0) < LEAST_TOKENS


def _is_like(name: str, model: str) -> bool:
    """Whether a name's words stand in a model's id, versions where they belong.

    GPT-4 is in ``openai/gpt-4o``, not in ``openai/gpt-oss-4b``.
    """
    pattern = ""
    for word in re.findall(r"[a-z]+|[0-9.]+", name.lower()):
        if word[0].isdigit():
            pattern += rf"[-_. ]?{word.replace('.', '[-.]')}(?![0-9])"
        else:
            pattern += rf".*\b{word}"
    return re.match(pattern, model.lower()) is not None


def _id(trigger: Trigger | None, *words: str | None) -> str:
    digest = hashlib.sha256("\n".join(word or "" for word in words).encode()).hexdigest()[:8]
    return f"{'offer' if trigger is None else trigger.value.lower()}-{digest}"

"""When somebody is shown a prompt: from what an answer knows anyway.

    FIRST_REQUEST   the first answer of an identity               once ever
    NEAR_LIMIT      few requests are left; hardly any are left    once per window for each of both
    QUALITY_ISSUE   a bad rating, two regenerations in a row,
                    or the third model had to answer              once a day
    AT_LIMIT        a limit refused the request                   each time

An answer tells at its end, so never while tokens stream, and one trigger at most.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from scalix_free.core.clock import DAY_MS
from scalix_free.core.errors import Code
from scalix_free.core.funnel import Trigger
from scalix_free.core.ledger import Unit
from scalix_free.core.standing import Standing

EVER_MS: Final = 30 * DAY_MS
"""As long as anything is known of an anonymous identity."""
REGENERATIONS: Final = 2
DEPTH: Final = 2
"""So many models failed before the one that answered."""
NEAR: Final = 5
"""With more left nobody is near a limit; see ``Standing.near_limit``."""
HARDLY_ANY: Final = 10
"""At most a tenth of the window."""

OWN_LIMITS: Final = frozenset({Code.HOURLY_LIMIT, Code.DAILY_LIMIT, Code.TOKEN_LIMIT})

_REQUESTS: Final = Unit.REQUESTS


class Due(NamedTuple):
    """A prompt that is due, unless there was one of the same ``key`` in the last ``for_ms``."""

    trigger: Trigger
    key: bytes
    for_ms: int


def due(standing: Standing, own: bytes, *, attempts: int, regenerations: int) -> Iterator[Due]:
    """The prompts that an answer calls for, the one to show first in front."""
    binding = standing.binding
    if binding is not None:
        if binding.used == 1 and _is_first(standing):
            yield Due(Trigger.FIRST_REQUEST, b"first:" + own, EVER_MS)
        if standing.near_limit:
            limit, left = binding.limit, binding.remaining or 0
            which = b"red" if left * HARDLY_ANY <= (limit.most or 0) else b"amber"
            key = b"near:%s:%s:%s" % (which, limit.name.encode(), own)
            yield Due(Trigger.NEAR_LIMIT, key, limit.window_ms)
    if attempts > DEPTH or regenerations >= REGENERATIONS:
        yield quality_issue(own)


def is_in_the_middle(standing: Standing) -> bool:
    """Whether somebody is surely neither at the beginning of their limits nor near the end.

    What most answers find; to be asked first, since it costs next to nothing.
    """
    binding = standing.binding
    if binding is None:
        return True
    limit, used, _ = binding
    return used > 1 and limit.most is not None and limit.most - used > NEAR


def quality_issue(own: bytes) -> Due:
    """The prompt of somebody who got a bad answer."""
    return Due(Trigger.QUALITY_ISSUE, b"quality:" + own, DAY_MS)


def of_refusal(code: Code) -> Trigger | None:
    """The prompt of somebody who was refused."""
    return Trigger.AT_LIMIT if code in OWN_LIMITS else None


def _is_first(standing: Standing) -> bool:
    return all(
        used == 1
        for limit, used, _ in standing.levels
        if limit.unit is _REQUESTS and limit.most is not None
    )

"""Feedback: what people think of the answers that they got, and what follows from it."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

from scalix_free.core.caller import Caller
from scalix_free.core.errors import Code, Refusal, StoreUnavailable
from scalix_free.core.funnel import Trigger
from scalix_free.core.ports import Clock, Ratings
from scalix_free.core.rating import Kept, Rating
from scalix_free.growth.prompts import Prompts
from scalix_free.routing.preferences import Preferences
from scalix_free.routing.quality import Qualities
from scalix_free.serve.answering import STORE_AWAY

ID: Final = re.compile(r"(?:req|free_cmp)_([0-9a-f]{32})")
LOOKS_S: Final = (0.0, 0.6, 1.0)
"""When to look for an answer, one look after the other: whichever worker gave it writes it down
within a second."""
LISTENED_MS: Final = 7 * 86_400_000
"""Older opinions weigh less than a hundredth."""
MOST_OPINIONS: Final = 5_000
REFRESH_S: Final = 20.0
"""How often a worker reads what was said to others."""

Pause: TypeAlias = Callable[[float], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Given:
    """The rating of an answer as it stands, and the prompt that is due after it."""

    request_id: str
    rating: int
    trigger: Trigger | None = None


@dataclass(frozen=True, kw_only=True)
class Feedback:
    """Takes ratings, and lets the router know them: those of all workers, also of earlier ones."""

    ratings: Ratings
    qualities: Qualities
    preferences: Preferences
    clock: Clock
    pause: Pause = asyncio.sleep
    prompts: Prompts | None = None

    async def give(
        self, caller: Caller, answer_id: str, rating: int, comment: str | None
    ) -> Given | Refusal:
        """Rate an answer that the caller got: 1 or -1, once.

        ``answer_id`` is that of the answer or of its request. The same again changes nothing, but
        may bring a comment later.
        """
        if (written := ID.fullmatch(answer_id)) is None:
            return NO_ANSWER
        rid = bytes.fromhex(written[1])
        said = Rating(rid, rating, self.clock(), _bare(comment))
        try:
            kept = await self._keep(caller, said)
            if kept is not None and kept.first:
                await self.refresh()
        except StoreUnavailable:
            return STORE_AWAY
        if kept is None:
            return NO_ANSWER
        if kept.rating != rating:
            return ALREADY_RATED
        trigger = None
        if kept.first and rating < 0 and self.prompts is not None:
            trigger = await self.prompts.disliked(caller)
        return Given(f"req_{written[1]}", rating, trigger)

    async def _keep(self, caller: Caller, said: Rating) -> Kept | None:
        for wait_s in LOOKS_S:
            await self.pause(wait_s)
            if await self.ratings.answered(caller, said.rid) is not None:
                return await self.ratings.rate(caller, said)
        return None

    async def refresh(self) -> None:
        """Read what people said. Raises ``StoreUnavailable``."""
        since_ms = self.clock() - LISTENED_MS
        opinions = await self.ratings.opinions(since_ms, most=MOST_OPINIONS)
        self.qualities.learn(opinions)
        self.preferences.learn(opinions, self.clock())

    async def keep_fresh(self) -> None:
        """Do so again and again; while the store is away, what was known holds."""
        while True:
            await self.pause(REFRESH_S)
            with contextlib.suppress(StoreUnavailable):
                await self.refresh()


def _bare(comment: str | None) -> str | None:
    """A comment without what no database takes; None where nothing is left."""
    return None if comment is None else comment.replace("\0", "").strip() or None


NO_ANSWER: Final = Refusal(
    code=Code.NOT_FOUND,
    message=(
        "You got no answer of this id. It is the x-request-id or the id of an answer of the last "
        "30 days, and is rated with the credential that it was asked for with."
    ),
    param="request_id",
)
ALREADY_RATED: Final = Refusal(
    code=Code.ALREADY_RATED,
    message="You have rated this answer otherwise before, and the first rating counts.",
    param="rating",
)

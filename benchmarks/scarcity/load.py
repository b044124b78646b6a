"""The crowd of the day, through real HTTP.

``python -m benchmarks.scarcity.load JSON`` lives the demand that the JSON names against a base URL
and prints what came of it. It runs by the same scaled clock as whoever it asks.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, cast

import aiohttp

from benchmarks.scarcity.crowd import Crowd, Tally, Told
from benchmarks.scarcity.day import BEGIN_S
from benchmarks.scarcity.demand import CAP_TOKENS, Demand, Person, Question, demand
from benchmarks.scarcity.world import ask_for

GIVE_UP_S = 240.0
"""How long anybody waits for an answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What is to be lived. ``minted``: identities are made by the service, else names do."""

    url: str
    seed: int
    crowd: float
    hostile: bool
    hostile_every_s: float
    begin_s: float
    end_s: float
    minted: bool

    def demand(self) -> Demand:
        """All who ask on that day."""
        return demand(self.seed, crowd=self.crowd, hostile=self.hostile)


class Client:
    """Asks as whoever it is told to be."""

    def __init__(self, session: aiohttp.ClientSession, job: Job) -> None:
        self._session, self._job = session, job
        self._tokens: dict[str, str] = {}
        self.errors: Counter[str] = Counter()

    async def ask(self, question: Question) -> Told:
        """Ask once."""
        try:
            return await self._ask(question)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            self.errors[type(error).__name__] += 1
            return Told(0)

    async def _ask(self, question: Question) -> Told:
        text = ask_for(question.answer_tokens, question.prompt_tokens)
        body = {
            "model": "scalix-free",
            "messages": [{"role": "user", "content": text}],
            "max_tokens": CAP_TOKENS,
        }
        headers = self._headers(question.person)
        url = f"{self._job.url}/v1/chat/completions"
        async with self._session.post(url, json=body, headers=headers) as answer:
            told: Any = await answer.json(content_type=None)
            if answer.status == 200:
                return Told(200, answer.headers["x-scalix-model"])
            return Told(answer.status, wait_s=_wait_s(answer.headers, told))

    def _headers(self, person: Person) -> dict[str, str]:
        headers = {"x-forwarded-for": person.address}
        if person.seat is None:
            return headers
        if not self._job.minted:
            return headers | {"authorization": f"Bearer {person.name}"}
        return headers | {"authorization": f"Bearer {self._tokens[person.name]}"}

    async def mint(self, people: Iterable[Person]) -> None:
        """Get an identity for each who is to have one, before the day begins."""
        url = f"{self._job.url}/api/v1/free/session"
        for person in people if self._job.minted else ():
            if person.seat is None or person.name in self._tokens:
                continue
            headers = {"x-forwarded-for": person.address}
            async with self._session.post(url, headers=headers) as answer:
                told = await answer.json()
                if answer.status != 200:
                    raise RuntimeError(f"no identity: {answer.status} {told}")
                self._tokens[person.name] = cast(str, told["token"])


def _wait_s(headers: Any, told: Any) -> float | None:
    if "retry-after-ms" in headers:
        return float(headers["retry-after-ms"]) / 1000
    if "retry-after" in headers:
        return float(headers["retry-after"])
    seconds = (told or {}).get("error", {}).get("retry_after_seconds")
    return None if seconds is None else float(seconds)


async def live(job: Job) -> tuple[Tally, Counter[str]]:
    """Wait for the beginning, then live it."""
    timeout = aiohttp.ClientTimeout(total=GIVE_UP_S)
    connector = aiohttp.TCPConnector(limit=0, force_close=True)
    async with aiohttp.ClientSession(timeout=timeout, connector=connector) as session:
        client = Client(session, job)
        crowd = Crowd(
            client.ask,
            begin_s=job.begin_s,
            end_s=job.end_s,
            hostile_every_s=job.hostile_every_s,
        )
        day = job.demand()
        await client.mint((*(question.person for question in day.questions), *day.hostile))
        await asyncio.sleep(BEGIN_S + job.begin_s - time.time())
        return await crowd.live(day), client.errors


if __name__ == "__main__":
    tally, errors = asyncio.run(live(Job(**json.loads(sys.argv[1]))))
    print(json.dumps({"tally": vars(tally), "errors": errors}))

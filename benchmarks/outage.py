"""Whether limits hold while their server is away: three replicas under load, and no Valkey.

``python -m benchmarks.outage [SECONDS]`` serves callers by three services on one Valkey and one
PostgreSQL, takes the Valkey away for so many seconds, and compares what callers got with what the
books say afterwards. Once it is halted and keeps its data, once it is killed and loses them. A
limit that did not hold ends it with 1.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import aiohttp

from benchmarks import machine
from benchmarks.table import markdown
from tests.postgres import running_postgres
from tests.service import provider, running_service
from tests.storage.servers import Running, running_server
from tests.world import running_world

ROOT: Final = Path(__file__).resolve().parents[1]
RESULT: Final = ROOT / "benchmarks/results/outage.md"

REPLICAS: Final = 3
AWAY_S: Final = 60
BEFORE_S: Final = 10
AFTER_S: Final = 20
A_SECOND: Final = 50
CALLERS: Final = 40
MOST: Final = 60
"""Requests of each caller in an hour; all of them together ask for about twice as many."""
TIMEOUT_S: Final = 10.0
SECRET: Final = "the secret of three replicas, long enough"


@dataclass(frozen=True)
class Outcome:
    """What one outage came to."""

    what: str
    asked: int
    statuses: Counter[int]
    admitted: Counter[str]
    used: dict[str, int]
    slowest_s: float
    entered: int

    @property
    def over(self) -> int:
        """The most that any caller had above the limit; negative where none reached it."""
        return max(self.admitted[one] - MOST for one in self.used)

    @property
    def off(self) -> int:
        """Callers of whom the books say something else than what they were given."""
        return sum(used != self.admitted[one] for one, used in self.used.items())

    @property
    def held(self) -> bool:
        """Whether everything that is promised was kept."""
        return self.over <= REPLICAS and not self.off and self.statuses.keys() <= {200, 429}


class Crowd:
    """Callers who ask the replicas in turn."""

    def __init__(self, session: aiohttp.ClientSession, urls: Sequence[str]) -> None:
        self._session = session
        self._urls = itertools.cycle(urls)
        self._callers = itertools.cycle([f"10.0.{n}.1" for n in range(CALLERS)])
        self._asking: set[asyncio.Task[None]] = set()
        self.statuses: Counter[int] = Counter()
        self.admitted: Counter[str] = Counter()
        self.slowest_s = 0.0

    async def ask_for(self, seconds: float) -> None:
        """Ask at the rate, whether answers come or not."""
        begin = time.monotonic()
        for n in range(int(seconds * A_SECOND)):
            await asyncio.sleep(max(0.0, begin + n / A_SECOND - time.monotonic()))
            task = asyncio.create_task(self._ask(next(self._urls), next(self._callers)))
            self._asking.add(task)
            task.add_done_callback(self._asking.discard)

    async def rest(self) -> None:
        """Wait for all answers."""
        await asyncio.gather(*self._asking)

    async def used(self, url: str) -> dict[str, int]:
        """What the books say of each caller's hour."""
        found = {}
        for n in range(CALLERS):
            headers = {"x-forwarded-for": f"10.0.{n}.1"}
            async with self._session.get(f"{url}/api/v1/free/limits", headers=headers) as answer:
                windows = (await answer.json())["windows"]
                found[headers["x-forwarded-for"]] = windows[0]["used"]
        return found

    async def _ask(self, url: str, caller: str) -> None:
        begin = time.monotonic()
        body = {"messages": [{"role": "user", "content": "What is the capital of France?"}]}
        headers = {"x-forwarded-for": caller}
        path = f"{url}/v1/chat/completions"
        async with self._session.post(path, json=body, headers=headers) as answer:
            await answer.read()
            self.statuses[answer.status] += 1
            self.admitted[caller] += answer.status == 200
        self.slowest_s = max(self.slowest_s, time.monotonic() - begin)


async def crowd(
    urls: Sequence[str], away_s: float, go: Callable[[], None], come: Callable[[], None]
) -> Crowd:
    """Ask before, meanwhile and afterwards."""
    timeout = aiohttp.ClientTimeout(TIMEOUT_S)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        people = Crowd(session, urls)
        await people.ask_for(BEFORE_S)
        await people.rest()
        await asyncio.sleep(2)  # until the usage log is written, as it is within a second
        go()
        await people.ask_for(away_s)
        await asyncio.to_thread(come)
        await people.ask_for(AFTER_S)
        await people.rest()
        return people


async def books(url: str) -> dict[str, int]:
    """What the books say in the end."""
    async with aiohttp.ClientSession() as session:
        return await Crowd(session, [url]).used(url)


def outage(
    what: str, away_s: float, go: Callable[[Running], None], come: Callable[[Running], None]
) -> Outcome:
    """Start everything, take the server away, count."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        world = stack.enter_context(running_world())
        valkey = stack.enter_context(running_server())
        database = stack.enter_context(running_postgres())
        toml = provider(world.base_url, [{"id": "w/m", "model": "instant"}])
        limits: dict[str, object] = {
            "store.ledger": valkey.url,
            "store.database": database.migrated(),
            "server.secret": SECRET,
            "server.trusted_proxies": ["127.0.0.0/8"],
            "tiers.anonymous.requests_per_hour": MOST,
            "tiers.anonymous.requests_per_day": "unlimited",
            "tiers.anonymous.tokens_per_day": "unlimited",
            "tiers.anonymous.concurrent": "unlimited",
            "addresses.requests_per_minute": "unlimited",
            "networks.requests_per_hour": "unlimited",
        }
        services = [
            stack.enter_context(running_service(folder / f"{n}", toml, limits))
            for n in range(REPLICAS)
        ]
        time.sleep(12)  # until each of them has counted the others
        urls = [service.url for service in services]
        people = asyncio.run(crowd(urls, away_s, lambda: go(valkey), lambda: come(valkey)))
        used = asyncio.run(books(urls[0]))
        said = "".join(service.errors for service in services)
        entered = sum(
            int(line.partition("is back; ")[2].split()[0])
            for line in said.splitlines()
            if "server is back; " in line
        )
    return Outcome(
        what,
        sum(people.statuses.values()),
        people.statuses,
        people.admitted,
        used,
        people.slowest_s,
        entered,
    )


def halt(valkey: Running) -> None:
    """It answers no more, and keeps what it has."""
    assert valkey.process is not None
    valkey.process.send_signal(signal.SIGSTOP)


def wake(valkey: Running) -> None:
    """It goes on where it was."""
    assert valkey.process is not None
    valkey.process.send_signal(signal.SIGCONT)


def show(outcomes: Sequence[Outcome]) -> str:
    """The table."""
    headings = (
        *("Valkey", "asked", "answers by status", "admitted", "most above a limit"),
        *("entered afterwards", "callers whose books differ", "slowest answer, s"),
    )
    return markdown(
        headings,
        [
            (
                *(one.what, f"{one.asked:,}", json.dumps(dict(sorted(one.statuses.items())))),
                *(f"{sum(one.admitted.values()):,}", str(one.over), f"{one.entered:,}"),
                *(str(one.off), f"{one.slowest_s:.2f}"),
            )
            for one in outcomes
        ],
    )


def main(away_s: float, write: Callable[[str], object] = print) -> int:
    """Halt it, kill it; only the full length is written down."""
    outcomes = []
    for what, go, come in (
        ("halted, keeps its data", halt, wake),
        ("killed, loses them", Running.stop, Running.start),
    ):
        outcomes.append(outage(what, away_s, go, come))
        write(show(outcomes[-1:]))
    if away_s == AWAY_S:
        RESULT.write_text(
            f"# Limits while their server is away\n\n{REPLICAS} replicas on one Valkey and one"
            f" PostgreSQL, {A_SECOND} requests a second by {CALLERS} callers of {MOST} an hour:"
            f" {BEFORE_S} s before, {AWAY_S} s without the Valkey, {AFTER_S} s afterwards.\n\n"
            f"{show(outcomes)}\n\n{machine.facts()}\n"
        )
    return 0 if all(one.held for one in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]) if sys.argv[1:] else AWAY_S))

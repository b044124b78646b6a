"""Whether limits hold under a storm: far more attempts than there is room, from many processes.

``python -m benchmarks.storm [ATTEMPTS]`` starts each store, lets processes crowd it until each has
made its share of the attempts, and reads the books. A limit that did not hold ends it with 1.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import uvloop

from benchmarks import machine
from benchmarks.table import markdown
from scalix_free.core.clock import wall_clock
from scalix_free.core.errors import StoreUnavailable
from scalix_free.core.ledger import Ask, Denied, Limit, Policy, Subject, Unit
from scalix_free.storage.redis_ledger import RedisLedger
from scalix_free.storage.sqlite_ledger import SqliteLedger, connect
from tests.storage.servers import running_cluster, running_server

ROOT: Final = Path(__file__).resolve().parents[1]
RESULT: Final = ROOT / "benchmarks/results/storm.md"

ATTEMPTS: Final = 1_000_000
IDENTITIES: Final = 2_000
ADDRESSES: Final = 40
MOST: Final = 10
"""For each identity, of which fifty share an address."""
MOST_AT: Final = (400, 600)
"""For each address: in every other one there is less room than its people have."""
TOGETHER: Final = 64
"""Attempts of one process at the same time."""
REFUNDED: Final = 0.2
"""Share of the admissions in the first half that are given back."""
PATIENCE_S: Final = 60.0
"""All processes together are more than one server can answer within its usual time."""

DAY_MS: Final = 86_400_000
PERSON: Final = Policy("person", (Limit("requests_day", Unit.REQUESTS, MOST, DAY_MS),))
PLACES: Final = tuple(
    Policy("address", (Limit("address_day", Unit.REQUESTS, most, DAY_MS),), leased=False)
    for most in MOST_AT
)


def subjects(identity: int) -> tuple[Subject, Subject]:
    """An identity, and its address."""
    address = identity % ADDRESSES
    return (
        Subject(_key(f"identity {identity}"), PERSON),
        Subject(_key(f"address {address}"), PLACES[address % 2]),
    )


def _key(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()[:16]


def ledger_of(place: str) -> SqliteLedger | RedisLedger:
    """The ledger at a path or a URL."""
    if place.startswith("redis://"):
        return RedisLedger(place, command_s=PATIENCE_S)
    return SqliteLedger(place, clock=wall_clock)


async def reach(ledger: SqliteLedger | RedisLedger) -> None:
    """Open it, for as long as that takes: all processes come at once."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            with contextlib.suppress(StoreUnavailable):
                return await ledger.open()
            await asyncio.sleep(0.2)


# ── One process of many ──────────────────────────────────────────────────────────────────────


async def crowd(place: str, seed: int, attempts: int) -> Counter[int]:
    """Make so many attempts; how many requests each identity has been admitted and kept."""
    ledger = ledger_of(place)
    await reach(ledger)
    chance, got, left = random.Random(seed), Counter[int](), attempts

    async def insist() -> None:
        nonlocal left
        while left > 0:
            left -= 1
            identity, rid = chance.randrange(IDENTITIES), chance.randbytes(16)
            those = subjects(identity)
            verdict = await ledger.admit(Ask(rid, those, 1, 1, report=False))
            if isinstance(verdict, Denied):
                continue
            if left > attempts / 2 and chance.random() < REFUNDED:
                await ledger.refund(those, rid)
            else:
                await ledger.settle(those[:1], rid, 1)
                got[identity] += 1

    await asyncio.gather(*(insist() for _ in range(TOGETHER)))
    await ledger.close()
    return got


# ── All of them ──────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Storm:
    """What came of it. ``off`` counts subjects whose books do not hold what their callers got."""

    store: str
    processes: int
    attempts: int
    admitted: int
    over: int
    full: int
    fillable: int
    off: int
    seconds: float

    @property
    def held(self) -> bool:
        """Whether every limit did, and everything that had to fill up is full."""
        return not self.over and not self.off and self.full == self.fillable


async def storm(store: str, place: str, processes: int, attempts: int) -> Storm:
    """Let them crowd one store, then read its books."""
    share = attempts // processes
    began = time.monotonic()
    crowds = [
        await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "benchmarks.storm", "crowd", place, str(seed), str(share)),
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
        )
        for seed in range(processes)
    ]
    try:
        said = await asyncio.gather(*(one.communicate() for one in crowds))
    finally:
        for one in crowds:
            if one.returncode is None:
                one.kill()
                await one.wait()
    seconds = time.monotonic() - began
    got = Counter[int]()
    for out, _ in said:
        got.update({int(identity): count for identity, count in json.loads(out).items()})
    over, full, fillable, off = await _read(place, got)
    return Storm(
        store=store,
        processes=processes,
        attempts=share * processes,
        admitted=got.total(),
        over=over,
        full=full,
        fillable=fillable,
        off=off,
        seconds=seconds,
    )


async def _read(place: str, got: Counter[int]) -> tuple[int, int, int, int]:
    """Requests too many; subjects that are exactly full, and that should be; books that differ."""
    ledger = ledger_of(place)
    await ledger.open()
    over = full = fillable = off = 0
    at: Counter[int] = Counter()
    for identity in range(IDENTITIES):
        at[identity % ADDRESSES] += got[identity]
    people = [(subjects(i)[0], got[i], i % ADDRESSES % 2 == 1) for i in range(IDENTITIES)]
    places = [(subjects(i)[1], at[i], i % 2 == 0) for i in range(ADDRESSES)]
    for subject, count, fills in [*people, *places]:
        most = subject.policy.limits[0].most or 0
        used = (await ledger.peek(subject))[0].used
        over += max(0, count - most, used - most)
        off += used != count
        if fills:  # a crowded address, or a person at a roomy one
            fillable += 1
            full += count == most
    await ledger.close()
    return over, full, fillable, off


@contextmanager
def stores() -> Iterator[Sequence[tuple[str, str, int]]]:
    """Each store: its name, where it is, how many processes crowd it."""
    with (
        tempfile.TemporaryDirectory() as folder,
        running_server() as valkey,
        running_cluster() as nodes,
    ):
        path = os.path.join(folder, "ledger.sqlite")
        connect(path).close()
        yield [
            ("Valkey, one server", valkey.url, 16),
            ("Valkey, a cluster of three", nodes[0].url, 16),
            ("SQLite, one file", path, 8),
        ]


def show(storms: Sequence[Storm]) -> str:
    """The table."""
    headings = (
        *("store", "processes", "attempts", "admitted and kept", "over-admitted"),
        *("exactly full", "books that differ", "seconds"),
    )
    return markdown(
        headings,
        [
            (
                *(one.store, str(one.processes), f"{one.attempts:,}", f"{one.admitted:,}"),
                *(
                    str(one.over),
                    f"{one.full} of {one.fillable}",
                    str(one.off),
                    f"{one.seconds:.0f}",
                ),
            )
            for one in storms
        ],
    )


def main(attempts: int, write: Callable[[str], object] = print) -> int:
    """Crowd every store; only the full number of attempts is written down."""
    storms = []
    with stores() as places:
        for store, place, processes in places:
            storms.append(asyncio.run(storm(store, place, processes, attempts)))
            write(show(storms[-1:]))
    table = show(storms)
    if attempts == ATTEMPTS:
        RESULT.write_text(
            f"# Limits under a storm\n\n{IDENTITIES:,} identities of {MOST} requests a day at"
            f" {ADDRESSES} addresses of {MOST_AT[0]} and {MOST_AT[1]} in turn, {TOGETHER} attempts"
            f" of each process at the same time, {REFUNDED:.0%} of the admissions of the first"
            f" half given back.\n\n{table}\n\n{machine.facts()}\n"
        )
    return 0 if all(one.held for one in storms) else 1


if __name__ == "__main__":
    if sys.argv[1:2] == ["crowd"]:
        print(json.dumps(uvloop.run(crowd(sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))))
    else:
        sys.exit(main(int(sys.argv[1]) if sys.argv[1:] else ATTEMPTS))

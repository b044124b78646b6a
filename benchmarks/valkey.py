"""What limits on a server cost: the service on Valkey beside the service on SQLite, in one run."""

import hashlib
import os
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial

import uvloop

from benchmarks import hop, machine
from benchmarks.answer import KINDS
from benchmarks.figures import percentile, ratio, spread
from benchmarks.processes import Command
from benchmarks.subjects import BARE, Place, Subject, references, services
from benchmarks.table import markdown, verdict
from scalix_free.core.ledger import Ask, Limit, Policy, Unit
from scalix_free.core.ledger import Subject as Counted
from scalix_free.storage.redis_ledger import RedisLedger
from scalix_free.storage.redis_link import Link, read_url
from tests.storage.servers import running_server

MOST = 1.5
"""CPU of the service on a server, in that of the service on SQLite."""
MOST_WAIT = 3.0
"""The 99th percentile of an admission, in that of a PING."""
ASKED = 4_000
ROWS = 40
DAY_MS = 86_400_000
_OWN = Policy("person", (Limit("requests_day", Unit.REQUESTS, 1_000, DAY_MS),))
_PLACE = Policy("address", (Limit("address_day", Unit.REQUESTS, 1_000, DAY_MS),), leased=False)


def report(plan: hop.Plan) -> tuple[str, bool]:
    """Measure; give the page, and whether a target was missed."""
    with running_server() as server:
        cost, missed = _cost(plan, server.url)
    with running_server() as server:
        wait, late = uvloop.run(_waits(server.url))
    page = ["# Limits on a server", machine.facts(), cost, wait, _NOTES]
    return "\n\n".join(page), missed or late


def _cost(plan: hop.Plan, url: str) -> tuple[str, bool]:
    bare = [subject for subject in references() if subject.key == BARE]
    here = services()
    there = [replace(it, name="Scalix Free on Valkey", command=_on(url, it)) for it in here]
    rows = hop.measure([*bare, *here, *there], KINDS, plan).rows
    cells, missed = [], False
    for kind in KINDS:
        ours, theirs = (
            next(row.samples for row in rows if (row.subject.name, row.kind) == (name, kind))
            for name in (here[0].name, there[0].name)
        )
        found = ratio(theirs, ours)
        missed |= verdict(found, MOST) == "missed"
        cells.append(
            [
                kind,
                f"{spread([it.cpu_us for it in ours]).median:.1f}",
                f"{spread([it.cpu_us for it in theirs]).median:.1f}",
                f"{found:.2f}",
                f"≤ {MOST}",
                verdict(found, MOST) or "",
            ]
        )
    headings = ["scenario", "SQLite, CPU µs", "Valkey, CPU µs", "Valkey ÷ SQLite", "target", ""]
    return markdown(headings, cells), missed


def _on(url: str, subject: Subject) -> Callable[[Place], Command]:
    def command(place: Place) -> Command:
        return replace(subject.command(place), variables={"REDIS_URL": url})

    return command


async def _waits(url: str) -> tuple[str, bool]:
    """How long one caller waits for an admission, and for a PING beside it."""
    ledger = RedisLedger(url)
    await ledger.open()
    link = Link(*read_url(url), 1.0)
    subjects = (_subject(_OWN), _subject(_PLACE), _subject(_PLACE))

    async def ping() -> None:
        await link.call("PING")

    waits: dict[str, list[float]] = {"PING": [], "admission": []}
    for _ in range(ROWS):
        await ledger.admit(Ask(os.urandom(16), subjects, 10, 50))
    try:
        for _ in range(ASKED):
            waits["PING"].append(await _timed(ping))
            ask = Ask(os.urandom(16), subjects, 10, 50)
            waits["admission"].append(await _timed(partial(ledger.admit, ask)))
            await ledger.refund(subjects, ask.rid)  # the books stay as full as they are
    finally:
        link.close()
        await ledger.close()
    return _table(waits)


async def _timed(act: Callable[[], Awaitable[object]]) -> float:
    began = time.perf_counter()
    await act()
    return (time.perf_counter() - began) * 1000


def _subject(policy: Policy) -> Counted:
    return Counted(hashlib.sha256(os.urandom(16)).digest()[:16], policy)


def _table(waits: dict[str, list[float]]) -> tuple[str, bool]:
    last = {what: percentile(sorted(times), 99) for what, times in waits.items()}
    found = last["admission"] / last["PING"]
    rows: list[Sequence[str]] = [
        [what, f"{percentile(sorted(times), 50):.3f}", f"{last[what]:.3f}"]
        for what, times in waits.items()
    ]
    said = verdict(found, MOST_WAIT)
    text = markdown(["one caller", "p50 ms", "p99 ms"], rows)
    text += f"\n\nAdmission ÷ PING at p99: {found:.2f}, target ≤ {MOST_WAIT}: {said}."
    return text, said == "missed"


_NOTES = (
    "CPU is that of the service's own processes, not of the server's. The two and the bare proxy"
    f" take turns in one run, as in hop.md. The waits are of {ASKED:,} calls each, one after the"
    f" other in turn, with {ROWS} rows in each of three books."
)

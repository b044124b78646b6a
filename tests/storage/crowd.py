"""One of several processes that crowd one ledger: ``… crowd PATH SEED REFUNDS``.

What its first ``REFUNDS`` attempts get, it gives back. Then it asks for everybody until nobody gets
in any more, and says how often each one did.
"""

import asyncio
import json
import random
import sys
from collections import Counter
from typing import Final

from scalix_free.core.ledger import Ask, Denied, Limit, Policy, Subject, Unit
from scalix_free.storage.sqlite_ledger import SqliteLedger
from tests.core.held_clock import NOON

DAY: Final = 86_400_000
PEOPLE: Final = 40
PEOPLE_AT_HOME: Final = 5
MOST: Final = 10
"""For each one, who have a home in common by fives."""
MOST_AT_HOME: Final = {"crowded": 30, "roomy": 60}
TOGETHER: Final = 8
"""Operations in one turn of the loop."""

PERSON: Final = Policy(
    "person", (Limit("requests", Unit.REQUESTS, MOST, DAY), Limit("open", Unit.CALLS, 2))
)
HOMES: Final = {
    kind: Policy("address", (Limit("at_home", Unit.REQUESTS, most, DAY),), leased=False)
    for kind, most in MOST_AT_HOME.items()
}


def kind_of_home(person: int) -> str:
    return "crowded" if person < PEOPLE // 2 else "roomy"


def subjects(person: int) -> tuple[Subject, Subject]:
    home = person // PEOPLE_AT_HOME
    return (
        Subject(b"person%02d" % person + bytes(8), PERSON),
        Subject(b"home  %02d" % home + bytes(8), HOMES[kind_of_home(person)]),
    )


async def main(path: str, seed: int, refunds: int) -> Counter[int]:
    ledger = SqliteLedger(path, clock=lambda: NOON)
    await ledger.open()
    chance = random.Random(seed)
    got, full, left = Counter[int](), set[int](), refunds

    async def try_once(person: int) -> None:
        nonlocal left
        left -= 1
        gives_back, rid = left >= 0, chance.randbytes(16)
        verdict = await ledger.admit(Ask(rid, subjects(person), 1, 1))
        if isinstance(verdict, Denied):
            if verdict.limit.unit is Unit.REQUESTS and not gives_back:
                full.add(person)
        elif gives_back:
            await ledger.refund(subjects(person), rid)
        else:
            await ledger.settle(subjects(person)[:1], rid, 1)
            got[person] += 1

    while left > 0 or len(full) < PEOPLE:
        people = chance.choices(sorted(set(range(PEOPLE)) - full), k=TOGETHER)
        await asyncio.gather(*map(try_once, people))
    await ledger.close()
    return got


if __name__ == "__main__":
    print("ready", flush=True)
    sys.stdin.readline()
    print(json.dumps(asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))))

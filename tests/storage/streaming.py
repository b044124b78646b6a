"""A process in the middle of an answer, to be killed: ``… streaming PATH``."""

import asyncio
import sys

from scalix_free.storage.sqlite_ledger import SqliteLedger
from tests.contracts.ledger import ALL, ANN, asking, rid
from tests.core.held_clock import NOON


async def main(path: str) -> None:
    ledger = SqliteLedger(path, clock=lambda: NOON)
    await ledger.open()
    await ledger.admit(asking(1, *ALL, prompt=40, output=60))
    await ledger.admit(asking(2, *ALL, prompt=40, output=60))
    await ledger.beat(ANN, rid(2), 55)
    print("streaming", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))

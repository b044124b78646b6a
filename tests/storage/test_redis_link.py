"""Links to servers: TLS, keys that move between the servers of a cluster, servers that fail."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import pytest

from scalix_free.core.errors import StoreUnavailable
from scalix_free.core.ledger import Admitted, Level, Policy, Subject
from scalix_free.storage.redis_ledger import RedisLedger
from scalix_free.storage.redis_link import slot_of
from tests.contracts.ledger import asking, subject, used
from tests.storage.servers import (
    Running,
    running_cluster,
    running_replica,
    running_server,
    until,
)

CERTIFICATE: Final = Path(__file__).parents[1] / "certificate.pem"
BOUNDLESS: Final = Policy("person", ())


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[RedisLedger]:
    ledger = RedisLedger(url, command_s=5.0)
    await ledger.open()
    try:
        yield ledger
    finally:
        await ledger.close()


# ── TLS ──────────────────────────────────────────────────────────────────────────────────────


@asynccontextmanager
async def behind_tls(server: Running) -> AsyncIterator[str]:
    """The address at which a server is reached over TLS, and over nothing else."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(CERTIFICATE)

    relaying: set[asyncio.Task[None]] = set()

    async def pass_on(out: asyncio.StreamReader, into: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            while data := await out.read(2**16):
                into.write(data)

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", server.port)
        both = [asyncio.ensure_future(pass_on(*ends)) for ends in ((reader, back), (there, writer))]
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in both:
                one.cancel()
            for end in (back, writer):
                end.transport.abort()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        relaying.add(asyncio.ensure_future(relay(reader, writer)))

    listening = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=context)
    try:
        yield f"127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    finally:
        listening.close()
        for task in relaying:
            task.cancel()
        await asyncio.gather(*relaying, return_exceptions=True)


@pytest.fixture
def guarded() -> Iterator[Running]:
    with running_server("", ["--requirepass", "hunter2"]) as server:
        yield server


async def test_over_tls_limits_are_kept_as_over_anything_else(guarded: Running) -> None:
    async with behind_tls(guarded) as address:
        url = f"rediss://:hunter2@{address}?ssl_ca_certs={CERTIFICATE}"
        async with opened(url) as ledger:
            assert isinstance(await ledger.admit(asking(1)), Admitted)
            assert used(await ledger.peek(asking(1).subjects[0]))[0] == 1


async def test_a_certificate_that_nobody_vouches_for_is_refused(guarded: Running) -> None:
    async with behind_tls(guarded) as address:
        for url in (f"rediss://:hunter2@{address}", f"redis://:hunter2@{address}"):
            ledger = RedisLedger(url, command_s=5.0)
            with pytest.raises(StoreUnavailable) as refused:
                await ledger.open()
            await ledger.close()
            assert "hunter2" not in str(refused.value)
        async with opened(f"rediss://:hunter2@{address}?ssl_cert_reqs=none") as ledger:
            assert isinstance(await ledger.admit(asking(1)), Admitted)


async def test_tls_is_not_given_up_for_a_server_that_does_not_speak_it(guarded: Running) -> None:
    ledger = RedisLedger(f"rediss://:hunter2@127.0.0.1:{guarded.port}", command_s=5.0)
    with pytest.raises(StoreUnavailable, match="cannot be reached"):
        await ledger.open()
    await ledger.close()


# ── Keys on the move ─────────────────────────────────────────────────────────────────────────


def cluster_says(node: Running, *words: str | int) -> bytes:
    with node.client as client:
        said: bytes = client.execute_command("CLUSTER", *words)
        return said


def id_of(node: Running) -> str:
    return cluster_says(node, "MYID").decode()


def settle_slot(nodes: Sequence[Running], slot: int, holder: Running) -> None:
    for node in nodes:
        cluster_says(node, "SETSLOT", slot, "NODE", id_of(holder))


class Crowd:
    """Asks for one caller after the other, each with a key in one slot, and counts."""

    def __init__(self, ledger: RedisLedger, slot: int) -> None:
        names = (f"mover {n}" for n in range(10**9))
        people = (subject(name, BOUNDLESS) for name in names)
        self._people = (one for one in people if _slot(one.key) == slot)
        self._ledger = ledger
        self.known = [next(self._people) for _ in range(3)]
        self._numbers = iter(range(10**9))

    async def ask(self) -> None:
        """Those who are known, and one who is new."""
        self.known.append(next(self._people))
        asks = [asking(next(self._numbers), one) for one in self.known]
        for verdict in await asyncio.gather(*map(self._ledger.admit, asks)):
            assert isinstance(verdict, Admitted)
        for ask in asks[::2]:
            await self._ledger.settle(ask.subjects, ask.rid, 5)


def _slot(key: bytes) -> int:
    return slot_of(b"{%s}" % key.hex().encode())


async def test_nothing_is_lost_while_keys_move_to_another_server() -> None:
    limited = subject("mover", asking(1).subjects[0].policy)
    slot = _slot(limited.key)
    with running_cluster() as nodes:
        here = next(node for node in nodes if _holds(node, slot))
        there = next(node for node in nodes if node is not here)
        async with opened(nodes[0].url) as ledger:
            crowd = Crowd(ledger, slot)
            stages: list[Callable[[], object]] = [
                lambda: None,
                lambda: cluster_says(there, "SETSLOT", slot, "IMPORTING", id_of(here)),
                lambda: cluster_says(here, "SETSLOT", slot, "MIGRATING", id_of(there)),
                lambda: _move_keys(here, there, slot, 3),  # from now on some live there
                lambda: _move_keys(here, there, slot, 1_000),
                lambda: settle_slot(nodes, slot, there),
            ]
            counted = []
            for n, stage in enumerate(stages):
                await asyncio.to_thread(stage)
                await crowd.ask()
                if n < 3:
                    assert isinstance(await ledger.admit(asking(1_000 + n, limited)), Admitted)
                    await ledger.settle([limited], asking(1_000 + n).rid, 1)
                counted.append(used(await ledger.peek(limited))[0])

            assert counted == [1, 2, 3, 3, 3, 3]
            assert not _holds(here, slot)
            assert (_keys_in(here, slot), _keys_in(there, slot) > 0) == (0, True)


def _holds(node: Running, slot: int) -> bool:
    mine = id_of(node).encode()
    with node.client as client:
        ranges = client.execute_command("CLUSTER", "SLOTS")
    return any(first <= slot <= last and holder[2] == mine for first, last, holder, *_ in ranges)


def _keys_in(node: Running, slot: int) -> int:
    return int(cluster_says(node, "COUNTKEYSINSLOT", slot))


def _move_keys(here: Running, there: Running, slot: int, most: int) -> None:
    with here.client as client:
        for key in client.execute_command("CLUSTER", "GETKEYSINSLOT", slot, most):
            client.execute_command("MIGRATE", "127.0.0.1", there.port, key, 0, 5_000)


@pytest.mark.slow
async def test_a_replica_takes_over_from_a_server_that_died() -> None:
    """What was acknowledged and replicated stays spent, and nobody waits for long."""
    limited = subject("survivor", asking(1).subjects[0].policy)
    slot = _slot(limited.key)
    with running_cluster() as nodes:
        dying = next(node for node in nodes if _holds(node, slot))
        living = next(node for node in nodes if node is not dying)
        with running_replica(dying) as spare:
            async with opened(living.url) as ledger:
                assert isinstance(await ledger.admit(asking(1, limited)), Admitted)
                with dying.client as client:
                    assert client.execute_command("WAIT", 1, 5_000) == 1
                dying.stop()
                with pytest.raises(StoreUnavailable):
                    await ledger.admit(asking(2, limited))
                cluster_says(spare, "FAILOVER", "TAKEOVER")
                await asyncio.to_thread(until, lambda: _leads(living, slot, spare))

                assert used(await _soon(ledger.peek, limited))[0] == 1
                assert isinstance(await ledger.admit(asking(3, limited)), Admitted)
                assert used(await ledger.peek(limited))[0] == 2


def _leads(teller: Running, slot: int, holder: Running) -> bool:
    with teller.client as client:
        ranges = client.execute_command("CLUSTER", "SLOTS")
    return any(first <= slot <= last and of[1] == holder.port for first, last, of, *_ in ranges)


async def _soon(
    peek: Callable[[Subject], Awaitable[Sequence[Level]]], one: Subject
) -> Sequence[Level]:
    """What is said once the link has looked who holds what: by the second question."""
    with contextlib.suppress(StoreUnavailable):
        return await peek(one)
    await asyncio.sleep(0.2)  # after a failed connection the next is made no sooner
    return await peek(one)

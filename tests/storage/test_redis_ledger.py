"""The ledger in Redis and Valkey as clients: round trips, losses, failures, time, secrets."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager

import pytest

from scalix_free.core.clock import wall_clock
from scalix_free.core.errors import StoreUnavailable
from scalix_free.core.ledger import LEASE_MS, Admitted, Denied, pack
from scalix_free.storage.redis_ledger import RedisLedger, library
from scalix_free.storage.redis_link import read_url, slot_of
from tests.contracts.ledger import ALL, ANN, HOME, HOUR, ISP, Arithmetic, asking, rid, subject, used
from tests.core.held_clock import HeldClock
from tests.storage.servers import Running, running_server


@asynccontextmanager
async def opened(url: str, **options: float) -> AsyncIterator[RedisLedger]:
    ledger = RedisLedger(url, **options)  # type: ignore[arg-type]
    await ledger.open()
    try:
        yield ledger
    finally:
        await ledger.close()


@pytest.fixture
def mine(valkey: Running) -> Running:
    valkey.empty()
    return valkey


@pytest.fixture
def own() -> Iterator[Running]:
    """A server to be ended, stopped and emptied at will."""
    with running_server() as running:
        yield running


@pytest.fixture
async def ledger(mine: Running) -> AsyncIterator[RedisLedger]:
    async with opened(mine.url, command_s=5.0) as ledger:
        yield ledger


def calls(server: Running) -> int:
    with server.client as client:
        told = client.info("commandstats")
        assert isinstance(told, dict)
        return int(told.get("cmdstat_fcall", {}).get("calls", 0))


# ── Round trips ──────────────────────────────────────────────────────────────────────────────


class Relay:
    """Between a ledger and its server: counts how often something is sent, and can hold it up."""

    def __init__(self, server: Running) -> None:
        self._port = server.port
        self.writes = 0
        self.held = asyncio.Event()
        self.held.set()
        self.swallows = False

    @asynccontextmanager
    async def running(self) -> AsyncIterator[str]:
        server = await asyncio.start_server(self._relay, "127.0.0.1", 0)
        async with server:
            yield f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}"

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        to_reader, to_writer = await asyncio.open_connection("127.0.0.1", self._port)
        back = asyncio.create_task(self._answers(to_reader, writer))
        try:
            while data := await reader.read(2**20):
                self.writes += 1
                to_writer.write(data)
        except ConnectionError:
            pass
        finally:
            back.cancel()
            to_writer.close()
            writer.close()

    async def _answers(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(2**20):
                await self.held.wait()
                if not self.swallows:
                    writer.write(data)


@pytest.fixture
async def relay(mine: Running) -> Relay:
    return Relay(mine)


async def test_an_admitted_request_takes_two_round_trips_a_denied_one_and_a_known_one_none(
    relay: Relay,
) -> None:
    async with relay.running() as url, opened(url, command_s=5.0) as ledger:
        for n in range(3):
            before = relay.writes
            assert isinstance(await ledger.admit(asking(n)), Admitted)
            await ledger.settle(ALL[:1], rid(n), 20)
            assert relay.writes - before == 2
        before = relay.writes
        assert isinstance(await ledger.admit(asking(9)), Denied)
        assert relay.writes - before == 1
        assert isinstance(await ledger.admit(asking(10)), Denied)
        assert relay.writes - before == 1


async def test_what_is_asked_in_one_turn_of_the_loop_goes_out_together(relay: Relay) -> None:
    async with relay.running() as url, opened(url, command_s=5.0) as ledger:
        before = relay.writes
        await asyncio.gather(*(ledger.admit(asking(n, subject(f"{n}"))) for n in range(40)))

        assert relay.writes - before == 1


async def test_a_remembered_denial_tells_the_time_that_is_left(ledger: RedisLedger) -> None:
    for n in range(3):
        await ledger.admit(asking(n))
        await ledger.settle(ALL[:1], rid(n), 20)
    first = await ledger.admit(asking(9))
    await asyncio.sleep(0.02)
    second = await ledger.admit(asking(9))

    assert isinstance(first, Denied)
    assert isinstance(second, Denied)
    assert first.retry_ms is not None
    assert second.retry_ms is not None
    assert first.retry_ms - 1_000 < second.retry_ms <= first.retry_ms - 19


# ── Time, keys and books ─────────────────────────────────────────────────────────────────────


async def test_the_server_tells_the_time(ledger: RedisLedger) -> None:
    before = wall_clock()
    verdict = await ledger.admit(asking(1))

    assert before - 1 <= verdict.now_ms <= wall_clock() + 1


async def test_production_s_functions_take_no_time_from_whoever_asks() -> None:
    name, source = library()
    held_name, held = library(held_clock=True)

    assert "local HELD_CLOCK = false" in source
    assert "local HELD_CLOCK = true" in held
    assert name != held_name
    assert source.count("HELD_CLOCK") == 2, "it is written once, and read once"


async def test_every_key_has_a_time_to_live_and_its_subject_as_its_tag(
    ledger: RedisLedger, mine: Running
) -> None:
    await ledger.admit(asking(1))
    await ledger.claim(b"a nonce", wall_clock() + 60_000)
    with mine.client as client:
        keys = sorted(client.keys())
        lives = {key: client.pttl(key) for key in keys}

    assert len(keys) == 4
    for one in ALL:
        key = b"scalix:1:{%s}" % one.key.hex().encode()
        assert one.policy.memory_ms - 5_000 < lives[key] <= one.policy.memory_ms
    assert 0 < min(lives.values()) <= 60_000


async def test_the_bytes_are_those_of_the_arithmetic(mine: Running) -> None:
    """So that a book can be read, copied and checked by the same code."""
    mine.empty()
    clock = HeldClock()
    ledger, arithmetic = RedisLedger(mine.url, held_clock=clock), Arithmetic(clock)
    await ledger.open()
    for n in range(3):
        ask = asking(n)._replace(turn=b"turn" if n else b"")
        assert await ledger.admit(ask) == arithmetic.admit(ask)
        clock.advance(1_000)
        await ledger.settle(ALL[:1], rid(n), 20)
        arithmetic.settle(ALL[:1], rid(n), 20, counts=True)
    await ledger.close()

    with mine.client as client:
        for one in ALL:
            key = b"scalix:1:{%s}" % one.key.hex().encode()
            assert client.get(key) == pack(arithmetic.book(one))


async def test_what_is_given_back_leaves_no_key(ledger: RedisLedger, mine: Running) -> None:
    await ledger.admit(asking(1, ANN, HOME))
    await ledger.refund((ANN, HOME), rid(1))

    with mine.client as client:
        assert client.keys() == []


def test_keys_are_found_where_a_cluster_keeps_them(cluster: Sequence[Running]) -> None:
    with cluster[0].client as client:
        for key in (b"scalix:1:{00ff}", b"scalix:1:once:{-}", b"scalix:1:{%s}" % (b"ab" * 16)):
            assert client.execute_command("CLUSTER", "KEYSLOT", key) == slot_of(key)


# ── Losses ───────────────────────────────────────────────────────────────────────────────────


async def test_a_server_that_starts_anew_is_found_and_taught_again(own: Running) -> None:
    async with opened(own.url, command_s=5.0) as ledger:
        await ledger.admit(asking(1))
        own.stop()
        with pytest.raises(StoreUnavailable):
            await ledger.peek(ANN)
        own.start()
        await asyncio.sleep(0.15)  # after a connection that could not be made it waits a little

        assert isinstance(await ledger.admit(asking(2)), Admitted)
        assert used(await ledger.peek(ANN)) == [1, 1, 100, 1]


async def test_functions_that_were_flushed_are_loaded_again(own: Running) -> None:
    async with opened(own.url, command_s=5.0) as ledger:
        with own.client as client:
            client.execute_command("FUNCTION", "FLUSH")
        verdicts = await asyncio.gather(*(ledger.admit(asking(n)) for n in range(4)))

        assert sum(isinstance(verdict, Admitted) for verdict in verdicts) == 2
        assert await ledger.claim(b"a nonce", wall_clock() + 60_000)


async def test_a_connection_that_was_cut_is_made_again(own: Running) -> None:
    async with opened(own.url, command_s=5.0) as ledger:
        await ledger.admit(asking(1))
        with own.client as client:
            client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        await asyncio.sleep(0.05)

        assert used(await ledger.peek(ANN)) == [1, 1, 100, 1]


async def test_a_server_that_does_not_answer_is_unavailable_within_its_time(relay: Relay) -> None:
    async with relay.running() as url, opened(url) as ledger:
        relay.held.clear()
        began = time.monotonic()
        ends = await asyncio.gather(
            *(ledger.admit(asking(n)) for n in range(20)), return_exceptions=True
        )
        took = time.monotonic() - began
        relay.held.set()

    assert all(isinstance(end, StoreUnavailable) for end in ends)
    assert 0.09 < took < 2.0


async def test_an_admission_of_which_no_answer_came_is_undone(relay: Relay) -> None:
    async with relay.running() as url, opened(url) as ledger:
        relay.swallows = True
        with pytest.raises(StoreUnavailable):
            await ledger.admit(asking(1))
        relay.swallows = False
        await ledger.rest()

        assert used(await ledger.peek(ANN)) == [0, 0, 0, 0]
        assert used(await ledger.peek(HOME)) == [0]
        assert used(await ledger.peek(ISP)) == [0, 0]


@pytest.mark.parametrize("turns_of_loop", range(8))
async def test_a_caller_who_leaves_before_the_verdict_takes_nothing(
    cluster: Sequence[Running], mine: Running, turns_of_loop: int
) -> None:
    for server in (mine, *cluster):
        server.empty()
    for url in (mine.url, cluster[0].url):
        async with opened(url, command_s=5.0) as ledger:
            asking_ = asyncio.create_task(ledger.admit(asking(1)))
            for _ in range(turns_of_loop):
                await asyncio.sleep(0)
            was_cancelled = asking_.cancel()
            await asyncio.gather(asking_, return_exceptions=True)
            await ledger.rest()
            taken = used(await ledger.peek(ANN))[0]

            assert [taken, taken] == [used(await ledger.peek(one))[0] for one in (HOME, ISP)]
            assert taken == (0 if was_cancelled else 1), "or the answer was there already"


async def test_a_server_that_is_not_there_is_said_to_be_unavailable() -> None:
    ledger = RedisLedger("redis://127.0.0.1:1")
    for _ in range(3):
        with pytest.raises(StoreUnavailable, match="cannot be reached"):
            await ledger.admit(asking(1))
    with pytest.raises(StoreUnavailable):
        await ledger.peek(ANN)
    await ledger.close()


async def test_a_server_that_comes_later_is_found(own: Running) -> None:
    own.stop()
    ledger = RedisLedger(own.url, command_s=5.0)
    with pytest.raises(StoreUnavailable):
        await ledger.open()
    own.start()
    await asyncio.sleep(0.15)

    assert isinstance(await ledger.admit(asking(1)), Admitted)
    await ledger.close()


async def test_a_lease_passes_on_the_server_s_clock(mine: Running) -> None:
    clock = HeldClock()
    ledger = RedisLedger(mine.url, held_clock=clock)
    await ledger.open()
    await ledger.admit(asking(1))
    clock.advance(LEASE_MS)

    assert used(await ledger.peek(ANN)) == [1, 1, 10, 0]
    await ledger.close()


# ── Clusters ─────────────────────────────────────────────────────────────────────────────────


async def test_any_server_of_a_cluster_leads_to_all_of_them(cluster: Sequence[Running]) -> None:
    for node in cluster:
        node.empty()
    for n, node in enumerate(cluster):
        async with opened(node.url, command_s=5.0) as ledger:
            one = subject(f"cluster {n}")
            assert isinstance(await ledger.admit(asking(n, one, HOME, ISP)), Admitted)
            assert used(await ledger.peek(HOME)) == [n + 1]


async def test_on_a_cluster_too_a_denied_request_takes_one_round_trip(
    cluster: Sequence[Running],
) -> None:
    for node in cluster:
        node.empty()
    async with opened(cluster[0].url, command_s=5.0) as ledger:
        for n in range(4):
            await ledger.admit(asking(n, subject(f"neighbour {n}"), HOME, ISP))
        denied = await ledger.admit(asking(9))

        assert isinstance(denied, Denied)
        assert (denied.limit.name, used(denied.levels)) == ("address_hour", [0, 0, 0, 0])
        assert denied.retry_ms is not None
        assert HOUR - 5_000 < denied.retry_ms <= HOUR
        await ledger.rest()
        assert used(await ledger.peek(ANN)) == [0, 0, 0, 0]
        assert used(await ledger.peek(ISP)) == [4, 4]


# ── URLs ─────────────────────────────────────────────────────────────────────────────────────


def test_a_url_says_where_and_how() -> None:
    server, access = read_url("redis://me:p%40ss%23@cache.example:7000/3")

    assert (server.host, server.port) == ("cache.example", 7000)
    assert (access.username, access.password, access.database) == ("me", "p@ss#", 3)
    assert access.tls is None
    assert "p@ss" not in repr(access)
    assert read_url("rediss://cache.example?ssl_cert_reqs=none")[1].tls is not None
    assert read_url("redis://:word@[::1]")[0] == ("::1", 6379)


@pytest.mark.parametrize(
    "url",
    [
        "redis://:hunter2@",
        "redis://:hunter2@host:port",
        "redis://:hunter2@host/name",
        "redis://:hunter2@host?ssl_cert_reqs=none",
        "rediss://:hunter2@host?ssl_cert_reqs=maybe",
        "rediss://:hunter2@host?ssl_ca_certs=/no/such/file",
        "redis://:hunter2@host?x=hunter2",
    ],
)
def test_a_url_that_says_something_else_is_refused_without_showing_it(url: str) -> None:
    with pytest.raises(ValueError, match="URL") as refused:
        read_url(url)
    assert "hunter2" not in str(refused.value)


async def test_a_password_opens_and_a_wrong_one_does_not() -> None:
    with running_server("", ["--requirepass", "p@ss word"]) as server:
        address = f"127.0.0.1:{server.port}"
        async with opened(f"redis://:p%40ss%20word@{address}/2", command_s=5.0) as ledger:
            assert isinstance(await ledger.admit(asking(1)), Admitted)
        wrong = RedisLedger(f"redis://:hunter2@{address}", command_s=5.0)
        with pytest.raises(StoreUnavailable, match="WRONGPASS") as refused:
            await wrong.open()
        await wrong.close()
    assert "hunter2" not in str(refused.value)

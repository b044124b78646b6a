"""The contract of what may happen once, kept by every implementation."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import ClassVar

import pytest

from scalix_free.core.ports import Clock, Once
from scalix_free.storage.redis_ledger import RedisLedger
from scalix_free.storage.sqlite_ledger import SqliteLedger
from tests.contracts.once import OnceContract
from tests.storage.servers import Running


class TestSqlite(OnceContract):
    """Two connections to one file."""

    @pytest.fixture(autouse=True)
    def filed(self, tmp_path: Path) -> None:
        self.path = str(tmp_path / "ledger.sqlite")

    @asynccontextmanager
    async def opened(self, clock: Clock) -> AsyncIterator[Sequence[Once]]:
        both = [SqliteLedger(self.path, clock=clock) for _ in range(2)]
        for one in both:
            await one.open()
        yield both
        for one in both:
            await one.close()


class TestValkey(OnceContract):
    """Two connections to one server."""

    nodes: ClassVar[Sequence[Running]]

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def served(cls, valkey: Running) -> None:
        cls.nodes = [valkey]

    @asynccontextmanager
    async def opened(self, clock: Clock) -> AsyncIterator[Sequence[Once]]:
        for node in self.nodes:
            node.empty()
        url = self.nodes[0].url
        both = [RedisLedger(url, held_clock=clock, command_s=5.0) for _ in range(2)]
        for one in both:
            await one.open()
        yield both
        for one in both:
            await one.close()


class TestValkeyCluster(TestValkey):
    """Two connections to each server of a cluster."""

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def served(cls, cluster: Sequence[Running]) -> None:
        cls.nodes = cluster


@pytest.mark.slow
class TestRedis(TestValkey):
    """Two connections to one Redis."""

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def served(cls, redis_server: Running) -> None:
        cls.nodes = [redis_server]

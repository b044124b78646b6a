"""What is told of traffic, kept on every database."""

from pathlib import Path

import pytest

from tests.contracts.traffic import TrafficContract
from tests.postgres import Postgres
from tests.storage.stores import migrated_file


class TestInMemory(TrafficContract):
    """One connection, and nobody else."""

    @pytest.fixture
    def place(self) -> str:
        return ":memory:"


class TestSqliteFile(TrafficContract):
    """One file, and several processes' connections to it."""

    @pytest.fixture
    def place(self, tmp_path: Path) -> str:
        return migrated_file(tmp_path)


class TestPostgres(TrafficContract):
    """A real server."""

    @pytest.fixture
    def place(self, postgres: Postgres) -> str:
        return postgres.migrated()

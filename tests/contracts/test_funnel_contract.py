"""The contract of the funnel, kept on every database."""

from pathlib import Path

import pytest

from tests.contracts.funnel import FunnelContract
from tests.postgres import Postgres
from tests.storage.stores import migrated_file


class TestInMemory(FunnelContract):
    """One connection, and nobody else."""

    @pytest.fixture
    def place(self) -> str:
        return ":memory:"


class TestSqliteFile(FunnelContract):
    """One file, and several processes' connections to it."""

    @pytest.fixture
    def place(self, tmp_path: Path) -> str:
        return migrated_file(tmp_path)


class TestPostgres(FunnelContract):
    """A real server."""

    @pytest.fixture
    def place(self, postgres: Postgres) -> str:
        return postgres.migrated()

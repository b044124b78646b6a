"""The contract of the usage log, kept on every database."""

from pathlib import Path

import pytest

from tests.contracts.usage_log import UsageLogContract
from tests.postgres import Postgres
from tests.storage.stores import migrated_file


class TestInMemory(UsageLogContract):
    """One connection, and nobody else."""

    @pytest.fixture
    def place(self) -> str:
        return ":memory:"


class TestSqliteFile(UsageLogContract):
    """One file, and several processes' connections to it."""

    @pytest.fixture
    def place(self, tmp_path: Path) -> str:
        return migrated_file(tmp_path)


class TestPostgres(UsageLogContract):
    """A real server."""

    @pytest.fixture
    def place(self, postgres: Postgres) -> str:
        return postgres.migrated()

"""What the running service writes down, where, and how it starts on it."""

import asyncio
import os
import socket
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import asyncpg
import httpx
import pytest

from scalix_free.storage.migrations import HEAD
from tests.postgres import Postgres
from tests.service import RunningService, provider, running_service
from tests.test_parent import children, until
from tests.world import RunningWorld

QUESTION = {"messages": [{"role": "user", "content": "A secret of mine"}]}
QUERY = "SELECT rid, result, counts, charged_tokens, owner FROM usage ORDER BY at_ms"


def of_world(world: RunningWorld) -> str:
    return provider(world.base_url, [{"id": "world/kept", "model": "kept"}])


def ask(service: RunningService) -> bytes:
    """One question; gives its request id as it is kept."""
    answer = httpx.post(f"{service.url}/v1/chat/completions", json=QUESTION, timeout=30)
    assert answer.status_code == 200
    return bytes.fromhex(answer.headers["x-request-id"].removeprefix("req_"))


def test_an_answer_just_before_the_end_is_written_down_without_a_word_of_it(
    tmp_path: Path, world: RunningWorld
) -> None:
    with running_service(tmp_path, of_world(world)) as service:
        rid = ask(service)
    assert service.errors == ""

    path = service.data / "database.sqlite"
    with sqlite3.connect(path) as database:
        rows = database.execute(QUERY).fetchall()
    database.close()
    assert [(row[0], row[1], row[2], row[4]) for row in rows] == [(rid, "answered", 1, None)]
    assert rows[0][3] > 0
    assert b"secret of mine" not in path.read_bytes()
    assert b"127.0.0.1" not in path.read_bytes()


def test_what_is_new_or_up_to_date_starts_without_alembic(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken/alembic").mkdir(parents=True)
    (tmp_path / "broken/alembic/__init__.py").write_text("raise SystemExit('not to be imported')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "broken"))
    for _ in range(2):
        with running_service(tmp_path) as service:
            assert service.errors == ""

    with sqlite3.connect(service.data / "database.sqlite") as database:
        database.execute("DELETE FROM alembic_version")
    database.close()
    with pytest.raises(AssertionError, match="not to be imported"), running_service(tmp_path):
        pass


def test_what_an_older_version_made_is_migrated_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "data/database.sqlite"
    path.parent.mkdir()
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE alembic_version (version_num VARCHAR(32) PRIMARY KEY)")
        database.execute("CREATE TABLE of_mine (x)")
    database.close()
    with running_service(tmp_path) as service:
        assert service.errors == ""

    with sqlite3.connect(path) as database:
        assert database.execute("SELECT version_num FROM alembic_version").fetchall() == [(HEAD,)]
        assert database.execute("SELECT * FROM of_mine").fetchall() == []
        assert database.execute("SELECT * FROM usage").fetchall() == []
    database.close()


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="there is no /proc")
def test_while_a_server_does_not_answer_the_start_can_be_broken_off(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        process = subprocess.Popen(
            [sys.executable, "-m", "scalix_free", "serve", "--port", "0"],
            cwd=tmp_path,
            env={
                "PATH": os.environ["PATH"],
                "DATABASE_URL": f"postgresql://127.0.0.1:{silent.getsockname()[1]}/db",
                "SCALIX_FREE_LOCAL__USE": "never",
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        try:
            until(lambda: children(process.pid, "storage.migrations"))
            (migrating,) = children(process.pid, "storage.migrations")
            process.terminate()
            said, _ = process.communicate(timeout=10)
        finally:
            process.kill()

    assert (process.returncode, said) == (0, b"")
    assert not migrating.runs


def test_two_machines_that_start_at_once_share_one_server(
    tmp_path: Path, world: RunningWorld, postgres: Postgres
) -> None:
    place = postgres.empty()
    overrides = {"store.database": place}
    with ExitStack() as stack, ThreadPoolExecutor() as pool:
        machines = [running_service(tmp_path / n, of_world(world), overrides) for n in "ab"]
        services = [*pool.map(stack.enter_context, machines)]
        rids = [ask(service) for service in services]
        banners = "".join(service.banner for service in services)

    async def kept() -> list[asyncpg.Record]:
        connection = await asyncpg.connect(place)
        try:
            return list(await connection.fetch(QUERY))
        finally:
            await connection.close()

    assert [row["rid"] for row in asyncio.run(kept())] == rids
    assert [service.errors for service in services] == ["", ""]
    assert "postgres" not in banners

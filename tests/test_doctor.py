"""The doctor: what is found, what is said to do, and how the command ends."""

import asyncio
import json
import socket
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from scalix_free.doctor import Check, examine
from scalix_free.settings import Loaded
from tests.place import Place
from tests.postgres import Postgres
from tests.service import provider, running_service
from tests.storage.servers import Running
from tests.test_cli import scalix
from tests.world import RunningWorld

Loads = Callable[..., Loaded]
NEVER = 'local = { use = "never" }\n'


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def found(loaded: Loaded, *, offline: bool = True) -> dict[str, Check]:
    """The checks by their names."""
    report = asyncio.run(examine(loaded, offline=offline))
    return {check.name: check for check in report.checks}


def states(checks: dict[str, Check]) -> dict[str, str]:
    return {name: check.state for name, check in checks.items()}


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def refusing() -> Iterator[str]:
    """A provider that knows no key."""

    class Refuses(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(401)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Refuses) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/v1"
        server.shutdown()


def test_a_newcomer_is_told_what_to_set(loaded: Loads, port: int) -> None:
    checks = found(loaded(f"{NEVER}[server]\nport = {port}"))
    assert states(checks) == {
        "configuration": "ok",
        "python": "ok",
        "sqlite": "ok",
        "data": "ok",
        "pages": "ok",
        "exposure": "ok",
        "mail": "ok",
        "messages (anonymous)": "warn",
        "messages (registered)": "warn",
        "messages (pro)": "ok",
        "ledger": "ok",
        "database": "ok",
        "port": "ok",
        "providers": "fail",
    }
    assert "GROQ_API_KEY" in checks["providers"].fix
    assert all(check.fix for check in checks.values() if check.state != "ok")


def test_how_many_messages_the_limits_hold(loaded: Loads, port: int) -> None:
    head = f"server.port = {port}\n"
    checks = found(loaded(head))
    assert "sends 0 a day" in checks["messages (anonymous)"].says
    assert "sends 1 a day" in checks["messages (registered)"].says
    assert "tiers.registered.tokens_per_day = 50000" in checks["messages (registered)"].fix
    checks = found(loaded(head + 'accounting.tokens_counted = "new"'))
    assert "sends 4 a day" in checks["messages (anonymous)"].says
    assert checks["messages (registered)"] == Check(
        "messages (registered)",
        "ok",
        "a user of the Scalix app sends 8 a day, at about 1,200 tokens each",
    )


@pytest.mark.parametrize(
    ("server", "expected"),
    [
        ('host = "0.0.0.0"', {"address": "warn", "secret": "warn", "tls": "warn"}),
        (
            'host = "0.0.0.0"\npublic_url = "https://free.example.org"\n'
            'secret = "long enough of one"',
            {"proxy": "warn"},
        ),
        ('public_url = "https://free.example.org"', {"proxy": "warn"}),
        (
            'public_url = "https://free.example.org"\ntrusted_proxies = ["127.0.0.0/8"]',
            {},
        ),
    ],
)
def test_who_can_reach_it_decides_what_it_needs(
    loaded: Loads, port: int, server: str, expected: dict[str, str]
) -> None:
    checks = states(found(loaded(f"[server]\nport = {port}\n{server}")))
    about = {name: checks[name] for name in ("address", "proxy", "secret", "tls") if name in checks}
    assert about == expected
    assert "exposure" not in checks
    assert checks["mail"] == "warn"


def test_a_folder_that_others_may_read(loaded: Loads, at: Place, port: int) -> None:
    told = loaded(f"server.port = {port}")
    told.settings.data_dir.mkdir(mode=0o755, parents=True)
    assert "chmod 700" in found(told)["data"].fix


# ── Servers ──────────────────────────────────────────────────────────────────────────────────


def test_servers_that_answer(loaded: Loads, port: int, valkey: Running, postgres: Postgres) -> None:
    place = postgres.empty()
    text = f'[server]\nport = {port}\n[store]\nledger = "{valkey.url}"\ndatabase = "{place}"'
    checks = states(found(loaded(text)))
    assert (checks["ledger"], checks["database"]) == ("ok", "ok")


def test_servers_that_do_not(loaded: Loads, port: int) -> None:
    database = f"postgresql://ann:verysecret@127.0.0.1:{free_port()}/x"
    text = (
        f'[server]\nport = {port}\n[store]\nledger = "redis://:verysecret@127.0.0.1:{free_port()}"'
    )
    checks = found(loaded(f'{text}\ndatabase = "{database}"'))
    assert (checks["ledger"].state, checks["database"].state) == ("fail", "fail")
    assert "verysecret" not in repr(checks)


def test_somebody_else_on_the_port(loaded: Loads, world: RunningWorld) -> None:
    port = int(world.base_url.rpartition(":")[2].partition("/")[0])
    assert found(loaded(f"server.port = {port}"))["port"].state == "fail"


def test_the_service_itself_on_the_port(loaded: Loads, tmp_path: Path) -> None:
    with running_service(tmp_path / "running") as service:
        port = int(service.url.rpartition(":")[2])
        checks = found(loaded(f"{NEVER}server.port = {port}"))
    assert {name: checks[name].state for name in ("port", "cors", "clock")} == {
        "port": "ok",
        "cors": "ok",
        "clock": "ok",
    }


# ── Providers ────────────────────────────────────────────────────────────────────────────────


def test_providers_are_asked_for_their_models_and_nothing_else(
    loaded: Loads, port: int, world: RunningWorld
) -> None:
    before = len(world.requests)
    toml = provider(world.base_url, [{"id": "a/b", "model": "good"}])
    gone = provider(
        f"http://127.0.0.1:{free_port()}/v1", [{"id": "c/d", "model": "x"}], name="gone"
    )
    told = loaded(f"server.port = {port}\n{toml}\n{gone}")
    checks = found(told, offline=False)
    assert checks["provider world"].state == "ok"
    assert checks["provider gone"].state == "fail"
    assert len(world.requests) == before
    assert states(found(told))["provider gone"] == "ok"  # offline


def test_a_key_that_is_refused(loaded: Loads, port: int, refusing: str) -> None:
    toml = provider(refusing, [{"id": "a/b", "model": "good"}], name="strict")
    key = f'{toml.partition("[[providers.models]]")[0]}\napi_key = "verysecret"\n'
    rows = toml.partition("[[providers.models]]")[2]
    told = loaded(f"server.port = {port}\n{key}[[providers.models]]{rows}")
    checks = found(told, offline=False)
    assert (checks["provider strict"].state, "401" in checks["provider strict"].says) == (
        "fail",
        True,
    )
    assert "verysecret" not in repr(checks)


# ── The command ──────────────────────────────────────────────────────────────────────────────


def test_the_command_ends_as_it_found_things(tmp_path: Path) -> None:
    quiet = {"SCALIX_FREE_SERVER__PORT": str(free_port())}
    told = scalix(tmp_path, "doctor", "--offline", variables=quiet)
    assert told.returncode in (1, 2), told.stderr
    assert told.stdout.splitlines()[-1].endswith("fail")
    assert "ok    ledger: SQLite in the data directory" in told.stdout
    assert not (tmp_path / "data").exists()

    report = json.loads(scalix(tmp_path, "doctor", "--offline", "--json", variables=quiet).stdout)
    assert report["state"] in ("warn", "fail")
    assert {"name", "state", "says", "fix"} == set(report["checks"][0])


def test_a_configuration_that_cannot_be_read_is_one_more_finding(tmp_path: Path) -> None:
    (tmp_path / "scalix-free.toml").write_text("[server]\nprot = 1")
    told = scalix(tmp_path, "doctor", "--json")
    assert told.returncode == 2
    (check,) = json.loads(told.stdout)["checks"]
    assert (check["name"], check["state"]) == ("configuration", "fail")
    assert "server.port" in check["says"]

"""The processes of a running service: how they begin, what they share, how each of them ends."""

import fcntl
import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from scalix_free.providers.llama_model import Absent, find_model
from tests.service import RunningService, provider, running_service
from tests.world import RunningWorld

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="there is no /proc")

PATIENCE_S = 15.0
QUICKLY_S = 5.0
NEVER = 'local = { use = "never" }\n'
DEMONSTRATION = "local/demonstration-smollm2-135m"
QUESTION = {"messages": [{"role": "user", "content": "What is the capital of France?"}]}

needs_model = pytest.mark.skipif(
    isinstance(find_model(), Absent), reason="there is no local model on this machine"
)


# ── Looking at processes ─────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Process:
    """A process, known by its id and its start together."""

    pid: int
    parent: int
    started: str
    state: str
    command: str

    @property
    def runs(self) -> bool:
        """Whether it is still there; one that only waits to be buried is not."""
        now = look_at(self.pid)
        return now is not None and now.started == self.started and now.state not in "ZX"

    def kill(self) -> None:
        """End it as a crash does."""
        os.kill(self.pid, signal.SIGKILL)


def look_at(pid: int) -> Process | None:
    try:
        line = Path(f"/proc/{pid}/stat").read_text()
        command = Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return None
    state, parent, *rest = line.rpartition(")")[2].split()
    return Process(pid, int(parent), rest[17], state, command)


def children(parent: int, what: str = "") -> list[Process]:
    """The processes that this one has started and that still run."""
    everybody = (look_at(int(name)) for name in os.listdir("/proc") if name.isdecimal())
    return [
        process
        for process in everybody
        if process and process.parent == parent and what in process.command and process.runs
    ]


def workers_of(service: RunningService) -> list[Process]:
    return children(service.process.pid, "scalix_free.worker")


def model_of(service: RunningService) -> list[Process]:
    return children(service.process.pid, "llama_child")


def until(holds: Callable[[], object], patience_s: float = PATIENCE_S) -> float:
    """Wait for it; gives the seconds that it took."""
    began = time.monotonic()
    while not holds():
        assert time.monotonic() < began + patience_s, "it did not come about"
        time.sleep(0.02)
    return time.monotonic() - began


# ── Asking ───────────────────────────────────────────────────────────────────────────────────


def of_world(world: RunningWorld, *models: str) -> str:
    return provider(world.base_url, [{"id": f"world/{name}", "model": name} for name in models])


def ask(service: RunningService, timeout: float = 30.0) -> httpx.Response:
    """One question on a connection of its own, to be answered anew."""
    return httpx.post(
        f"{service.url}/v1/chat/completions",
        json=QUESTION,
        headers={"cache-control": "no-cache"},
        timeout=timeout,
    )


def used(service: RunningService, name: str = "requests_hour") -> int:
    """How far a window of ours is used."""
    windows = httpx.get(f"{service.url}/api/v1/free/limits").json()["windows"]
    (count,) = (window["used"] for window in windows if window["name"] == name)
    assert isinstance(count, int)
    return count


def model_ids(service: RunningService) -> list[str]:
    return [row["id"] for row in httpx.get(f"{service.url}/v1/models").json()["data"]]


@contextmanager
def left_waiting(service: RunningService) -> Iterator[None]:
    """A caller who has asked and waits."""
    url = httpx.URL(service.url)
    body = json.dumps(QUESTION).encode()
    head = "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\n"
    head += f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    with socket.create_connection((url.host, url.port or 0)) as caller:
        caller.sendall(head.encode() + body)
        yield


# ── The start ────────────────────────────────────────────────────────────────────────────────


def test_the_banner_says_where_to_go_and_what_holds(tmp_path: Path, world: RunningWorld) -> None:
    toml = of_world(world, "one") + '\n[[providers]]\nname = "resting"\nenabled = false\n'
    with running_service(tmp_path, toml) as service:
        banner = service.banner
        loaded = Path(f"/proc/{service.process.pid}/maps").read_text()
        port = httpx.URL(service.url).port

    assert port
    assert set(re.findall(r"http://[^/\s]+", banner)) == {f"http://127.0.0.1:{port}"}
    assert f"base_url http://127.0.0.1:{port}/v1   api_key free   model scalix-free" in banner
    assert f"http://127.0.0.1:{port}/ " in banner
    assert f"data in {tmp_path}/data" in banner
    assert "5 requests per hour, 20 per day, 5,000 tokens per day, 2 at once" in banner
    assert re.search(r"Models +world/one  ready", banner)
    assert re.search(r"^ +resting  switched off$", banner, re.MULTILINE)
    assert f"curl http://127.0.0.1:{port}/v1/chat/completions" in banner
    assert "local/" not in banner
    assert service.errors == ""
    assert "sqlite" in loaded  # it looks at the right thing
    assert not [name for name in ("uvloop", "aiohttp", "httptools", "llama") if name in loaded]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """What a newcomer has: nothing is configured but that we may ask more often."""
    overrides = {"tiers.anonymous.requests_per_hour": "unlimited"}
    with running_service(tmp_path_factory.mktemp("demo"), "", overrides) as service:
        yield service


@needs_model
def test_the_curl_of_the_banner_works_as_it_stands(demo: RunningService) -> None:
    line = demo.banner.partition("Ask now:\n")[2].partition("\n\n")[0]
    told = subprocess.run(
        ["/bin/sh", "-c", line], capture_output=True, text=True, timeout=30, check=False
    )

    assert DEMONSTRATION in demo.banner
    assert "a demonstration model" in demo.banner
    assert "no provider is configured" in demo.banner
    if told.returncode == 127:
        pytest.skip("there is no curl on this machine")
    assert "Paris" in told.stdout


@contextmanager
def in_a_terminal(
    folder: Path, variables: Mapping[str, str] | None = None, *, toml: str = NEVER
) -> Iterator["subprocess.Popen[bytes]"]:
    """The installed command as a group of its own, as a shell starts it; writes into ``said``."""
    (folder / "scalix-free.toml").write_text(toml)
    usual = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    with (folder / "said").open("wb") as said:
        process = subprocess.Popen(
            [Path(sys.executable).with_name("scalix-free"), "serve", "--port", "0"],
            cwd=folder,
            env=usual | dict(variables or {}),
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            start_new_session=True,
        )
    try:
        until(lambda: "Stop with" in (folder / "said").read_text())
        yield process
    finally:
        process.kill()
        process.wait()


def test_warnings_are_said_once_and_without_what_they_hold(tmp_path: Path) -> None:
    variables = {"STRIPE_API_KEY": "sk_live_password", "CEREBRAS_API_KEY": "csk-very-secret"}
    with in_a_terminal(tmp_path, variables) as process:
        process.terminate()
        process.wait(PATIENCE_S)
    said = (tmp_path / "said").read_text()

    assert said.count("STRIPE_API_KEY is set, but") == 1
    assert said.count("CEREBRAS_API_KEY is set, but") == 1
    assert "password" not in said
    assert "very-secret" not in said


# ── The data directory ───────────────────────────────────────────────────────────────────────


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_what_is_kept_is_for_its_owner_alone(tmp_path: Path, world: RunningWorld) -> None:
    before = os.umask(0)  # the worst that a shell can have
    try:
        with running_service(tmp_path, of_world(world, "one")) as service:
            assert ask(service).status_code == 200
            until((service.data / "database.sqlite-wal").exists)  # written a moment later
            files = [path for path in service.data.iterdir() if path.is_file()]
            modes = {path.name: mode(path) for path in files}
            assert mode(service.data) == 0o700
            assert mode(service.data / "metrics") == 0o700
    finally:
        os.umask(before)

    databases = ("ledger.sqlite", "database.sqlite")
    assert {"secret", "lock", *databases, *(f"{name}-wal" for name in databases)} <= modes.keys()
    assert set(modes.values()) == {0o600}


def test_the_operators_own_secret_is_not_written_down_and_a_crash_frees_the_lock(
    tmp_path: Path,
) -> None:
    with running_service(tmp_path, NEVER, {"server.secret": "mine-" * 8}) as service:
        assert "secret" not in {path.name for path in service.data.iterdir()}
        with (service.data / "lock").open() as lock:
            with pytest.raises(BlockingIOError):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            service.process.kill()
            service.process.wait()
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


# ── Being told to end ────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("number", "toml"), [(signal.SIGTERM, ""), (signal.SIGINT, NEVER)])
def test_it_ends_at_once_when_nothing_runs(
    tmp_path: Path, number: signal.Signals, toml: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    with running_service(tmp_path, toml, workers=2) as service:
        family = children(service.process.pid)
        assert len(family) >= 2  # and the model's, where there is one
        with httpx.Client() as idle:  # an open connection holds nobody up
            assert idle.get(f"{service.url}/health").status_code == 200
            began = time.monotonic()
            service.process.send_signal(number)
            assert service.process.wait(PATIENCE_S) == 0
            assert time.monotonic() - began < QUICKLY_S

    assert not [process for process in family if process.runs]
    assert service.errors == ""
    assert not list((tmp_path / "tmp").iterdir())
    # The last to close a database has put it into one file.
    kept = {path.name for path in service.data.iterdir()}
    assert kept == {"secret", "lock", "ledger.sqlite", "database.sqlite"}


def test_ctrl_c_reaches_the_whole_group_and_is_no_failure(tmp_path: Path) -> None:
    with in_a_terminal(tmp_path) as process:
        family = children(process.pid)
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(PATIENCE_S) == 0

    assert not [process for process in family if process.runs]
    assert (tmp_path / "said").read_text().endswith("Stop with Ctrl-C.\n")


# ── Crashes ──────────────────────────────────────────────────────────────────────────────────


def test_a_killed_worker_is_started_again_and_no_charge_is_lost(
    tmp_path: Path, world: RunningWorld
) -> None:
    with running_service(tmp_path, of_world(world, "one"), workers=3) as service:
        before = workers_of(service)
        assert len(before) == 3
        for _ in range(2):
            assert ask(service).status_code == 200
        before[0].kill()
        answered = 2
        while not workers_of(service) or before[0].runs or len(workers_of(service)) < 3:
            # Whatever happens to a caller meanwhile, the others serve.
            assert httpx.get(f"{service.url}/health").status_code == 200
            time.sleep(0.05)
        for _ in range(3):
            answered += ask(service).status_code == 200
        refused = ask(service)

        assert answered == 5
        assert refused.status_code == 429
        assert refused.json()["error"]["code"] == "free_tier_hourly_limit"
        assert len({worker.pid for worker in workers_of(service)} - {p.pid for p in before}) == 1
        until(lambda: "worker" in service.errors)
        assert re.fullmatch(
            r"WARNING worker [123] ended \(code -9\) and is started again\n", service.errors
        )


@pytest.mark.slow
def test_what_a_killed_worker_was_doing_stays_charged_and_holds_its_slot(
    tmp_path: Path, world: RunningWorld
) -> None:
    world.behave("held", "hang")
    with running_service(tmp_path, of_world(world, "held")) as service:
        (worker,) = workers_of(service)
        with left_waiting(service):
            world.at_gate("held")
            worker.kill()
            until(lambda: workers_of(service) and not worker.runs)

        # Until its lease passes; that it does is a matter of the ledger's laws.
        assert (used(service), used(service, "concurrent")) == (1, 1)
        assert 0 < used(service, "tokens_day") <= 5000


@pytest.mark.slow
def test_when_the_parent_is_killed_everybody_ends_and_nothing_is_forgotten(
    tmp_path: Path, world: RunningWorld
) -> None:
    toml = 'local = { use = "last-resort" }\n' + of_world(world, "one")
    with running_service(tmp_path, toml, workers=2) as service:
        assert ask(service).status_code == 200
        family = children(service.process.pid)
        assert len(family) >= 2
        service.process.kill()
        service.process.wait()

        until(lambda: not [process for process in family if process.runs], QUICKLY_S)
    assert service.errors == ""
    secret = (service.data / "secret").read_text()
    assert re.fullmatch("[0-9a-f]{64}", secret)
    left = [*(service.data / "metrics").glob("*.db")]
    assert left

    with running_service(tmp_path, NEVER) as service:
        assert used(service) == 1  # callers are who they were
        assert (service.data / "secret").read_text() == secret
        assert not [file for file in left if file.exists()]


# ── The local model ──────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
@needs_model
def test_a_killed_model_is_started_again_and_answers(demo: RunningService) -> None:
    first = ask(demo)
    assert first.status_code == 200
    assert first.headers["x-scalix-model"] == DEMONSTRATION
    (model,) = model_of(demo)
    model.kill()

    until(lambda: not model.runs and ask(demo).status_code == 200, 30.0)

    (again,) = model_of(demo)
    assert again.pid != model.pid
    assert "the local model ended (code -9) and is started again" in demo.errors


@pytest.mark.slow
@pytest.mark.parametrize("use", ["when-alone", "never"])
def test_beside_a_provider_the_model_does_not_run_unless_asked_for(
    tmp_path: Path, world: RunningWorld, use: str
) -> None:
    toml = f'local = {{ use = "{use}" }}\n' + of_world(world, "one")
    with running_service(tmp_path, toml) as service:
        assert model_of(service) == []
        assert model_ids(service) == ["scalix-free", "world/one"]


@pytest.mark.slow
@needs_model
def test_the_last_resort_answers_when_the_providers_cannot(
    tmp_path: Path, world: RunningWorld
) -> None:
    world.behave("failing", "normal", "500")
    toml = 'local = { use = "last-resort" }\n' + of_world(world, "failing")
    with running_service(tmp_path, toml) as service:
        assert len(model_of(service)) == 1
        assert DEMONSTRATION in service.banner
        assert model_ids(service) == ["scalix-free", "world/failing", DEMONSTRATION]
        answers = [ask(service), ask(service)]

    assert [answer.status_code for answer in answers] == [200, 200]
    said = [
        (answer.headers["x-scalix-model"], answer.headers["x-scalix-attempts"])
        for answer in answers
    ]
    assert said == [("world/failing", "1"), (DEMONSTRATION, "2")]


def test_without_any_model_it_serves_and_says_so(tmp_path: Path) -> None:
    with running_service(tmp_path, NEVER) as service:
        refused = ask(service)

        assert re.search(r"Models +none: every question will be refused", service.banner)
        assert children(service.process.pid, "llama_child") == []
        assert httpx.get(f"{service.url}/health").status_code == 200
        assert httpx.get(f"{service.url}/health/ready").status_code == 503
    assert refused.status_code == 503
    assert refused.json()["error"]["code"] == "no_free_model_available"


@needs_model
def test_a_model_that_cannot_be_run_is_given_up_and_called_so(tmp_path: Path) -> None:
    (tmp_path / "mine.gguf").write_bytes(b"GGUF, or so it says. " * 50)
    began = time.monotonic()
    with in_a_terminal(tmp_path, toml='local = { model_path = "mine.gguf" }') as process:
        took = time.monotonic() - began
        words = (tmp_path / "said").read_text()
        url = re.findall(r"base_url (\S+)/v1 ", words)[0]
        ready = httpx.get(f"{url}/health/ready")
        answer = httpx.post(f"{url}/v1/chat/completions", json=QUESTION, timeout=10)
        process.terminate()
        assert process.wait(PATIENCE_S) == 0

    assert took < 10
    assert "the local model ended 3 times" in words
    assert re.search(r"local/mine  cannot be run", words)
    assert ready.status_code == 503
    assert answer.status_code == 502

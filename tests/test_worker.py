"""Workers: how they drain, and what several of them share."""

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.service import WIDE_OPEN, RunningService, provider, running_service
from tests.test_parent import Process, ask, until, used, workers_of
from tests.world import Behaviour, RunningWorld

QUESTION = {"messages": [{"role": "user", "content": "Count."}], "stream": True}
TEXT = "one two three four five six"


def of_world(world: RunningWorld, name: str) -> str:
    return provider(world.base_url, [{"id": f"world/{name}", "model": name}])


# ── Draining ─────────────────────────────────────────────────────────────────────────────────


class Listener:
    """Somebody who reads a stream to its end, in a thread of their own."""

    def __init__(self, service: RunningService) -> None:
        self.lines: list[str] = []
        self._url = f"{service.url}/v1/chat/completions"
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()

    def _listen(self) -> None:
        with httpx.stream("POST", self._url, json=QUESTION, timeout=60) as response:
            self.lines.extend(line for line in response.iter_lines() if line)

    def ended(self, patience_s: float = 20.0) -> bool:
        """Wait for the end of the stream; an end that is torn off counts as none."""
        self._thread.join(patience_s)
        return not self._thread.is_alive() and bool(self.lines)

    @property
    def text(self) -> str:
        """What was said."""
        frames = [json.loads(line.removeprefix("data: ")) for line in self.lines[:-1]]
        return "".join(frame["choices"][0]["delta"].get("content") or "" for frame in frames)


def is_refused(service: RunningService) -> bool:
    """Whether nobody takes new connections."""
    try:
        httpx.get(f"{service.url}/health", timeout=0.5)
    except httpx.ConnectError:
        return True
    except httpx.TransportError:
        return False
    return False


def test_sigterm_lets_a_stream_finish_and_takes_nobody_new(
    tmp_path: Path, world: RunningWorld
) -> None:
    world.behave("drained", Behaviour("stall", text=TEXT, k=2))
    with running_service(tmp_path, of_world(world, "drained"), workers=2) as service:
        listener = Listener(service)
        world.at_gate("drained")
        service.process.terminate()
        # A caller who comes now is turned away at once, and can go elsewhere.
        until(lambda: is_refused(service), 5)
        for worker in workers_of(service):  # a service manager tells every process of the group
            os.kill(worker.pid, signal.SIGTERM)
        time.sleep(0.3)
        assert service.process.poll() is None
        world.open_gate("drained")

        assert listener.ended()
        assert service.process.wait(10) == 0
    assert listener.lines[-1] == "data: [DONE]"
    assert listener.text == TEXT
    assert service.errors == ""


@pytest.mark.slow
def test_a_second_signal_breaks_off_and_tells(tmp_path: Path, world: RunningWorld) -> None:
    world.behave("endless", Behaviour("stall", text=TEXT, k=2))
    with running_service(tmp_path, of_world(world, "endless")) as service:
        listener = Listener(service)
        world.at_gate("endless")
        service.process.terminate()
        until(lambda: is_refused(service), 5)
        began = time.monotonic()
        service.process.send_signal(signal.SIGINT)
        assert service.process.wait(10) == 0
        assert time.monotonic() - began < 3

        assert listener.ended()
    broken = json.loads(listener.lines[-1].removeprefix("data: "))
    assert broken["error"]["code"] == "draining"
    assert "shutting down" in broken["error"]["message"]
    assert "data: [DONE]" not in listener.lines
    assert service.errors == ""

    # What was promised holds: the request was given back, and no slot is held.
    with running_service(tmp_path, of_world(world, "endless")) as service:
        assert (used(service), used(service, "concurrent")) == (0, 0)


@pytest.mark.slow
def test_a_stream_that_does_not_end_is_broken_off_after_the_drain(
    tmp_path: Path, world: RunningWorld
) -> None:
    world.behave("forever", Behaviour("stall", text=TEXT, k=2))
    toml = of_world(world, "forever")
    with running_service(tmp_path, toml, {"routing.idle_timeout_s": 120}) as service:
        listener = Listener(service)
        world.at_gate("forever")
        began = time.monotonic()
        service.process.terminate()
        assert service.process.wait(50) == 0
        took = time.monotonic() - began

        assert listener.ended()
    assert 29 < took < 38
    assert "shutting down" in listener.lines[-1]


# ── What workers share ───────────────────────────────────────────────────────────────────────


@contextmanager
def alone(worker: Process, workers: list[Process]) -> Iterator[None]:
    """Let only this one work: the others stand still, so that it serves whoever comes."""
    others = [other.pid for other in workers if other.pid != worker.pid]
    for pid in others:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in others:
            os.kill(pid, signal.SIGCONT)


def metrics(service: RunningService) -> dict[str, float]:
    """Every sample of the exposition."""
    text = httpx.get(f"{service.url}/metrics").text
    lines = (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, _, value in lines}


def test_three_workers_keep_one_ledger(tmp_path: Path, world: RunningWorld) -> None:
    with running_service(tmp_path, of_world(world, "one"), workers=3) as service:
        workers = workers_of(service)
        assert len(workers) == 3
        left = []
        for worker in (*workers, *workers[:2]):
            with alone(worker, workers):
                left.append(ask(service).json()["free_tier"]["remaining_requests"])
        codes = []
        for worker in workers:
            with alone(worker, workers):
                codes.append(ask(service).json()["error"]["code"])
                assert used(service) == 5
        held = {os.readlink(link) for link in Path(f"/proc/{workers[0].pid}/fd").iterdir()}

    assert left == [4, 3, 2, 1, 0]
    assert codes == ["free_tier_hourly_limit"] * 3
    assert any(path.endswith("/ledger.sqlite") for path in held)
    # The lock is the parent's alone: free when it dies, also while workers still drain.
    assert not [path for path in held if path.endswith("/lock")]


@pytest.mark.slow
def test_metrics_are_the_sum_of_all_workers_and_outlive_them(
    tmp_path: Path, world: RunningWorld
) -> None:
    answered = 'free_api_requests_total{model="world/one",outcome="answered",tier="anonymous"}'
    refused = 'free_api_refusals_total{code="invalid_request"}'
    whole = 'free_api_response_seconds_count{kind="total"}'
    with running_service(tmp_path, of_world(world, "one"), WIDE_OPEN, workers=3) as service:
        workers = workers_of(service)
        for worker in workers:
            with alone(worker, workers):
                for _ in range(2):
                    assert ask(service).status_code == 200
                bad = httpx.post(f"{service.url}/v1/chat/completions", json={})
                assert bad.status_code == 400
        # Whoever is asked may hear of the others' last counts a moment late.
        until(lambda: [metrics(service).get(name) for name in (answered, refused)] == [6, 3], 5)
        for worker in workers:
            with alone(worker, workers):
                told = metrics(service)
                assert (told[answered], told[refused], told[whole]) == (6, 3, 6)
                assert told['free_api_active_users{tier="anonymous"}'] == 1

        workers[0].kill()
        until(lambda: len(workers_of(service)) == 3 and not workers[0].runs)
        assert metrics(service)[answered] == 6  # a sum that falls is none

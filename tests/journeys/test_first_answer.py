"""A newcomer's first minute: nothing configured, one question, a real answer."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from scalix_free.parent import DEMONSTRATION_ID
from scalix_free.providers.llama_model import Absent, find_model
from tests.api.caller import COMPLETIONS, QUESTION, question
from tests.service import RunningService, running_service
from tests.wire.openai_shapes import read_completion, read_stream

FOUND = find_model()

pytestmark = pytest.mark.skipif(
    isinstance(FOUND, Absent),
    reason=f"no wheel of the local model: {FOUND.reason}" if isinstance(FOUND, Absent) else "",
)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    with running_service(tmp_path_factory.mktemp("first"), toml="") as running:
        yield running


@pytest.fixture
def client(service: RunningService) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=service.url, timeout=60, trust_env=False) as client:
        yield client


def test_the_words_at_the_start_say_what_to_do(service: RunningService) -> None:
    banner = service.banner
    assert f"base_url {service.url}/v1   api_key free   model scalix-free" in banner
    assert f"  {service.url}/ " in banner
    assert f"curl {service.url}{COMPLETIONS}" in banner
    assert "5 requests per hour, 20 per day, 5,000 tokens per day, 2 at once" in banner
    (model,) = [line for line in banner.splitlines() if DEMONSTRATION_ID in line]
    assert "demonstration model" in model
    assert "no assistant" in model


def test_the_curl_of_the_banner_is_answered(service: RunningService) -> None:
    """Word for word, as a newcomer pastes it; with a client of ours in place of curl."""
    lines = service.banner.partition("Ask now:\n")[2].splitlines()[:2]
    url, *_ = lines[0].removeprefix("  curl ").split(" ")
    assert lines[0].endswith("-H 'Content-Type: application/json' \\")
    body = lines[1].strip().removeprefix("-d '").removesuffix("'")
    response = httpx.post(
        url, content=body, headers={"content-type": "application/json"}, timeout=60
    )
    answer = read_completion(response.content)
    assert "Paris" in answer["choices"][0]["message"]["content"]
    assert json.loads(body)["messages"][0]["content"] == QUESTION
    assert response.headers["x-scalix-model"] == DEMONSTRATION_ID
    assert "demonstration" in DEMONSTRATION_ID
    assert answer["free_tier"]["remaining_requests"] == 4
    # The example turns that the model is given are not counted.
    assert answer["usage"]["prompt_tokens"] < 60


def test_it_streams_too(client: httpx.Client) -> None:
    response = client.post(COMPLETIONS, json=question("What is 2 + 2?", stream=True))
    assert response.headers["x-scalix-model"] == DEMONSTRATION_ID
    frames = read_stream(response.text)
    assert len(frames) > 2
    assert frames[-1]["free_tier"]["remaining_tokens"] < 5000


def test_it_is_called_a_demonstration_among_the_models(client: httpx.Client) -> None:
    router, model = client.get("/v1/models").json()["data"]
    assert (router["id"], router["demonstration"]) == ("scalix-free", False)
    assert (model["id"], model["demonstration"]) == (DEMONSTRATION_ID, True)
    assert "demonstration" in model["description"]
    assert "no assistant" in model["description"]


def test_it_is_ready(client: httpx.Client) -> None:
    ready = client.get("/health/ready")
    assert (ready.status_code, ready.json()["models"]) == (200, "ok")


def test_what_it_cannot_do_is_said(client: httpx.Client) -> None:
    tool = {"type": "function", "function": {"name": "f", "parameters": {}}}
    response = client.post(COMPLETIONS, json=question(tools=[tool]))
    assert response.status_code == 400
    assert response.json()["error"]["param"] == "tools"


def test_no_answer_names_a_path(service: RunningService, client: httpx.Client) -> None:
    found = [client.get(path).text for path in ("/v1/models", "/docs", "/openapi.json", "/health")]
    for text in found:
        assert str(FOUND) not in text
        assert str(Path(sys.prefix)) not in text
        assert str(service.data) not in text


def test_a_question_on_the_command_line_is_answered(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "scalix_free", "ask", QUESTION, "--data", str(tmp_path)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Paris" in done.stdout
    assert DEMONSTRATION_ID in done.stderr

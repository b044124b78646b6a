"""LiteLLM's real proxy, in an environment of its own: `make .venv/.litellm` gets it.

    start      begins one and does not wait: two begin side by side, at 12 s of computing each
    RunningProxy.wait, kill, stop

A proxy reads a configuration of LiteLLM's own form; modules that it names lie beside that file, in
the folder that the test gives.
"""

import contextlib
import json
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

PYTHON = Path(__file__).parent.parent / ".venv" / "litellm" / "bin" / "python"
MASTER_KEY = "sk-master-key-of-the-tests"
START_S = 110.0
"""The very first start compiles a million lines, and the machine may be busy."""
END_S = 15.0

QUIET = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS": "True",
    "LITELLM_LOCAL_AUTOROUTER_PRESETS": "True",
    "LITELLM_LOCAL_BLOG_POSTS": "True",
    "LITELLM_LOCAL_POLICY_TEMPLATES": "True",
    "LITELLM_MODE": "PRODUCTION",
    "DISABLE_ADMIN_UI": "True",
}
"""It asks nobody on the network, and reads no file that lies about."""


@dataclass(frozen=True)
class RunningProxy:
    """A proxy that was started; ``url`` is its root."""

    url: str
    process: "subprocess.Popen[bytes]"
    log: Path

    @property
    def said(self) -> str:
        """All that it has written so far."""
        return self.log.read_text(errors="replace")

    @property
    def port(self) -> int:
        """Where it listens, for one that takes its place."""
        return int(self.url.rpartition(":")[2])

    @property
    def is_alive(self) -> bool:
        """Whether it says so itself."""
        try:
            with urllib.request.urlopen(f"{self.url}/health/liveliness", timeout=5) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def wait(self, patience_s: float = START_S) -> None:
        """Return once it answers; what it wrote is shown where it does not."""
        until = time.monotonic() + patience_s
        while not self.is_alive:
            if self.process.poll() is not None or time.monotonic() > until:
                raise AssertionError(f"no proxy: {self.said[-4000:]}")
            time.sleep(0.2)  # another process, which has no other way to tell

    def kill(self) -> None:
        """End it at once, with whatever it has under way."""
        self._signal(signal.SIGKILL)
        self.process.wait(END_S)

    def stop(self) -> None:
        """Ask it to end, and make it end."""
        self._signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(END_S)
        self.kill()

    def _signal(self, number: int) -> None:
        """To it and its children: they are a group of their own."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)


def start(
    config: Mapping[str, object],
    env: Mapping[str, str] | None = None,
    *,
    folder: Path,
    port: int | None = None,
    master_key: str | None = MASTER_KEY,
) -> RunningProxy:
    """Begin a proxy in this folder; ``wait`` for it, and ``stop`` it.

    ``config`` is what its configuration file says. ``env`` is all its environment beside what keeps
    it off the network. Without LiteLLM the test is skipped.
    """
    if not PYTHON.exists():
        pytest.skip("LiteLLM is not installed; get it by: make .venv/.litellm")
    folder.mkdir(parents=True, exist_ok=True)
    port = port or free_port()
    (folder / "config.yaml").write_text(json.dumps(config, indent=1))  # which is YAML, too
    log = folder / "log"
    secret = {} if master_key is None else {"LITELLM_MASTER_KEY": master_key}
    with log.open("ab") as said:
        process = subprocess.Popen(
            [
                *(str(PYTHON.with_name("litellm")), "--config", "config.yaml"),
                *("--host", "127.0.0.1", "--port", str(port), "--num_workers", "1"),
            ],
            cwd=folder,
            env={
                "PATH": os.environ.get("PATH", ""),
                "HOME": str(folder),
                **QUIET,
                **secret,
                **(env or {}),
            },
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            start_new_session=True,
        )
    return RunningProxy(f"http://127.0.0.1:{port}", process, log)


@contextmanager
def running(proxies: Sequence[RunningProxy]) -> Iterator[Sequence[RunningProxy]]:
    """Wait for all of them; stop them when it is left."""
    try:
        for proxy in proxies:
            proxy.wait()
        yield proxies
    finally:
        for proxy in proxies:
            proxy.stop()


def free_port() -> int:
    """A port that nobody listens at; the kernel does not give it away again soon."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def asks_world(models: Sequence[str], base_url: str, key: str = "sk-world") -> dict[str, object]:
    """A configuration with these models of the world, each under its own name.

    A call is one call: LiteLLM's own retries are off, and nothing rests.
    """
    return {
        "model_list": [
            {
                "model_name": model,
                "litellm_params": {
                    "model": f"openai/{model}",
                    "api_base": base_url,
                    "api_key": key,
                    "max_retries": 0,
                },
            }
            for model in models
        ],
        "litellm_settings": {"num_retries": 0, "telemetry": False},
        "router_settings": {"num_retries": 0, "disable_cooldowns": True},
    }

"""Other gateways over the same upstream, installed on demand into a cache folder."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.installed import MissingError, cache, once, program, python_environment, run
from benchmarks.processes import LOOPBACK, Command
from benchmarks.subjects import Place, Subject

LITELLM = "1.106.2"
PORTKEY = "1.15.2"
_HONO = "1.13.8"
"""The last version of its HTTP server with which it streams: Portkey-AI/gateway issue 1389."""
_NODE = 20
_KEY = "sk-benchmark"


@dataclass(frozen=True)
class Peers:
    """The peers that could be installed, and a line for each that could not."""

    subjects: list[Subject]
    left_out: list[str]


def peers() -> Peers:
    """Install what is not there yet."""
    found = Peers([], [])
    installers: Mapping[str, Callable[[], Subject]] = {
        "The LiteLLM proxy": _litellm,
        "The Portkey gateway": _portkey,
    }
    for name, install in installers.items():
        try:
            found.subjects.append(install())
        except MissingError as reason:
            found.left_out.append(f"{name} is left out: {reason}.")
    return found


def _litellm() -> Subject:
    script = python_environment(f"litellm[proxy]=={LITELLM}") / "litellm"
    return Subject(
        name=f"LiteLLM proxy {LITELLM}",
        key="litellm",
        command=lambda place: _litellm_command(script, place),
        headers=lambda place: {"Authorization": f"Bearer {_KEY}"},
        share=0.04,
        drain_s=1.0,
    )


def _litellm_command(script: Path, place: Place) -> Command:
    file = place.folder / "litellm.yaml"
    upstream = {
        "model": "openai/instant",
        "api_base": f"http://{LOOPBACK}:{place.upstream}/v1",
        "api_key": _KEY,
    }
    models = [{"model_name": "scalix-free", "litellm_params": upstream}]
    file.write_text(json.dumps({"model_list": models}))
    where = ("--host", LOOPBACK, "--port", str(place.port), "--num_workers", "1")
    return Command(
        (str(script), "--config", str(file), *where, "--telemetry", "False"),
        variables={
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
            "LITELLM_MASTER_KEY": _KEY,
            "LITELLM_LOG": "ERROR",
        },
        ready_path="/health/liveliness",
        ready_timeout_s=120,
    )


def _portkey() -> Subject:
    node, npm = _node(), program("npm")
    folder = cache() / f"portkey-{PORTKEY}"
    script = folder / "node_modules" / "@portkey-ai" / "gateway" / "build" / "start-server.js"

    def install() -> None:
        quiet = ("--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error")
        wanted = {
            "dependencies": {"@portkey-ai/gateway": PORTKEY},
            "overrides": {"@hono/node-server": _HONO},
        }
        (folder / "package.json").write_text(json.dumps(wanted))
        run(npm, "install", "--prefix", str(folder), *quiet)

    once(folder, install)
    return Subject(
        name=f"Portkey gateway {PORTKEY}",
        key="portkey",
        command=lambda place: Command(
            (node, str(script), f"--port={place.port}", "--headless"),
            variables={"NODE_ENV": "production"},
        ),
        headers=lambda place: {
            "Authorization": f"Bearer {_KEY}",
            "x-portkey-provider": "openai",
            "x-portkey-custom-host": f"http://{LOOPBACK}:{place.upstream}/v1",
        },
        share=0.3,
    )


def _node() -> str:
    node = program("node")
    version = run(node, "--version").strip()
    if int(version.lstrip("v").split(".")[0]) < _NODE:
        raise MissingError(f"it needs Node.js {_NODE} or newer, here is {version}")
    return node

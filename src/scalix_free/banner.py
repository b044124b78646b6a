"""The words at the start: where to go, what holds, which models there are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from scalix_free import __version__
from scalix_free.runtime import LocalModel, Runtime
from scalix_free.settings import Loaded, Settings

QUESTION = "What is the capital of France?"


def banner(runtime: Runtime, loaded: Loaded, local_state: str, local_reason: str | None) -> str:
    """All of it. ``local_reason`` says why there is no local model, where one was wanted."""
    url = runtime.public_url
    lines = [
        f"Scalix Free {__version__}: AI without an API key",
        "",
        f"  SDKs      base_url {url}/v1   api_key free   model scalix-free",
        f"  Pages     {url}/docs",
        f"  Settings  {loaded.source}; data in {loaded.settings.data_dir}",
        f"  Limits    {_limits(loaded.settings)}",
        *(
            f"  {head:9} {text}"
            for head, text in _heads(
                "Models", model_lines(loaded.settings, runtime.local, local_state)
            )
        ),
        *(f"  Note      {text}" for text in _notes(runtime, loaded, local_reason)),
        "",
        "Ask now:",
        f"  curl {url}/v1/chat/completions -H 'Content-Type: application/json' \\",
        f"""    -d '{{"messages": [{{"role": "user", "content": "{QUESTION}"}}]}}'""",
        "",
        "Stop with Ctrl-C.",
    ]
    return "\n".join(lines)


def model_lines(
    settings: Settings, local: LocalModel | None, local_state: str = "ready"
) -> list[str]:
    """Each model with its state."""
    lines = [
        f"{model.id}  ready (priority {model.priority})"
        for provider in settings.providers
        if provider.enabled
        for model in sorted(provider.models, key=lambda model: model.priority)
    ]
    lines += [
        f"{provider.name}  switched off" for provider in settings.providers if not provider.enabled
    ]
    if local is not None:
        what = (
            "a demonstration model: it shows that all works and is no assistant"
            if local.demonstration
            else "on this machine"
        )
        lines.append(f"{local.id}  {local_state}, {what}")
    return lines or ["none: every question will be refused"]


def _limits(settings: Settings) -> str:
    tier = settings.tiers.anonymous
    parts = [
        f"{_most(tier.requests_per_hour)} requests per hour",
        f"{_most(tier.requests_per_day)} per day",
        f"{_most(tier.tokens_per_day)} tokens per day",
        f"{_most(tier.concurrent)} at once, for each address",
    ]
    return ", ".join(parts)


def _most(limit: int | None) -> str:
    return "unlimited" if limit is None else f"{limit:,}"


def _heads(head: str, lines: Sequence[str]) -> Iterator[tuple[str, str]]:
    for line in lines:
        yield head, line
        head = ""


def _notes(runtime: Runtime, loaded: Loaded, local_reason: str | None) -> Iterator[str]:
    yield from loaded.warnings
    if local_reason is not None:
        yield f"no local model: {local_reason}"
    if not any(provider.enabled for provider in runtime.settings.providers):
        yield (
            "no provider is configured; for real answers add a [[providers]] table with base_url, "
            'api_key = "env:NAME" and a model to scalix-free.toml'
        )

"""LiteLLM's own Router, in process, by one of its strategies.

All models are deployments of one group, with the limits that LiteLLM can be told of: requests and
tokens a minute. Cooldowns are its own; two retries as with us; its SDK's hidden retries are off,
as each would be a call that nobody asked for.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Final

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

import litellm
from litellm import Router
from litellm.llms.custom_httpx import http_handler
from litellm.llms.openai import common_utils

from benchmarks.scarcity.day import Model, Provider, offered
from benchmarks.scarcity.front import Routed

STRATEGIES: Final = (
    "simple-shuffle",
    "least-busy",
    "usage-based-routing-v2",
    "latency-based-routing",
)
RETRIES: Final = 2
UNKNOWN_RPM: Final = 20
"""Where nothing is said: without one, simple-shuffle would never choose it."""
TIMEOUT_S: Final = 60.0
CLIENT_LIFE_S: Final = 10_000_000
GROUP: Final = "day"


class LiteLLM:
    """The Router of one strategy."""

    def __init__(self, world: int, strategy: str) -> None:
        # It makes its clients anew every hour, at 50 ms each; of a scaled hour that is too much.
        for module in (http_handler, common_utils):
            module._DEFAULT_TTL_FOR_HTTPX_CLIENTS = CLIENT_LIFE_S
        litellm.suppress_debug_info = True
        litellm.telemetry = False
        self._router: Any = Router(
            model_list=[_deployment(world, provider, model) for provider, model in offered()],
            routing_strategy=strategy,
            num_retries=RETRIES,
            timeout=TIMEOUT_S,
        )

    async def ask(self, body: Mapping[str, object]) -> Routed:
        """Ask once; the Router retries."""
        try:
            answer = await self._router.acompletion(
                model=GROUP, messages=body["messages"], max_tokens=body["max_tokens"]
            )
        except Exception as error:
            wait_s = getattr(error, "cooldown_time", None)
            status = 503 if wait_s is not None else 502
            return Routed(status, wait_s=None if wait_s is None else float(wait_s))
        model = answer._hidden_params["model_id"]
        return Routed(200, model, answer.model_dump(mode="json", warnings=False))


def _deployment(world: int, provider: Provider, model: Model) -> dict[str, object]:
    name = f"{provider.name}/{model.name}"
    limits = {
        "rpm": model.allowance.rpm or provider.allowance.rpm or UNKNOWN_RPM,
        "tpm": model.allowance.tpm or provider.allowance.tpm,
    }
    where = {
        "model": f"openai/{model.name}",
        "api_base": f"http://127.0.0.1:{world}/{provider.name}/v1",
        "api_key": "sk-day",
        "max_retries": 0,
        **{key: limit for key, limit in limits.items() if limit is not None},
    }
    return {"model_name": GROUP, "litellm_params": where, "model_info": {"id": name}}

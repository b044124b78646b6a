"""The plain priority list: the best model first, the next one when it fails, and no memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import aiohttp

from benchmarks.scarcity.day import offered
from benchmarks.scarcity.front import Routed

TIMEOUT_S: Final = 60.0


class PriorityList:
    """All models by quality."""

    def __init__(self, world: int) -> None:
        ordered = sorted(offered(), key=lambda one: -one[1].quality)
        self._models = [
            (f"http://127.0.0.1:{world}/{provider.name}/v1/chat/completions", provider, model)
            for provider, model in ordered
        ]

    async def ask(self, body: Mapping[str, object]) -> Routed:
        """Ask one after the other, all of them if need be."""
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
        connector = aiohttp.TCPConnector(force_close=True)
        async with aiohttp.ClientSession(timeout=timeout, connector=connector) as session:
            for url, provider, model in self._models:
                asked = {**body, "model": model.name}
                try:
                    async with session.post(url, json=asked) as answer:
                        told = await answer.json()
                        if answer.status == 200:
                            return Routed(200, f"{provider.name}/{model.name}", told)
                except (aiohttp.ClientError, TimeoutError):
                    continue
        return Routed(503)

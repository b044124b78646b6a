"""A request leaves no cycle of ours behind: the collector's pauses would grow with the load."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.api.caller import COMPLETIONS, question
from tests.service import WIDE_OPEN, provider, served
from tests.world import RunningWorld

ENDS = {
    "whole": question(model="w/normal"),
    "streamed": question(model="w/normal", stream=True),
    "failed": question(model="w/500"),
    "refused": question(n=2),
}


@contextmanager
def leftovers() -> Iterator[list[object]]:
    """What only the collector can free of all that happens meanwhile; known at the end."""
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    found: list[object] = []
    try:
        yield found
        gc.collect()
        found += gc.garbage
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


@pytest.mark.parametrize("end", ENDS)
async def test_nothing_is_left_to_the_collector(
    world: RunningWorld, tmp_path: Path, end: str
) -> None:
    rows = [{"id": f"w/{name}", "model": f"fault:{name}"} for name in ("normal", "500")]
    toml = provider(world.base_url, rows)
    async with (
        served(tmp_path, toml, WIDE_OPEN) as service,
        httpx.AsyncClient(base_url=service.url, trust_env=False) as client,
    ):
        await client.post(COMPLETIONS, json=ENDS[end])
        with leftovers() as found:
            for _ in range(3):
                await client.post(COMPLETIONS, json=ENDS[end])
        assert [type(it).__qualname__ for it in found if _is_ours(it)] == []


def _is_ours(thing: object) -> bool:
    return type(thing).__module__.startswith("scalix_free.")

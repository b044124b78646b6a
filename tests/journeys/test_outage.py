"""The server that keeps the limits goes away while the service runs, and comes back."""

import time
from pathlib import Path

import httpx

from tests.api.caller import COMPLETIONS, question
from tests.service import provider, running_service
from tests.storage.servers import running_server
from tests.world import RunningWorld


def test_while_nothing_can_be_counted_nobody_is_served_and_afterwards_all_are(
    tmp_path: Path, world: RunningWorld
) -> None:
    toml = provider(world.base_url, [{"id": "w/m", "model": "outage"}])
    with (
        running_server() as valkey,
        running_service(
            tmp_path, toml, {"store.ledger": valkey.url, "store.on_ledger_outage": "deny"}
        ) as service,
        httpx.Client(base_url=service.url, timeout=20, trust_env=False) as client,
    ):

        def ask() -> httpx.Response:
            return client.post(COMPLETIONS, json=question())

        def is_ready() -> bool:
            return client.get("/health/ready").status_code == 200

        first = ask()
        assert first.status_code == 200
        assert first.headers["x-ratelimit-remaining-requests"] == "4"
        assert is_ready()
        assert "free_api_active_users{" not in client.get("/metrics").text

        valkey.stop()
        refused = ask()
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "store_unavailable")
        assert valkey.url not in refused.text
        assert not is_ready()

        valkey.start()
        end = time.monotonic() + 10
        while (again := ask()).status_code == 503 and time.monotonic() < end:
            time.sleep(0.05)
        assert again.status_code == 200
        assert again.headers["x-ratelimit-remaining-requests"] == "4", "what was counted is lost"
        assert is_ready()
        assert not (service.data / "ledger.sqlite").exists()

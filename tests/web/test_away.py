"""Pages while the database is away: asking goes on, and the others say so."""

from pathlib import Path
from urllib.parse import urlsplit

import httpx

from tests.api.models import GOOD
from tests.postgres import Postgres
from tests.service import provider, running_service
from tests.world import RunningWorld

OWN = {"sec-fetch-site": "same-origin"}
AWAY = "What is kept here cannot be reached at the moment."


def test_what_needs_no_database_goes_on_and_the_rest_says_so(
    tmp_path: Path, world: RunningWorld, postgres: Postgres
) -> None:
    place = postgres.empty()
    name = urlsplit(place).path.removeprefix("/")
    toml = provider(world.base_url, [{"id": GOOD, "model": "good"}])
    with (
        running_service(tmp_path, toml, {"store.database": place}) as service,
        httpx.Client(base_url=service.url, timeout=20, trust_env=False, headers=OWN) as browser,
    ):
        assert browser.post("/chat", data={"prompt": "Before"}).status_code == 200
        postgres.run(
            f"ALTER DATABASE {name} ALLOW_CONNECTIONS false",
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'",
        )

        assert "You said: After" in browser.post("/chat", data={"prompt": "After"}).text
        for path in ("/", "/chat", "/connect", "/privacy", "/docs"):
            assert browser.get(path).status_code == 200
        assert "The log does not answer." in browser.get("/status").text
        for told in (
            browser.get("/usage"),
            browser.get("/upgrade"),
            browser.post("/upgrade", data={"email": "a@example.org", "consent": "1"}),
            browser.post("/usage/export", data={"as": "csv"}),
            browser.post("/usage/delete"),
            browser.post("/sign-up", data={"email": "a@example.org"}),
            browser.post("/feedback", data={"answer": "req_" + "0" * 32, "rating": "1"}),
        ):
            assert told.status_code == 503
            assert AWAY in told.text
        assert "Free beside Pro" in browser.get("/upgrade").text

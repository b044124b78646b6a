"""The usage of a running service on the command line."""

import json
import socket
from pathlib import Path

from scalix_free.api.free import Window
from scalix_free.api.usage import UsageReport, UsedDay
from scalix_free.meter import drawn
from tests.api.caller import Caller
from tests.api.models import GOOD
from tests.api.test_session import as_bearer, token_of
from tests.api.test_usage import once
from tests.service import RunningService
from tests.test_cli import scalix


def test_what_a_key_has_used_is_drawn(
    tmp_path: Path, caller: Caller, service: RunningService
) -> None:
    token = token_of(caller)
    mine = as_bearer(caller, token)
    mine.answer(model=GOOD)
    once(mine, lambda told: len(told["receipts"]) == 1)
    (tmp_path / "key").write_text(f"{token}\n")

    for key, more in ((token, {}), ("file:key", {}), ("env:MY_KEY", {"MY_KEY": token})):
        told = scalix(tmp_path, "usage", "--url", service.url, "--key", key, variables=more)
        assert told.returncode == 0, told.stderr
        lines = told.stdout.splitlines()
        assert lines[0] == "anonymous, of this key"
        assert lines[2].startswith(
            "requests an hour  [####................] 1 of 5, some back at 20"
        )
        assert lines[-1].endswith(GOOD)
        assert token not in told.stdout
    report = json.loads(
        scalix(tmp_path, "usage", "--url", f"{service.url}/", "--key", token, "--json").stdout
    )
    assert report["windows"][0]["used"] == 1


def test_without_a_key_it_is_that_of_the_address(tmp_path: Path, service: RunningService) -> None:
    told = scalix(tmp_path, "usage", variables={"SCALIX_FREE_SERVER__PUBLIC_URL": service.url})
    assert told.returncode == 0, told.stderr
    assert told.stdout.startswith("anonymous, of this address, with all who share it\n")


def test_who_does_not_tell_is_told_of(tmp_path: Path, service: RunningService) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    for arguments, why in (
        (("--url", f"http://127.0.0.1:{port}"), "cannot be reached"),
        (("--url", "ftp://x"), "is no http:// or https:// URL"),
        (("--url", service.url, "--key", "scalix_key_wrong"), "This key is not valid here"),
        (("--url", service.url, "--key", "file:nowhere"), "nowhere"),
    ):
        told = scalix(tmp_path, "usage", *arguments)
        assert (told.returncode, told.stdout) == (1, "")
        assert told.stderr.startswith("scalix-free: ")
        assert why in told.stderr


def test_what_is_not_limited_has_no_meter() -> None:
    unlimited = Window(
        name="requests_day",
        unit="requests",
        used=1_234,
        limit=None,
        remaining=None,
        resets_at=None,
    )
    report = UsageReport(
        tier="pro",
        windows=[unlimited],
        remaining_requests=None,
        reset_time=None,
        near_limit=False,
        upgrade_prompt=False,
        binding=None,
        days=[UsedDay(date="2026-11-26", requests=n, tokens=0) for n in (0, 1, 50, 100)],
        receipts=[],
        shared=False,
    )
    assert drawn(report).splitlines()[2:] == [
        "requests a day    1,234 used, unlimited",
        "",
        "requests of 4 days [ \u2581\u2584\u2588] 100 at most",
    ]

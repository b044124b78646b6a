"""One's own usage on the command line: asked of a running service, drawn in plain text."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Final

import msgspec

from scalix_free.api.usage import UsageReport

TIMEOUT_S: Final = 10.0
BAR: Final = 20
LEVELS: Final = " ▁▂▃▄▅▆▇█"
NAMES: Final = {
    "requests_hour": "requests an hour",
    "requests_day": "requests a day",
    "tokens_day": "tokens a day",
    "concurrent": "at the same time",
}
SHOWN: Final = 5


class Unanswered(Exception):  # noqa: N818  (what the question is)
    """The service did not tell; the message says why."""


def fetch(url: str, key: str | None) -> UsageReport:
    """Ask a service. Raises ``Unanswered``."""
    if not url.startswith(("http://", "https://")):
        raise Unanswered(f"{url} is no http:// or https:// URL")
    request = urllib.request.Request(f"{url}/api/v1/free/usage")  # noqa: S310  (just looked at)
    if key is not None:
        request.add_header("authorization", f"Bearer {key}")
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:  # noqa: S310
            body: bytes = response.read()
    except urllib.error.HTTPError as error:
        raise Unanswered(_message(error.read()) or f"{url} answers with {error.code}") from None
    except OSError as error:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        raise Unanswered(f"{url} cannot be reached: {reason}") from None
    try:
        return msgspec.json.decode(body, type=UsageReport)
    except msgspec.MsgspecError:
        raise Unanswered(f"{url} is another service") from None


def drawn(report: UsageReport) -> str:
    """The report for a person."""
    whose = "of this address, with all who share it" if report.shared else "of this key"
    lines = [f"{report.tier}, {whose}", ""]
    for window in report.windows:
        name = NAMES.get(window.name, window.name)
        if window.limit is None:
            lines.append(f"{name:17} {window.used:,} used, unlimited")
            continue
        back = f", some back at {window.resets_at}" if window.resets_at else ""
        bar = _bar(window.used, window.limit)
        lines.append(f"{name:17} [{bar}] {window.used:,} of {window.limit:,}{back}")
    most = max((day.requests for day in report.days), default=0)
    columns = "".join(_column(day.requests, most) for day in report.days)
    lines += ["", f"requests of {len(report.days)} days [{columns}] {most:,} at most"]
    for receipt in report.receipts[:SHOWN]:
        who = receipt.model or receipt.code or receipt.outcome
        lines.append(f"  {receipt.at}  {receipt.charged_tokens:>7,} tokens  {who}")
    return "\n".join(lines)


def as_json(report: UsageReport) -> str:
    """The report for a program, as the service told it."""
    return msgspec.json.format(msgspec.json.encode(report), indent=2).decode()


def _bar(used: int, limit: int) -> str:
    filled = min(BAR, -(-used * BAR // limit))
    return "#" * filled + "." * (BAR - filled)


def _column(count: int, most: int) -> str:
    return LEVELS[-(-count * (len(LEVELS) - 1) // most) if most else 0]


def _message(body: bytes) -> str | None:
    try:
        return str(json.loads(body)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return None

"""Raw failures of providers become ours: what they mean for the request, and for the budgets."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from scalix_free.core.budget import FOREVER_MS, Act, Finding
from scalix_free.core.errors import Failure, Kind
from scalix_free.providers.limits_told import (
    IN_HEADERS,
    IN_REFUSALS,
    Named,
    Told,
    allows_nothing,
    told_by_headers,
    told_by_refusal,
)
from scalix_free.providers.quirks import BROKEN, DAY, MODEL_NEVER, Row, Then, quirks_of
from scalix_free.providers.waits import told_wait_ms

WORDS: Final = {
    Kind.RATE_LIMITED: "The model's budget is used up for now.",
    Kind.REFUSED_KEY: "The model's provider does not accept this server's account.",
    Kind.GONE: "The model is no longer there.",
    Kind.BAD_REQUEST: "The model's provider does not accept this request.",
    Kind.TOO_LONG: "The conversation does not fit the model.",
    Kind.FILTERED: "The provider's content filter refused this.",
    Kind.TIMEOUT: "The model's server did not answer in time.",
    Kind.BROKEN: "The model's server failed.",
}

DAY_END: Final = 0
"""As the moment of a rest: until the provider's day ends."""

CODE: Final = re.compile(rb'"code":\s*"?([A-Za-z_0-9]+)')
BY_CODE: Final = {
    b"rate_limit_exceeded": 429,
    b"insufficient_quota": 429,
    b"context_length_exceeded": 400,
    b"invalid_api_key": 401,
    b"model_not_found": 404,
}
"""A word that an error object has as its code → the status that it would have come with."""


class Dialect(NamedTuple):
    """How one provider speaks of its limits, and refuses."""

    rows: tuple[Row, ...]
    headers: tuple[Told, ...] = ()
    named: Named | None = None


def dialect_of(provider: str) -> Dialect:
    """The dialect of a provider, by the catalogue's name; everybody's where it has none."""
    return Dialect(quirks_of(provider), IN_HEADERS.get(provider, ()), IN_REFUSALS.get(provider))


ANYBODY: Final = dialect_of("")


def failure_of(
    status: int, headers: Mapping[str, str], body: bytes, now_ms: int, dialect: Dialect = ANYBODY
) -> Failure:
    """What an answer with this status means. The body is read, never passed on."""
    row = _row(status, body, dialect)
    wait_ms = told_wait_ms(headers, body, now_ms)
    then = row.then
    if row.kind is Kind.RATE_LIMITED and allows_nothing(dialect.headers, headers):
        then = MODEL_NEVER
    findings = [*_following(then, wait_ms, now_ms)]
    if row.kind is Kind.RATE_LIMITED and then is not MODEL_NEVER:
        findings += told_by_refusal(dialect.named, body)
        findings += told_by_headers(dialect.headers, headers, now_ms)
    believed_ms = None if then is not None and then.sure else wait_ms
    return Failure(row.kind, WORDS[row.kind], retry_after_ms=believed_ms, findings=findings)


def failure_inside(error: bytes, now_ms: int, dialect: Dialect = ANYBODY) -> Failure:
    """What an error object means that came with a status of success."""
    return failure_of(_status_inside(error), {}, error, now_ms, dialect)


def _row(status: int, body: bytes, dialect: Dialect) -> Row:
    return next(
        (row for row in dialect.rows if status in row.statuses and row.text in body), BROKEN
    )


def _following(then: Then | None, told_ms: int | None, now_ms: int) -> Iterator[Finding]:
    if then is None:
        return
    if then.act is Act.RETIRE:
        yield Finding(then.extent, Act.RETIRE, min(now_ms + then.for_ms, FOREVER_MS))
    elif told_ms is not None and not then.sure:
        yield Finding(then.extent, Act.REST, now_ms + max(told_ms, then.least_ms))
    elif then.act is Act.BACK_OFF:
        yield Finding(then.extent, Act.BACK_OFF)
    elif then.for_ms == DAY:
        yield Finding(then.extent, Act.REST, DAY_END)
    elif then.for_ms:
        yield Finding(then.extent, Act.REST, now_ms + then.for_ms)


def _status_inside(error: bytes) -> int:
    """The status that an error object names as its code; 502 where it names none."""
    found = CODE.search(error)
    if found is None:
        return 502
    code = found[1]
    if code.isdigit() and len(code) == 3 and 400 <= int(code) < 600:
        return int(code)
    return BY_CODE.get(code, 502)

"""What providers write when they refuse, and what follows: one row each.

A row is told from others by the status and by what stands in the body; of the rows that a provider
may write the first that is found counts, its own before everybody's. The shapes are those of the
research notes on providers, sections 4 and 7.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from scalix_free.core.budget import FOREVER_MS, Act, Extent
from scalix_free.core.clock import DAY_MS, HOUR_MS, MINUTE_MS
from scalix_free.core.errors import Kind

KEY_REST_MS: Final = HOUR_MS
"""So long an account whose key was refused is left alone: long enough to waste few calls, short
enough that an operator who has mended it need not do more."""

DAY: Final = -1
"""As a duration: until the provider's day ends."""

NOT_TOLD: Final = 0
"""As a duration: none, unless the provider tells one."""


class Then(NamedTuple):
    """What follows for a budget.

    A rest lasts as long as the provider tells, ``least_ms`` at least, and ``for_ms`` where it tells
    nothing; a ``for_ms`` that is ``sure`` counts whatever it tells. Backing off is a rest where a
    wait is told. A retirement lasts ``for_ms``.
    """

    extent: Extent
    act: Act
    for_ms: int = NOT_TOLD
    least_ms: int = 1_000
    sure: bool = False


MODEL_RESTS: Final = Then(Extent.MODEL, Act.REST)
MODEL_MINUTE: Final = Then(Extent.MODEL, Act.REST, MINUTE_MS)
MODEL_DAY: Final = Then(Extent.MODEL, Act.REST, DAY)
MODEL_SURELY_DAY: Final = Then(Extent.MODEL, Act.REST, DAY, sure=True)
MODEL_BUSY: Final = Then(Extent.MODEL, Act.BACK_OFF)
MODEL_CROWDED: Final = Then(Extent.MODEL, Act.REST, MINUTE_MS, least_ms=MINUTE_MS)
MODEL_GONE: Final = Then(Extent.MODEL, Act.RETIRE, DAY_MS)
MODEL_NEVER: Final = Then(Extent.MODEL, Act.RETIRE, FOREVER_MS)
ACCOUNT_RESTS: Final = Then(Extent.ACCOUNT, Act.REST)
ACCOUNT_MINUTE: Final = Then(Extent.ACCOUNT, Act.REST, MINUTE_MS)
ACCOUNT_DAY: Final = Then(Extent.ACCOUNT, Act.REST, DAY)
ACCOUNT_HOUR: Final = Then(Extent.ACCOUNT, Act.REST, HOUR_MS)
ACCOUNT_MONTH: Final = Then(Extent.ACCOUNT, Act.REST, DAY_MS, least_ms=DAY_MS)
KEY_REFUSED: Final = Then(Extent.ACCOUNT, Act.RETIRE, KEY_REST_MS)
MODEL_KEY_REFUSED: Final = Then(Extent.MODEL, Act.RETIRE, KEY_REST_MS)
NOTHING: Final = None


class Row(NamedTuple):
    """A refusal: whose, its status, what stands in its body, what it means and what follows.

    ``of`` is the catalogue's name of the provider, empty where several write so. A text that could
    be anybody's means that of this provider ``only``; the others are believed of providers too that
    have no rows under their names.
    """

    of: str
    statuses: tuple[int, ...]
    text: bytes
    kind: Kind
    then: Then | None
    only: bool = True


_LIMITED: Final = Kind.RATE_LIMITED
_REQUEST: Final = (400, 402, 403)
"""Statuses that say nothing before the body is read."""

PROXY: Final = "litellm-proxy"
"""The name under which LiteLLM's proxy has its rows. It passes on what others write."""

QUIRKS: Final = (
    # Gemini: the quotaId tells; a wait that is said beside a day's limit is not to be trusted, and
    # its failures count against the day.
    Row("gemini", (429,), b"limit: 0,", _LIMITED, MODEL_NEVER),
    Row("gemini", (429,), b"PerDayPerProjectPerModel", _LIMITED, MODEL_SURELY_DAY, only=False),
    Row("gemini", (429,), b"PerMinutePerProjectPerModel", _LIMITED, MODEL_MINUTE, only=False),
    Row("gemini", (429,), b"PerModelPerMinute", _LIMITED, MODEL_MINUTE, only=False),
    Row("gemini", (503,), b"", Kind.BROKEN, MODEL_BUSY),
    # OpenRouter: limits of the account, those of a pool that it shares with everybody, and what
    # only looks like a model that is gone or a key that is refused.
    Row("openrouter", (429,), b"free-models-per-day", _LIMITED, ACCOUNT_DAY, only=False),
    Row("openrouter", (429,), b"free-models-per-min", _LIMITED, ACCOUNT_MINUTE, only=False),
    Row(
        "openrouter", (429,), b"upstream_provider_shared_pool", _LIMITED, MODEL_CROWDED, only=False
    ),
    Row(
        "openrouter",
        (429,),
        b"temporarily rate-limited upstream",
        _LIMITED,
        MODEL_CROWDED,
        only=False,
    ),
    Row("openrouter", (402,), b"openrouter_in_flight_budget", _LIMITED, ACCOUNT_RESTS, only=False),
    Row(
        "openrouter", (404,), b"support tool use", Kind.GONE, NOTHING, only=False
    ),  # this request alone
    Row("openrouter", (404,), b"data policy", Kind.GONE, MODEL_GONE, only=False),
    Row("openrouter", (403,), b"flagged_input", Kind.FILTERED, NOTHING),
    Row("openrouter", (403,), b'"metadata"', Kind.REFUSED_KEY, MODEL_GONE),
    # Groq names the window in its message. Too large is what no minute allows, not the context.
    Row("groq", (429,), b"(RPD)", _LIMITED, MODEL_DAY),
    Row("groq", (429,), b"(TPD)", _LIMITED, MODEL_DAY),
    Row("groq", (429,), b"(RPM)", _LIMITED, MODEL_MINUTE),
    Row("groq", (429,), b"(TPM)", _LIMITED, MODEL_MINUTE),
    Row("groq", (413,), b"(TPM)", _LIMITED, NOTHING),
    Row("groq", (498,), b"", Kind.BROKEN, MODEL_BUSY),
    # Mistral: the minute, and a model without capacity. See also `limits_told.allows_nothing`.
    Row("mistral", (429,), b"capacity exceeded", _LIMITED, MODEL_BUSY),
    Row("mistral", (429,), b'"1300"', _LIMITED, MODEL_MINUTE),
    # Z.ai: without money; too many of ours at once; too many of everybody's.
    Row("zai", (429,), b'"1113"', _LIMITED, MODEL_NEVER),
    Row("zai", (429,), b'"1302"', _LIMITED, MODEL_BUSY),
    Row("zai", (429,), b'"1305"', _LIMITED, MODEL_CROWDED),
    # Cloudflare: the day's neurons, by both codes in use; a model without capacity; a paid one.
    Row("cloudflare", (429,), b"4006", _LIMITED, ACCOUNT_DAY),
    Row("cloudflare", (429,), b"3036", _LIMITED, ACCOUNT_DAY),
    Row("cloudflare", (429,), b"3040", _LIMITED, MODEL_CROWDED),
    Row("cloudflare", (403,), b"Workers Paid", Kind.REFUSED_KEY, MODEL_GONE, only=False),
    # Cohere: the trial key's month; the model's minute.
    Row("cohere", (429,), b"calls / month", _LIMITED, ACCOUNT_MONTH, only=False),
    Row("cohere", (429,), b"calls / minute", _LIMITED, MODEL_MINUTE, only=False),
    # NVIDIA: one minute for all models; a sick server that looks like a bad request.
    Row("nvidia_nim", (429,), b"", _LIMITED, ACCOUNT_MINUTE),
    Row("nvidia_nim", (400,), b"DEGRADED", Kind.BROKEN, MODEL_BUSY),
    # LiteLLM's proxy: its own words; the last of them lead what it passes on of a provider's.
    Row(PROXY, (400, 401), b"no_db_connection", Kind.REFUSED_KEY, KEY_REFUSED),
    Row(PROXY, (400,), b"Invalid model name", Kind.GONE, MODEL_GONE),
    Row(PROXY, (400, 429), b"budget_exceeded", _LIMITED, ACCOUNT_HOUR),
    Row(PROXY, (429,), b"No deployments available", _LIMITED, MODEL_BUSY),
    Row(PROXY, (401, 402, 403), b"litellm.", Kind.REFUSED_KEY, MODEL_KEY_REFUSED),
    # Anybody: what a status alone does not say.
    Row("", _REQUEST, b"context_length_exceeded", Kind.TOO_LONG, NOTHING),
    Row("", _REQUEST, b"exceed_context_size_error", Kind.TOO_LONG, NOTHING),
    Row("", _REQUEST, b"maximum context length", Kind.TOO_LONG, NOTHING),
    Row("", _REQUEST, b"API_KEY_INVALID", Kind.REFUSED_KEY, KEY_REFUSED),
    Row("", _REQUEST, b"pass a valid API key", Kind.REFUSED_KEY, KEY_REFUSED),
    Row("", _REQUEST, b"User location is not supported", Kind.REFUSED_KEY, KEY_REFUSED),
    Row("", _REQUEST, b"model_decommissioned", Kind.GONE, MODEL_GONE),
    Row("", _REQUEST, b"model_archived", Kind.GONE, MODEL_GONE),
    Row("", _REQUEST, b"DEGRADED", Kind.BROKEN, NOTHING),
    Row("", _REQUEST, b"content_filter", Kind.FILTERED, NOTHING),
    Row("", _REQUEST, b"content_policy_violation", Kind.FILTERED, NOTHING),
    Row("", _REQUEST, b"flagged_input", Kind.FILTERED, NOTHING),
    # Anybody, without a word that is known.
    Row("", (400, 422), b"", Kind.BAD_REQUEST, NOTHING),
    Row("", (401, 402, 403), b"", Kind.REFUSED_KEY, KEY_REFUSED),
    Row("", (404, 405, 410), b"", Kind.GONE, MODEL_GONE),
    Row("", (408, 504), b"", Kind.TIMEOUT, NOTHING),
    Row("", (413,), b"", Kind.TOO_LONG, NOTHING),
    Row("", (429,), b"", _LIMITED, MODEL_BUSY),
    Row("", (503,), b"", Kind.BROKEN, MODEL_RESTS),
)

BROKEN: Final = Row("", (), b"", Kind.BROKEN, NOTHING)
"""Every other status."""


def quirks_of(provider: str) -> tuple[Row, ...]:
    """The rows that this provider may write, its own first."""
    if provider == PROXY:
        return tuple(_passed_on(row) for row in QUIRKS if row.of in {PROXY, ""} or not row.only)
    is_known = any(row.of == provider for row in QUIRKS if row.of)
    return tuple(row for row in QUIRKS if row.of in {provider, ""} or not (is_known or row.only))


def _passed_on(row: Row) -> Row:
    """A row as a proxy passes it on: which of its models share the account it cannot tell."""
    then = row.then
    if row.of in {PROXY, ""} or then is None:
        return row
    return row._replace(then=then._replace(extent=Extent.MODEL))

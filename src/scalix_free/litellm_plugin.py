"""Runs inside LiteLLM's proxy: its callers are Scalix Free's, and Scalix Free hears how they fared.

Put this file beside the proxy's configuration. It needs LiteLLM and the standard library, nothing
else of ours. In the configuration:

    general_settings:
      custom_auth: litellm_plugin.custom_auth
      cancel_on_disconnect: true
    litellm_settings:
      success_callback: ["litellm_plugin.custom_free_tier_tracker"]
      failure_callback: ["litellm_plugin.custom_free_tier_error_handler"]

By dotted path: a bare name is taken for an integration of LiteLLM's, and nobody is ever called.
In the environment (``Settings``): ``SCALIX_FREE_URL``, ``SCALIX_FREE_OPERATOR_TOKEN`` and
``SCALIX_FREE_ON_OUTAGE``.

A request is admitted before it is answered: its sender and estimates of its tokens are sent, and no
word of it ever is. What comes back is a *grant*, which goes with the request through the proxy and
back to Scalix Free with its end. Ends wait in memory until Scalix Free has taken them; they are
told by request id, as often as need be, and count once. While Scalix Free is away callers are let
in by the limits that ``free_tier_limits`` of the proxy's configuration tells, by address, in each
process of the proxy; they are told of afterwards, too.

LiteLLM executes this file anew for each of the names above, and as no module that Python knows: so
what all of them share is kept by ``_desk``, and annotations are no texts, for which ``dataclasses``
would look up the module. LiteLLM itself is imported where it is used: the rest works without it.

The file follows a request: it arrives, it may be refused, Scalix Free is asked, or limits of our
own where that one is away, it is admitted and ends, its end is told. Then come LiteLLM's words for
all of it, and last the names that LiteLLM calls.
"""

import asyncio
import atexit
import hmac
import http.client
import ipaddress
import json
import logging
import os
import random
import sys
import threading
import time
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, Final, Literal, NamedTuple, TypeAlias
from urllib.parse import urlsplit

log = logging.getLogger("scalix_free.litellm_plugin")

Json: TypeAlias = dict[str, Any]
Post: TypeAlias = Callable[[bytes, float], tuple[int, bytes]]
"""Sends a body to the hook within so many seconds: status and body of the answer, or OSError."""


# ── Settings ─────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the environment says.

    ``on_outage`` is what happens while Scalix Free does not answer: ``degrade`` lets callers in by
    the proxy's own ``free_tier_limits``, ``deny`` refuses all of them, ``allow`` none.
    """

    url: str
    operator_token: str
    on_outage: Literal["degrade", "deny", "allow"]

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> "Settings":
        """Read them. Raises ValueError for what cannot be."""
        token = environ.get("SCALIX_FREE_OPERATOR_TOKEN", "")
        if not token:
            raise ValueError("SCALIX_FREE_OPERATOR_TOKEN is not set: the server.operator_token")
        url = environ.get("SCALIX_FREE_URL") or "http://127.0.0.1:3001"
        if urlsplit(url).scheme not in {"http", "https"} or not urlsplit(url).hostname:
            raise ValueError(f"SCALIX_FREE_URL is not an http(s) address: {url}")
        on_outage = environ.get("SCALIX_FREE_ON_OUTAGE") or "degrade"
        if on_outage not in {"degrade", "deny", "allow"}:
            raise ValueError("SCALIX_FREE_ON_OUTAGE is degrade, deny or allow")
        return cls(url=url.rstrip("/"), operator_token=token, on_outage=on_outage)  # type: ignore[arg-type]


# ── A request arrives ────────────────────────────────────────────────────────────────────────

COMPLETIONS: Final = frozenset({"/chat/completions", "/v1/chat/completions"})
MODELS: Final = frozenset({"/models", "/v1/models"})
ONE_MODEL: Final = ("/models/", "/v1/models/")
FIELDS: Final = frozenset(
    {
        "messages",
        "model",
        "stream",
        "stream_options",
        "max_tokens",
        "max_completion_tokens",
        "n",
        "temperature",
        "top_p",
        "presence_penalty",
        "frequency_penalty",
        "seed",
        "stop",
        "tools",
        "tool_choice",
        "parallel_tool_calls",
        "response_format",
        "reasoning_effort",
        "user",
        "metadata",  # LiteLLM keeps its own in it
    }
)
"""What a caller may say to LiteLLM. Among the rest are switches: ``no-log`` would have no end told,
``fallbacks`` would lead to models that are not free."""
OF_HEADERS: Final = ("num_retries", "timeout", "stream_timeout", "keepalive_seconds")
"""What LiteLLM makes of a caller's headers: more calls than one, or such as must fail and therefore
cost nothing."""
TURNS: Final = ("idempotency-key", "x-scalix-request-id", "x-dyad-free-quota-key")


class Estimate(NamedTuple):
    """Tokens of a request before it is answered; ``output`` is None where it does not say."""

    prompt: int = 0
    newest: int = 0
    output: int | None = None


class Asking(NamedTuple):
    """What a request shows of itself.

    ``model`` is the name that it asks for, ``strange`` are its fields that nobody may hear of.
    """

    address: str
    forwarded: str
    credential: str | None
    model: str | None
    estimate: Estimate
    session_id: str | None = None
    turn: str | None = None
    strange: tuple[str, ...] = ()

    @property
    def sender(self) -> Json:
        """Who it is, as Scalix Free wants to know it."""
        return {
            "address": self.address[:64] or "unknown",
            "forwarded": self.forwarded[:8_192],
            "credential": None if self.credential is None else self.credential[:8_192],
        }


def _path(request: Any) -> str:
    path, root = str(request.scope["path"]), str(request.scope.get("root_path") or "")
    return path.removeprefix(root) if root and path.startswith(f"{root}/") else path


async def _asking(request: Any, api_key: str | None) -> Asking:
    """What a request shows. LiteLLM has read its body already."""
    try:
        body = await request.json()
    except ValueError:
        body = None
    fields: Mapping[str, Any] = body if isinstance(body, Mapping) else {}
    if (why := _too_much(fields)) is not None:
        raise refused(400, "invalid_request_error", "invalid_request", why)
    model = fields.get("model")
    headers = request.headers
    session_id = fields.get("session_id")
    turns = (headers.get(name, "").partition(":attempt-")[0].strip() for name in TURNS)
    return Asking(
        address=request.client.host if request.client else "unknown",
        forwarded=headers.get("x-forwarded-for", ""),
        credential=api_key or None,
        model=model if isinstance(model, str) else None,
        estimate=estimate(fields),
        session_id=session_id[:256] if isinstance(session_id, str) and session_id else None,
        turn=next((turn for turn in turns if 0 < len(turn) <= 256), None),
        strange=tuple(str(name) for name in fields if name not in FIELDS),
    )


def _too_much(fields: Mapping[str, Any]) -> str | None:
    """Why a request is none for one answer of one model: LiteLLM would call several, or a tool."""
    model, tools = fields.get("model"), fields.get("tools")
    if fields.get("n") not in (None, 1):  # a tuple: what is sent may be unhashable
        return ONE_CHOICE
    if isinstance(model, list) or (isinstance(model, str) and "," in model):
        return ONE_AT_ONCE
    listed = tools if isinstance(tools, list) else [tools] if tools else []
    known = [isinstance(tool, Mapping) and tool.get("type") == "function" for tool in listed]
    return None if all(known) else FUNCTIONS


# Estimates are made as Scalix Free makes them.

IMAGE_TOKENS: Final = 1_000
MESSAGE_TOKENS: Final = 4
PROMPT_TOKENS: Final = 8
MARGIN: Final = 1.1


def estimate(body: object) -> Estimate:
    """Estimate a request; whatever is not of the form counts nothing."""
    if not isinstance(body, Mapping):
        return Estimate()
    newest, total = 0.0, float(PROMPT_TOKENS)
    messages = body.get("messages")
    for message in messages if isinstance(messages, list) else ():
        if not isinstance(message, Mapping):
            continue
        tokens = MESSAGE_TOKENS + _content_tokens(message.get("content"))
        if message.get("tool_calls"):
            tokens += estimate_tokens(json.dumps(message["tool_calls"]))
        if message.get("role") == "user":
            newest = tokens
        total += tokens
    if body.get("tools"):
        total += estimate_tokens(json.dumps(body["tools"]))
    output = body.get("max_completion_tokens") or body.get("max_tokens")
    usable = isinstance(output, int) and not isinstance(output, bool) and output >= 1
    return Estimate(int(total * MARGIN) + 1, int(newest * MARGIN) + 1, output if usable else None)


def estimate_tokens(text: str) -> float:
    """Tokens of a text: one for 3.5 ASCII characters, 1.1 for any other."""
    if text.isascii():
        return len(text) / 3.5
    others = len(text) - len(text.encode("ascii", "ignore"))
    return (len(text) - others) / 3.5 + others * 1.1


def _content_tokens(content: object) -> float:
    if isinstance(content, str):
        return estimate_tokens(content)
    if not isinstance(content, list):
        return 0.0
    texts = [part.get("text") if isinstance(part, Mapping) else None for part in content]
    return sum(estimate_tokens(text) if isinstance(text, str) else IMAGE_TOKENS for text in texts)


# ── It may be refused ────────────────────────────────────────────────────────────────────────

LIMIT: Final = "Free tier limit exceeded. Please upgrade to Pro."
LATER: Final = "Try again later. Resource has been exhausted."
AWAY: Final = (
    "Failed to generate response. The limits of the free tier cannot be asked now; try again in a "
    "moment."
)
NOT_SET_UP: Final = "Failed to generate response. This proxy is not set up; its operator was told."
CLOSED: Final = "This address is the operator's. Free callers may use /v1/chat/completions."
NOT_FREE: Final = "This model is not part of the free tier. GET /v1/models lists those there are."
ONE_CHOICE: Final = "n other than 1 is not offered."
ONE_AT_ONCE: Final = "Several models at once are not offered."
FUNCTIONS: Final = "Tools other than functions are not offered."


class Refused(Exception):  # noqa: N818  (a refusal is no error)
    """A request that is not answered, with what its sender is told."""

    def __init__(self, status: int, error: Json, headers: Mapping[str, str]) -> None:
        super().__init__(error.get("message", ""))
        self.status = status
        self.error = error
        self.headers = dict(headers)


def refused(
    status: int, kind: str, code: str, message: str, headers: Mapping[str, str] | None = None
) -> Refused:
    """A refusal of the plugin's own."""
    error = {"message": message, "type": kind, "param": None, "code": code}
    return Refused(status, error, headers or {"x-should-retry": "false"})


def _as_litellm_does(no: Refused) -> Exception:
    """A refusal that LiteLLM's proxy sends as it is: status, headers and the whole error."""
    from litellm.proxy._types import ProxyException  # noqa: PLC0415

    class Refusal(ProxyException):  # type: ignore[misc]
        """An error with all of Scalix Free's keys."""

        def to_dict(self) -> Json:
            """The ``error`` of the body."""
            return no.error

    return Refusal(
        message=str(no.error.get("message", "")),
        type=str(no.error.get("type", "")),
        param=None,
        code=no.status,
        headers=no.headers,
    )


# ── Scalix Free is asked ─────────────────────────────────────────────────────────────────────

HOOK: Final = "/api/v1/hooks/litellm"


class Link:
    """Posts to the hook; each thread keeps a connection of its own."""

    def __init__(self, url: str, operator_token: str) -> None:
        parts = urlsplit(url)
        secure = parts.scheme == "https"
        self._kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        self._host, self._port = parts.hostname or "", parts.port
        self._path = parts.path.rstrip("/") + HOOK
        self._headers = {
            "Authorization": f"Bearer {operator_token}",
            "Content-Type": "application/json",
        }
        self._kept = threading.local()

    def post(self, body: bytes, timeout_s: float) -> tuple[int, bytes]:
        """See ``Post``. A kept connection may have been closed meanwhile: then a new one is tried.

        Everything that is sent here may be sent twice.
        """
        kept: http.client.HTTPConnection | None = getattr(self._kept, "connection", None)
        if kept is not None:
            try:
                return self._on(kept, body, timeout_s)
            except TimeoutError:
                raise
            except (OSError, http.client.HTTPException):
                pass
        try:
            return self._on(self._kind(self._host, self._port), body, timeout_s)
        except http.client.HTTPException as error:
            raise OSError(f"no HTTP: {type(error).__name__}") from error

    def close(self) -> None:
        """Close the connection of this thread."""
        kept: http.client.HTTPConnection | None = getattr(self._kept, "connection", None)
        if kept is not None:
            kept.close()

    def _on(
        self, connection: http.client.HTTPConnection, body: bytes, timeout_s: float
    ) -> tuple[int, bytes]:
        self._kept.connection = None
        connection.timeout = timeout_s
        if connection.sock is not None:
            connection.sock.settimeout(timeout_s)
        try:
            connection.request("POST", self._path, body, self._headers)
            answer = connection.getresponse()
            found = answer.status, answer.read()
        except BaseException:
            connection.close()
            raise
        self._kept.connection = connection
        return found


# ── Where it is away, limits of our own hold ─────────────────────────────────────────────────

MOST_ADDRESSES: Final = 10_000
HOUR_S: Final = 3_600.0
DAY_S: Final = 86_400.0


class FreeTierLimits(NamedTuple):
    """``free_tier_limits`` of the proxy's configuration; None lifts a limit."""

    requests_per_hour: int | None = 10
    requests_per_day: int | None = 50
    tokens_per_day: int | None = 10_000

    @classmethod
    def of(cls, config: object) -> "FreeTierLimits":
        """Read them from the proxy's whole configuration; what is missing is as the plan had it."""
        settings = config.get("router_settings") if isinstance(config, Mapping) else None
        said = settings.get("free_tier_limits") if isinstance(settings, Mapping) else None
        if not isinstance(said, Mapping):
            return cls()
        return cls(
            **{
                name: value
                for name in cls._fields
                if name in said and isinstance(value := said[name], int | None)
            }
        )


@dataclass(slots=True)
class _Used:
    """What one address has used: admissions by time, and tokens by the time they came."""

    at: deque[float] = field(default_factory=deque)
    tokens: deque[tuple[float, int]] = field(default_factory=deque)


class OwnLimits:
    """Rolling limits of addresses, in this process and while Scalix Free is away."""

    def __init__(self, limits: FreeTierLimits, most: int = MOST_ADDRESSES) -> None:
        self._limits = limits
        self._most = most
        self._used: OrderedDict[str, _Used] = OrderedDict()

    def denial(self, address: str, now: float) -> str | None:
        """Count a request, or say which limit it meets: ``used of most what``."""
        bucket = address_bucket(address)
        used = self._used.get(bucket)
        if used is None:
            if len(self._used) >= self._most and not self._forget(now):
                return "all that can be counted now are counted"
            used = self._used[bucket] = _Used()
        _expire(used, now)
        hour = sum(at > now - HOUR_S for at in used.at)
        tokens = sum(amount for _, amount in used.tokens)
        for count, most, what in (
            (hour, self._limits.requests_per_hour, "requests per hour"),
            (len(used.at), self._limits.requests_per_day, "requests per day"),
            (tokens, self._limits.tokens_per_day, "tokens per day"),
        ):
            if most is not None and count >= most:
                return f"{count} of {most} {what} are used"
        used.at.append(now)
        self._used.move_to_end(bucket)
        return None

    def spend(self, address: str, tokens: int, now: float) -> None:
        """Count the tokens of a request that was let in here."""
        used = self._used.get(address_bucket(address))
        if used is not None:
            used.tokens.append((now, tokens))

    def _forget(self, now: float) -> bool:
        """Make room for one address, if another has nothing left that counts."""
        bucket, used = next(iter(self._used.items()))
        _expire(used, now)
        if used.at or used.tokens:
            return False
        del self._used[bucket]
        return True


def _expire(used: _Used, now: float) -> None:
    while used.at and used.at[0] <= now - DAY_S:
        used.at.popleft()
    while used.tokens and used.tokens[0][0] <= now - DAY_S:
        used.tokens.popleft()


def address_bucket(address: str) -> str:
    """What one household shares: an IPv4 address, the /64 of an IPv6 one."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)


# ── It is admitted, and ends ─────────────────────────────────────────────────────────────────

ASK_S: Final = 2.0
"""How long an admission may take before Scalix Free counts as away."""
AWAY_S: Final = 1.0
"""How long it is not asked again after that."""
MOST_OPEN: Final = 20_000
UNVERIFIED: Final = "unverified"
PAYING: Final = "pro"


@dataclass(slots=True)
class Lease:
    """A request that was admitted, until its end is told.

    Without a ``grant`` it was let in while nobody could be asked. ``relayed`` counts the tokens
    that went out in a stream.
    """

    rid: str
    asking: Asking
    tier: str
    user_id: str
    output_tokens: int | None
    grant: str | None
    at_ms: int
    began: float
    let_down: list[str] = field(default_factory=list)
    failures: int = 0
    streaming: bool = False
    relayed: float = 0.0


class Desk:
    """Admits requests and tells their ends, for all of a process.

    ``limits`` reads the proxy's ``free_tier_limits`` when they are first needed, ``wall`` is the
    time of day in seconds, ``clock`` never goes back.
    """

    def __init__(
        self,
        settings: Settings,
        post: Post,
        *,
        limits: Callable[[], FreeTierLimits] = FreeTierLimits,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._post = post
        self._read_limits = limits
        self._own_limits: OwnLimits | None = None
        self._counting = threading.Lock()
        self._clock = clock
        self._wall = wall
        self._away_until = 0.0
        self._said_wrong = 0.0
        self._open: OrderedDict[str, Lease] = OrderedDict()
        self.outbox = Outbox(post, beats=self.beats, clock=clock)

    # ── Admitting ───────────────────────────────────────────────────────────────────────────

    def admit(self, asking: Asking) -> Lease:
        """Ask for a request; waits for an answer. Raises ``Refused``."""
        rid = os.urandom(16).hex()
        answer = self._ask(rid, asking)
        if answer is None:
            self._admit_alone(asking)
            lease = self._lease(rid, asking, {})
        elif answer.get("type") == "admitted":
            lease = self._lease(rid, asking._replace(credential=None), answer)
        else:
            raise Refused(answer["status"], answer["envelope"]["error"], answer["headers"])
        self._open[rid] = lease
        if len(self._open) > MOST_OPEN:
            self._open.popitem(last=False)
        return lease

    def _ask(self, rid: str, asking: Asking) -> Json | None:
        """What Scalix Free says; None while it is away."""
        if self._clock() < self._away_until:
            return None
        body = {
            "type": "admit",
            "request_id": rid,
            "sender": asking.sender,
            "prompt_tokens": asking.estimate.prompt,
            "newest_tokens": asking.estimate.newest,
            "output_tokens": asking.estimate.output,
            "session_id": asking.session_id,
            "turn": asking.turn,
        }
        try:
            status, answer = self._post(json.dumps(body).encode(), ASK_S)
            found = json.loads(answer) if status == 200 else None
        except (OSError, ValueError):
            status, found = 0, None
        if isinstance(found, dict):
            return found
        if 400 <= status < 500:
            self._say_wrong(status)
            raise refused(503, "server_error", "store_unavailable", NOT_SET_UP)
        self._away_until = self._clock() + AWAY_S
        return None

    def _say_wrong(self, status: int) -> None:
        """Tell the operator, once a minute, that this cannot work."""
        if self._clock() >= self._said_wrong:
            self._said_wrong = self._clock() + 60.0
            log.error(
                "Scalix Free refuses this proxy with %d: is SCALIX_FREE_OPERATOR_TOKEN its "
                "server.operator_token, and SCALIX_FREE_URL its address?",
                status,
            )

    def _admit_alone(self, asking: Asking) -> None:
        """Decide while Scalix Free is away. The identity that is shown cannot be verified now."""
        on_outage = self._settings.on_outage
        if on_outage == "deny":
            headers = {"retry-after": "2", "retry-after-ms": "2000"}
            raise refused(503, "server_error", "store_unavailable", AWAY, headers)
        if on_outage == "degrade":
            with self._counting:
                denial = self._limits().denial(asking.address, self._clock())
            if denial is not None:
                message = f"{LIMIT} {denial}. {LATER}"
                raise refused(429, "rate_limit_error", "ip_rate_limit", message)

    def _lease(self, rid: str, asking: Asking, answer: Json) -> Lease:
        return Lease(
            rid=rid,
            asking=asking,
            tier=str(answer.get("tier", UNVERIFIED)),
            user_id=str(answer.get("user_id", UNVERIFIED)),
            output_tokens=answer.get("output_tokens", asking.estimate.output),
            grant=answer.get("grant"),
            at_ms=int(self._wall() * 1000),
            began=self._clock(),
        )

    def _limits(self) -> OwnLimits:
        if self._own_limits is None:
            self._own_limits = OwnLimits(self._read_limits())
        return self._own_limits

    # ── Ends ────────────────────────────────────────────────────────────────────────────────

    def lease(self, rid: object) -> Lease | None:
        """The open request of this id."""
        return self._open.get(rid) if isinstance(rid, str) else None

    def answered(
        self,
        lease: Lease,
        *,
        model: str | None,
        prompt_tokens: int,
        completion_tokens: int,
        first_token_ms: float | None,
        total_ms: float,
    ) -> None:
        """Tell of a whole answer; of the ends of one request the first one counts."""
        self._end(
            lease,
            "answered",
            model=model,
            prompt_tokens=prompt_tokens,
            completion_tokens=completion_tokens,
            first_token_ms=first_token_ms,
            total_ms=total_ms,
        )

    def left(self, lease: Lease, model: str | None) -> None:
        """Tell that the caller has gone; what went out until then is charged, and the request."""
        self._end(
            lease,
            "abandoned",
            model=model,
            prompt_tokens=lease.asking.estimate.prompt,
            completion_tokens=int(lease.relayed),
            total_ms=(self._clock() - lease.began) * 1000,
        )

    def let_down(self, lease: Lease, model: str | None) -> None:
        """Note a model that failed on the way; another may answer yet."""
        lease.failures += 1
        if model is not None and model not in lease.let_down and len(lease.let_down) < 16:
            lease.let_down.append(model)

    def failed(self, lease: Lease, status: int, kind: str) -> None:
        """Tell that nobody answered; what went out before it broke is charged as tokens."""
        self._end(
            lease,
            "failed",
            prompt_tokens=lease.asking.estimate.prompt if lease.relayed else 0,
            completion_tokens=int(lease.relayed),
            error_status=status if 100 <= status <= 599 else 500,
            error_type=kind if kind.isascii() and kind.isidentifier() else None,
            total_ms=(self._clock() - lease.began) * 1000,
        )

    def _end(self, lease: Lease, status: str, **more: object) -> None:
        if self._open.pop(lease.rid, None) is None:
            return
        event = {
            "request_id": lease.rid,
            "status": status,
            "let_down": lease.let_down,
            "attempts": lease.failures + (status != "failed"),
            **more,
        }
        if lease.grant is not None:
            event["grant"] = lease.grant
        else:
            event["sender"], event["at_ms"] = lease.asking.sender, lease.at_ms
            if self._own_limits is not None and status != "failed":
                tokens = int(str(more["prompt_tokens"])) + int(str(more["completion_tokens"]))
                with self._counting:
                    self._own_limits.spend(lease.asking.address, tokens, self._clock())
        self.outbox.put(event)
        self.outbox.start()

    def beats(self) -> Sequence[Json]:
        """Events of the streams that run on, whose slots would pass otherwise."""
        return [
            {
                "request_id": lease.rid,
                "grant": lease.grant,
                "status": "running",
                "prompt_tokens": lease.asking.estimate.prompt,
                "completion_tokens": int(lease.relayed),
            }
            for lease in list(self._open.values())
            if lease.streaming and lease.grant is not None
        ]


# ── Its end is told ──────────────────────────────────────────────────────────────────────────

TELL_S: Final = 10.0
BATCH: Final = 100
MOST_ENDS: Final = 20_000
"""So many ends wait at most, some 25 MB; then the oldest are lost, and counted."""
RETRY_S: Final = (0.5, 1.0, 2.0, 4.0, 8.0, 15.0)
NOT_UNDERSTOOD: Final = frozenset({400, 413})
BEAT_S: Final = 15.0
FLUSH_S: Final = 3.0
"""How long a proxy that ends may take to tell what is left."""


class Outbox:
    """Ends of requests, until Scalix Free has taken them: at least once, in order, in batches.

    ``beats`` gives the events of requests that run on; they are told only while somebody listens.
    """

    def __init__(
        self,
        post: Post,
        *,
        beats: Callable[[], Sequence[Json]] = tuple,
        most: int = MOST_ENDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._post = post
        self._beats = beats
        self._most = most
        self._clock = clock
        self._ends: deque[Json] = deque()
        self._changed = threading.Condition()
        self._telling = threading.Lock()
        self._thread: threading.Thread | None = None
        self._failures = 0
        self._next_beat = 0.0
        self.lost = 0

    def __len__(self) -> int:
        return len(self._ends)

    def put(self, event: Json) -> None:
        """Have an end told."""
        with self._changed:
            self._ends.append(event)
            self._forget_oldest()
            self._changed.notify()

    def start(self) -> None:
        """Begin to tell, in a thread of this process."""
        with self._changed:
            if self._thread is None:
                self._thread = threading.Thread(target=self._tell_on, daemon=True)
                self._thread.start()
                atexit.register(self.flush, FLUSH_S)

    def tell(self) -> float:
        """Tell one batch; how many seconds to wait before the next, where it was not taken.

        What comes while one is on its way makes up the next.
        """
        with self._telling:
            with self._changed:
                batch = [self._ends.popleft() for _ in range(min(BATCH, len(self._ends)))]
            beats = self._due_beats() if len(batch) < BATCH else ()
            if not batch and not beats:
                return 0.0
            left: Sequence[Json] = batch
            try:
                status, left = self._told(batch, beats)
            finally:
                self._put_back(left)
            if status != 200:
                return self._wait(status)
            self._say_back()
            return 0.0

    def flush(self, within_s: float) -> None:
        """Tell what is left, as far as it can be told at once and in time."""
        until = self._clock() + within_s
        while self._ends and self._clock() < until:
            before = len(self._ends)
            self.tell()
            if len(self._ends) >= before:
                break
        if self._ends:
            log.error("the ends of %d requests were not told to Scalix Free", len(self._ends))

    def _tell_on(self) -> None:
        while True:
            with self._changed:
                if not self._ends:
                    self._changed.wait(BEAT_S / 3)
            try:
                wait_s = self.tell()
            except Exception:
                log.exception("ends cannot be told")
                wait_s = RETRY_S[-1]
            time.sleep(wait_s)

    def _told(self, batch: Sequence[Json], beats: Sequence[Json]) -> tuple[int, Sequence[Json]]:
        """Tell them: the status of the answer, 0 where there is none, and those not yet taken.

        Where one of them is not understood they are told singly: no other shall be lost for it.
        """
        status = self._send([*batch, *beats])
        if status not in NOT_UNDERSTOOD:
            return status, () if status == 200 else batch
        if len(batch) == 1 and not beats:
            log.error("Scalix Free does not understand an end of a request; it is left out")
            self.lost += 1
            return 200, ()
        for i, event in enumerate(batch):
            status, left = self._told([event], ())
            if left:
                return status, batch[i:]
        return 200, ()

    def _send(self, events: Sequence[Json]) -> int:
        body = json.dumps({"type": "report", "events": list(events)}).encode()
        try:
            status, answer = self._post(body, TELL_S)
        except OSError:
            return 0
        if status == 200:
            _warn_of_unknown(answer)
        return status

    def _put_back(self, batch: Sequence[Json]) -> None:
        with self._changed:
            self._ends.extendleft(reversed(batch))
            self._forget_oldest()

    def _forget_oldest(self) -> None:
        while len(self._ends) > self._most:
            self._ends.popleft()
            self.lost += 1

    def _due_beats(self) -> Sequence[Json]:
        if self._clock() < self._next_beat:
            return ()
        self._next_beat = self._clock() + BEAT_S
        return self._beats()[:BATCH]

    def _wait(self, status: int) -> float:
        self._failures += 1
        if self._failures == 1:
            why = f"answers {status}" if status else "does not answer"
            log.warning("Scalix Free %s; ends of requests are kept until it takes them", why)
        wait_s = RETRY_S[min(self._failures, len(RETRY_S)) - 1]
        return wait_s * random.uniform(0.8, 1.2)

    def _say_back(self) -> None:
        if self._failures:
            log.warning("Scalix Free takes ends of requests again; %d were lost", self.lost)
        self._failures = 0


def _warn_of_unknown(answer: bytes) -> None:
    try:
        unknown = json.loads(answer)["unknown"]
    except (ValueError, KeyError, TypeError):
        return
    if unknown:
        log.warning("Scalix Free does not know %d of the requests it was told of", len(unknown))


# ── In LiteLLM's words ───────────────────────────────────────────────────────────────────────

META: Final = "scalix_free"
ASKING_THREADS: Final = 16
FRESH_S: Final = 30.0
"""How old may be what is known of the proxy's models."""


class Inside:
    """What LiteLLM calls, in its terms."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self._asking = ThreadPoolExecutor(ASKING_THREADS, "scalix-free")
        self._hooks: object = None
        self._free: frozenset[str] | None = None
        self._free_until = 0.0

    # ── Before ──────────────────────────────────────────────────────────────────────────────

    async def authenticate(self, request: Any, api_key: str | None) -> Any:
        """Who calls, for LiteLLM; raises what LiteLLM sends as it is."""
        from litellm.proxy import proxy_server  # noqa: PLC0415
        from litellm.proxy._types import LitellmUserRoles, UserAPIKeyAuth  # noqa: PLC0415

        self._hook_in()
        master_key = proxy_server.master_key
        given = (api_key or "").encode(errors="replace")
        if master_key and hmac.compare_digest(given, str(master_key).encode()):
            return UserAPIKeyAuth(
                api_key=api_key,
                user_role=LitellmUserRoles.PROXY_ADMIN,
                user_id=proxy_server.litellm_proxy_admin_name,
            )
        path = _path(request)
        try:
            if request.method == "GET" and (path in MODELS or path.startswith(ONE_MODEL)):
                return UserAPIKeyAuth(user_id="anonymous")
            if request.method != "POST" or path not in COMPLETIONS:
                raise refused(403, "permission_error", "access_denied", CLOSED)
            asking = await _asking(request, api_key)
            lease = await asyncio.get_running_loop().run_in_executor(
                self._asking, self.desk.admit, asking
            )
            if lease.tier != PAYING and not self._is_free(asking.model):
                self.desk.failed(lease, 400, "NotFree")
                raise refused(403, "permission_error", "access_denied", NOT_FREE)
        except Refused as no:
            raise _as_litellm_does(no) from None
        return UserAPIKeyAuth(
            api_key=f"scalix-free-{lease.user_id}",
            user_id=lease.user_id,
            metadata={META: lease.rid},
        )

    def _is_free(self, model: str | None) -> bool:
        """Whether whoever pays nothing may ask this model."""
        if time.monotonic() >= self._free_until:
            self._free = free_models(_config_of_proxy())
            self._free_until = time.monotonic() + FRESH_S
        return self._free is None or model in self._free

    def _hook_in(self) -> None:
        """Have LiteLLM call us also where no name of the configuration leads to.

        The final failure of a request, the cap of its answer and the end of its stream are told to
        whoever stands in ``litellm.callbacks``.
        """
        if self._hooks is None:
            import litellm  # noqa: PLC0415

            self._hooks = _hooks(self)
            litellm.callbacks.append(self._hooks)

    def cap(self, metadata: object, data: Json) -> None:
        """Let an answer have what it was admitted for, and LiteLLM hear what callers may say."""
        lease = self._lease(metadata)
        if lease is None:
            return
        for name in (*lease.asking.strange, *OF_HEADERS):
            data.pop(name, None)
        if lease.output_tokens is None:
            return
        names = [name for name in ("max_completion_tokens", "max_tokens") if data.get(name)]
        for name in names or ["max_tokens"]:
            asked = data.get(name)
            most = lease.output_tokens
            data[name] = min(asked, most) if isinstance(asked, int) else most

    async def relay(
        self, metadata: object, chunks: AsyncIterator[Any], request: Json
    ) -> AsyncIterator[Any]:
        """A stream as it comes, watched; LiteLLM closes it where its reader leaves."""
        lease = self._lease(metadata)
        if lease is None:
            async for chunk in chunks:
                yield chunk
            return
        lease.streaming = True
        try:
            async for chunk in chunks:
                lease.relayed += estimate_tokens(_text(chunk))
                yield chunk
        except (GeneratorExit, asyncio.CancelledError):
            self.desk.left(lease, _model_asked(request))
            raise
        finally:
            lease.streaming = False

    # ── After ───────────────────────────────────────────────────────────────────────────────

    def success(self, kwargs: Json, response: Any, start: Any, end: Any) -> None:
        """An answer is whole."""
        lease = self._lease(_metadata(kwargs).get("user_api_key_auth_metadata"))
        if lease is None:
            return
        prompt_tokens, completion_tokens = _usage(response)
        if not prompt_tokens + completion_tokens:
            prompt_tokens = lease.asking.estimate.prompt
            completion_tokens = int(estimate_tokens(_text(response))) + 1
        first = kwargs.get("completion_start_time") if kwargs.get("stream") else None
        self.desk.answered(
            lease,
            model=_model(kwargs),
            prompt_tokens=prompt_tokens,
            completion_tokens=completion_tokens,
            first_token_ms=None if first is None else _ms(start, first),
            total_ms=_ms(start, end),
        )

    def failure(self, kwargs: Json) -> None:
        """One call of a model failed; LiteLLM may try another."""
        metadata = _metadata(kwargs)
        lease = self._lease(metadata.get("user_api_key_auth_metadata"))
        if lease is None or not metadata.get("model_info"):
            return
        status = _status(kwargs.get("exception"))
        if status not in {400, 413, 422}:  # those are the caller's fault
            self.desk.let_down(lease, _model(kwargs))

    def given_up(self, metadata: object, error: object, request: Json) -> None:
        """The request failed, whatever LiteLLM tried, or nobody waits for it any more."""
        lease = self._lease(metadata)
        if lease is None:
            return
        if _has_left(error):
            self.desk.left(lease, _model_asked(request))
        else:
            self.desk.failed(lease, _status(error), type(error).__name__)

    def _lease(self, metadata: object) -> Lease | None:
        return self.desk.lease(metadata.get(META) if isinstance(metadata, Mapping) else None)


def _hooks(inside: Inside) -> object:
    from litellm.integrations.custom_logger import CustomLogger  # noqa: PLC0415

    class Hooks(CustomLogger):  # type: ignore[misc]
        """The hooks that LiteLLM calls by name."""

        async def async_pre_call_hook(
            self, user_api_key_dict: Any, cache: Any, data: Json, call_type: str
        ) -> None:
            inside.cap(user_api_key_dict.metadata, data)

        async def async_post_call_failure_hook(
            self,
            request_data: Json,
            original_exception: Exception,
            user_api_key_dict: Any,
            traceback_str: str | None = None,
        ) -> None:
            inside.given_up(user_api_key_dict.metadata, original_exception, request_data)

        def async_post_call_streaming_iterator_hook(
            self, user_api_key_dict: Any, response: Any, request_data: Json
        ) -> AsyncIterator[Any]:
            return inside.relay(user_api_key_dict.metadata, response, request_data)

    return Hooks()


def _config_of_proxy() -> Mapping[str, Any]:
    from litellm.proxy import proxy_server  # noqa: PLC0415

    config: Mapping[str, Any] = proxy_server.proxy_config.get_config_state()
    return config


def _limits_of_proxy() -> FreeTierLimits:
    return FreeTierLimits.of(_config_of_proxy())


def free_models(config: Mapping[str, Any]) -> frozenset[str] | None:
    """The names of the models that are marked ``free_tier``; None where none is marked.

    Other names of theirs, by ``model_group_alias``, are free as well.
    """
    found = set()
    for row in config.get("model_list") or ():
        parameters, info = row.get("litellm_params") or {}, row.get("model_info") or {}
        metadata = parameters.get("metadata") or {}
        if info.get("free_tier") is True or metadata.get("free_tier") is True:
            found.add(row.get("model_name"))
    aliases = (config.get("router_settings") or {}).get("model_group_alias") or {}
    for alias, target in aliases.items():
        if (target.get("model") if isinstance(target, Mapping) else target) in found:
            found.add(alias)
    return frozenset(found) or None


def _metadata(kwargs: Json) -> Json:
    parameters = kwargs.get("litellm_params") or {}
    return parameters.get("metadata") or parameters.get("litellm_metadata") or {}


def _model(kwargs: Json) -> str | None:
    """The model in Scalix Free's words where the configuration tells them, else by its name."""
    metadata = _metadata(kwargs)
    ours = (metadata.get("model_info") or {}).get("scalix_model")
    name = ours or metadata.get("model_group") or kwargs.get("model")
    return str(name)[:256] if name else None


def _model_asked(request: Json) -> str | None:
    """The same of a request that is under way."""
    return _model({"litellm_params": request, "model": request.get("model")})


def _has_left(error: object) -> bool:
    """Whether it is LiteLLM's own word for a caller who hung up: a provider's 499 has no detail."""
    return _status(error) == 499 and hasattr(error, "detail")


def _status(error: object) -> int:
    for name in ("status_code", "code"):
        value = getattr(error, name, None)
        if isinstance(value, int) or (isinstance(value, str) and value.isdigit()):
            return int(value)
    return 500


def _usage(response: Any) -> tuple[int, int]:
    usage = getattr(response, "usage", None)
    prompt, completion = (
        getattr(usage, name, None) for name in ("prompt_tokens", "completion_tokens")
    )
    return _count(prompt), _count(completion)


def _count(tokens: object) -> int:
    """Whole tokens: providers claim halves, fewer than none and more than all."""
    return min(max(int(tokens), 0), 2**31) if isinstance(tokens, int | float) else 0


def _text(response: Any) -> str:
    """What a response or a piece of one says."""
    said = []
    for choice in getattr(response, "choices", None) or ():
        part = getattr(choice, "delta", None) or getattr(choice, "message", None)
        content = getattr(part, "content", None)
        if isinstance(content, str):
            said.append(content)
        for call in getattr(part, "tool_calls", None) or ():
            arguments = getattr(getattr(call, "function", None), "arguments", None)
            said.append(arguments if isinstance(arguments, str) else "")
    return "".join(said)


def _ms(start: Any, end: Any) -> float:
    try:
        return max(float((end - start).total_seconds()) * 1000, 0.0)
    except (TypeError, AttributeError):
        return 0.0


# ── What LiteLLM calls ───────────────────────────────────────────────────────────────────────

SHARED: Final = "scalix_free_litellm_desk"


def _desk() -> "Inside":
    """The one of this process, made on first use."""
    shared = sys.modules.setdefault(SHARED, ModuleType(SHARED))
    inside: Inside | None = getattr(shared, "inside", None)
    if inside is None:
        settings = Settings.of(os.environ)
        link = Link(settings.url, settings.operator_token)
        inside = Inside(Desk(settings, link.post, limits=_limits_of_proxy))
        shared.inside = inside  # type: ignore[attr-defined]
    return inside


async def custom_auth(request: Any, api_key: str | None) -> Any:
    """``general_settings.custom_auth``: admits by Scalix Free's identities and limits.

    The proxy's master key is let through as its operator, uncounted. Whoever has none may list the
    models and ask those that are marked ``free_tier`` (all, where none is), and nothing else.
    """
    try:
        inside = _desk()
    except ValueError as error:
        log.error("this proxy cannot admit anybody: %s", error)
        raise _as_litellm_does(
            refused(503, "server_error", "store_unavailable", NOT_SET_UP)
        ) from None
    return await inside.authenticate(request, api_key)


async def custom_free_tier_tracker(kwargs: Json, response: Any, start: Any, end: Any) -> None:
    """``success_callback``: tells who was answered, by which model, for how many tokens, when."""
    _desk().success(kwargs, response, start, end)


async def custom_free_tier_error_handler(kwargs: Json, response: Any, start: Any, end: Any) -> None:
    """``failure_callback``: a model that fails comes last for this user, for an hour."""
    _desk().failure(kwargs)

"""The plugin without LiteLLM: how it asks and tells, against a scripted end of the hook."""

import ast
import asyncio
import json
import os
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from scalix_free import litellm_plugin
from scalix_free.core.chat import Call
from scalix_free.core.chat import estimate_tokens as our_estimate
from scalix_free.litellm_plugin import (
    Asking,
    Desk,
    Estimate,
    FreeTierLimits,
    Inside,
    Link,
    Outbox,
    OwnLimits,
    Refused,
    Settings,
    address_bucket,
    estimate,
    free_models,
)
from scalix_free.wire.request import parse_call
from tests.api.test_hooks import serving
from tests.conftest import OPERATOR_TOKEN
from tests.service import HeldClock
from tests.world import RunningWorld

Body = dict[str, Any]
ASKING = Asking("203.0.113.7", "", "Bearer free", "free-a", Estimate(10, 5, 100))


@dataclass
class Time:
    """Seconds that pass when a test says so."""

    now: float = 1_000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Hook:
    """An end of the hook that answers as it is told: statuses in turn, then 200.

    A status of 0 hangs up instead.
    """

    url: str = ""
    statuses: list[int] = field(default_factory=list)
    bodies: list[Body] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    reply: Callable[[Body], Body] = lambda body: {"type": "reported", "counted": 0, "unknown": []}

    @property
    def told(self) -> list[str]:
        """The requests whose ends were told and taken, in order."""
        return [event["request_id"] for body in self.bodies for event in body["events"]]


@pytest.fixture
def hook() -> Iterator[Hook]:
    hook = Hook()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            status = hook.statuses.pop(0) if hook.statuses else 200
            if not status:
                self.close_connection = True
                return
            if status == 200:
                hook.bodies.append(body)
                hook.tokens.append(self.headers["authorization"])
            answer = json.dumps(hook.reply(body)).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *arguments: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    hook.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield hook
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def link(hook: Hook) -> Iterator[Link]:
    link = Link(hook.url, "the operator")
    yield link
    link.close()


def event(n: int) -> Body:
    return {"request_id": f"{n:032x}", "status": "answered"}


def ids(*numbers: int) -> list[str]:
    return [f"{n:032x}" for n in numbers]


# ── One file ─────────────────────────────────────────────────────────────────────────────────


def test_it_imports_litellm_and_the_standard_library_and_nothing_else() -> None:
    tree = ast.parse(Path(litellm_plugin.__file__).read_text())
    named: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            named.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            named.add((node.module or "").partition(".")[0])

    assert named - sys.stdlib_module_names == {"litellm"}


def test_copies_of_it_share_one_desk(monkeypatch: pytest.MonkeyPatch) -> None:
    """As LiteLLM executes it: once for each name."""
    monkeypatch.setitem(sys.modules, litellm_plugin.SHARED, ModuleType("x"))
    monkeypatch.setenv("SCALIX_FREE_OPERATOR_TOKEN", "the operator")
    copies = []
    for _ in range(2):
        spec = spec_from_file_location("litellm_plugin", litellm_plugin.__file__)
        assert spec is not None
        assert spec.loader is not None
        copies.append(module_from_spec(spec))
        spec.loader.exec_module(copies[-1])

    assert copies[0]._desk() is copies[1]._desk()


# ── Settings ─────────────────────────────────────────────────────────────────────────────────


def test_settings_have_defaults_but_for_the_token() -> None:
    found = Settings.of({"SCALIX_FREE_OPERATOR_TOKEN": "t"})

    assert (found.url, found.on_outage) == ("http://127.0.0.1:3001", "degrade")


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"SCALIX_FREE_OPERATOR_TOKEN": ""}, "SCALIX_FREE_OPERATOR_TOKEN"),
        ({"SCALIX_FREE_URL": "localhost:3001"}, "SCALIX_FREE_URL"),
        ({"SCALIX_FREE_ON_OUTAGE": "maybe"}, "SCALIX_FREE_ON_OUTAGE"),
    ],
)
def test_settings_that_cannot_be_are_named(change: Mapping[str, str], word: str) -> None:
    with pytest.raises(ValueError, match=word):
        Settings.of({"SCALIX_FREE_OPERATOR_TOKEN": "t", **change})


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({}, (10, 50, 10_000)),
        ({"router_settings": {"free_tier_limits": {"requests_per_hour": 3}}}, (3, 50, 10_000)),
        ({"router_settings": {"free_tier_limits": {"tokens_per_day": None}}}, (10, 50, None)),
        ({"router_settings": {"free_tier_limits": {"requests_per_day": "many"}}}, (10, 50, 10_000)),
        ({"router_settings": None}, (10, 50, 10_000)),
        (None, (10, 50, 10_000)),
    ],
)
def test_free_tier_limits_are_read_from_the_proxys_configuration(
    config: object, expected: tuple[int | None, ...]
) -> None:
    assert tuple(FreeTierLimits.of(config)) == expected


# ── Telling ──────────────────────────────────────────────────────────────────────────────────


def test_ends_are_told_in_batches_and_in_order(hook: Hook, link: Link) -> None:
    outbox = Outbox(link.post)
    for n in range(250):
        outbox.put(event(n))
    waits = [outbox.tell() for _ in range(3)]

    assert [len(body["events"]) for body in hook.bodies] == [100, 100, 50]
    assert hook.told == ids(*range(250))
    assert waits == [0.0, 0.0, 0.0]
    assert set(hook.tokens) == {"Bearer the operator"}
    assert outbox.tell() == 0.0
    assert len(hook.bodies) == 3


def test_what_was_not_taken_is_told_again_ever_more_slowly(
    hook: Hook, link: Link, caplog: pytest.LogCaptureFixture
) -> None:
    outbox = Outbox(link.post)
    outbox.put(event(1))
    hook.statuses = [503, 500, 401, 503, 503, 503, 503, 503]
    waits = [outbox.tell() for _ in range(8)]
    outbox.put(event(2))

    assert outbox.tell() == 0.0
    assert hook.told == ids(1, 2)
    expected = (*litellm_plugin.RETRY_S, 15.0, 15.0)
    assert all(0.8 * s <= w <= 1.2 * s for s, w in zip(expected, waits, strict=True))
    assert [record.message for record in caplog.records] == [
        "Scalix Free answers 503; ends of requests are kept until it takes them",
        "Scalix Free takes ends of requests again; 0 were lost",
    ]


def test_a_connection_that_was_closed_meanwhile_loses_nothing(hook: Hook, link: Link) -> None:
    outbox = Outbox(link.post)
    outbox.put(event(1))
    outbox.tell()
    hook.statuses = [0]  # the kept connection is dead; the second try is on a new one
    outbox.put(event(2))
    outbox.tell()

    assert hook.told == ids(1, 2)


def test_nobody_there_is_an_error_of_the_system() -> None:
    with pytest.raises(OSError, match="refused"):
        Link("http://127.0.0.1:9", "x").post(b"{}", 1.0)


def test_memory_is_bounded_and_what_is_lost_is_counted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def away(body: bytes, timeout_s: float) -> tuple[int, bytes]:
        raise OSError

    outbox = Outbox(away, most=3)
    for n in range(3):
        outbox.put(event(n))
    outbox.tell()
    outbox.put(event(3))

    assert (len(outbox), outbox.lost) == (3, 1)
    assert [end["request_id"] for end in outbox._ends] == ids(1, 2, 3)
    outbox.flush(1.0)
    assert "the ends of 3 requests were not told" in caplog.text


@pytest.mark.parametrize("status", [400, 413])
def test_an_end_that_is_not_understood_takes_no_other_with_it(
    hook: Hook, link: Link, status: int
) -> None:
    outbox = Outbox(link.post)
    for n in range(3):
        outbox.put(event(n))
    hook.statuses = [status, 200, status, 200]
    outbox.tell()

    assert hook.told == ids(0, 2)
    assert (len(outbox), outbox.lost) == (0, 1)
    outbox.put(event(4))
    hook.statuses = [status]
    outbox.tell()
    assert (len(outbox), outbox.lost) == (0, 2)


def test_beats_are_told_while_somebody_listens_and_are_not_kept(hook: Hook, link: Link) -> None:
    clock = Time()
    running = event(7) | {"status": "running"}
    outbox = Outbox(link.post, beats=lambda: [running], clock=clock)
    outbox.tell()
    outbox.tell()
    clock.now += litellm_plugin.BEAT_S
    hook.statuses = [503]
    outbox.tell()
    clock.now += litellm_plugin.BEAT_S
    outbox.tell()

    assert hook.told == ids(7, 7)
    assert len(outbox) == 0


def test_a_thread_tells_what_is_put(hook: Hook) -> None:
    outbox = Outbox(Link(hook.url, "x").post)
    outbox.start()
    outbox.start()
    outbox.put(event(1))
    for _ in range(500):
        if hook.told:
            break
        threading.Event().wait(0.01)

    assert hook.told == ids(1)


# ── Asking ───────────────────────────────────────────────────────────────────────────────────

ADMITTED = {
    "type": "admitted",
    "grant": "a.b",
    "tier": "anonymous",
    "user_id": "anon_1",
    "output_tokens": 64,
}
ERROR = {"message": "Free tier limit exceeded.", "code": "free_tier_hourly_limit", "type": "t"}
DENIED = {
    "type": "refused",
    "status": 429,
    "headers": {"retry-after": "2"},
    "envelope": {"error": ERROR, "free_tier": None},
}


BY_DEFAULT = FreeTierLimits()


def desk_of(
    link: Link,
    clock: Callable[[], float] = lambda: 1_000.0,
    limits: FreeTierLimits = BY_DEFAULT,
    **settings: str,
) -> Desk:
    environ = {"SCALIX_FREE_OPERATOR_TOKEN": "the operator", **settings}
    desk = Desk(Settings.of(environ), link.post, limits=lambda: limits, clock=clock)
    desk.outbox.start = lambda: None  # type: ignore[method-assign]  # tests tell by themselves
    return desk


def test_a_request_is_asked_for_without_a_word_of_it(hook: Hook, link: Link) -> None:
    hook.reply = lambda body: ADMITTED
    lease = desk_of(link).admit(ASKING._replace(session_id="s", turn="t"))

    assert hook.bodies == [
        {
            "type": "admit",
            "request_id": lease.rid,
            "sender": {"address": "203.0.113.7", "forwarded": "", "credential": "Bearer free"},
            "prompt_tokens": 10,
            "newest_tokens": 5,
            "output_tokens": 100,
            "session_id": "s",
            "turn": "t",
        }
    ]
    assert (lease.grant, lease.output_tokens, lease.user_id) == ("a.b", 64, "anon_1")
    assert lease.asking.credential is None


def test_a_refusal_is_passed_on_word_for_word(hook: Hook, link: Link) -> None:
    hook.reply = lambda body: DENIED
    with pytest.raises(Refused) as caught:
        desk_of(link).admit(ASKING)

    no = caught.value
    assert (no.status, no.error, no.headers) == (429, ERROR, {"retry-after": "2"})


@pytest.mark.parametrize("status", [401, 404])
def test_a_proxy_that_is_not_the_operators_admits_nobody(
    hook: Hook, link: Link, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Time()
    desk = desk_of(link, clock, SCALIX_FREE_ON_OUTAGE="allow")
    hook.statuses = [status] * 3
    for _ in range(2):
        with pytest.raises(Refused) as caught:
            desk.admit(ASKING)
        assert caught.value.status == 503
    assert len(caplog.records) == 1
    assert "SCALIX_FREE_OPERATOR_TOKEN" in caplog.text
    clock.now += 60
    with pytest.raises(Refused):
        desk.admit(ASKING)
    assert len(caplog.records) == 2


@pytest.mark.parametrize("status", [0, 500, 503])
def test_while_it_is_away_it_is_not_asked_by_everybody(hook: Hook, link: Link, status: int) -> None:
    clock = Time()
    desk = desk_of(link, clock)
    hook.reply = lambda body: ADMITTED
    hook.statuses = [status]
    assert desk.admit(ASKING).grant is None
    assert desk.admit(ASKING).grant is None  # not asked: the next status would be 200
    clock.now += litellm_plugin.AWAY_S
    assert desk.admit(ASKING).grant == "a.b"


def test_who_denies_in_an_outage_says_so(hook: Hook, link: Link) -> None:
    hook.statuses = [503]
    with pytest.raises(Refused) as caught:
        desk_of(link, SCALIX_FREE_ON_OUTAGE="deny").admit(ASKING)

    assert (caught.value.status, caught.value.error["code"]) == (503, "store_unavailable")
    assert caught.value.headers["retry-after"] == "2"


def test_in_an_outage_an_address_has_the_limits_of_the_proxy(hook: Hook, link: Link) -> None:
    hook.statuses = [503]
    desk = desk_of(link, Time(), FreeTierLimits(2, 50, None))
    desk.admit(ASKING)
    desk.admit(ASKING._replace(credential="scalix_free_another"))
    with pytest.raises(Refused) as caught:
        desk.admit(ASKING)

    assert caught.value.status == 429
    message = caught.value.error["message"]
    assert message.startswith("Free tier limit exceeded. Please upgrade to Pro. 2 of 2 requests")
    assert "Resource has been exhausted" in message
    desk.admit(ASKING._replace(address="203.0.113.8"))


def test_own_limits_roll_and_count_tokens() -> None:
    limits = OwnLimits(FreeTierLimits(2, 3, 100))
    assert [limits.denial("a", at) for at in (0, 1)] == [None, None]
    assert limits.denial("a", 3_599) == "2 of 2 requests per hour are used"
    assert limits.denial("a", 3_601.5) is None
    assert limits.denial("a", 9_000) == "3 of 3 requests per day are used"
    assert limits.denial("a", 86_401) is None
    limits.spend("a", 100, 86_402)
    assert limits.denial("a", 95_000) == "100 of 100 tokens per day are used"
    limits.spend("nobody", 100, 86_402)


def test_own_limits_know_so_many_addresses_and_no_more() -> None:
    limits = OwnLimits(FreeTierLimits(), most=2)
    assert limits.denial("a", 0) is None
    assert limits.denial("b", 0) is None
    assert limits.denial("c", 10) is not None
    assert limits.denial("c", 86_401) is None


@pytest.mark.parametrize(
    ("address", "bucket"),
    [
        ("1.2.3.4", "1.2.3.4"),
        ("::ffff:1.2.3.4", "1.2.3.4"),
        ("2001:db8::1", "2001:db8::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("testclient", "testclient"),
    ],
)
def test_a_household_shares_its_limits(address: str, bucket: str) -> None:
    assert address_bucket(address) == bucket


# ── Ends ─────────────────────────────────────────────────────────────────────────────────────


def answered(desk: Desk, lease: litellm_plugin.Lease) -> None:
    desk.answered(
        lease,
        model="m",
        prompt_tokens=3,
        completion_tokens=4,
        first_token_ms=None,
        total_ms=5.0,
    )


def test_of_the_ends_of_a_request_the_first_is_told(hook: Hook, link: Link) -> None:
    hook.reply = lambda body: ADMITTED
    desk = desk_of(link)
    lease = desk.admit(ASKING)
    desk.let_down(lease, "bad")
    desk.let_down(lease, "bad")
    answered(desk, lease)
    answered(desk, lease)
    desk.failed(lease, 500, "Error")
    desk.outbox.tell()

    assert hook.bodies[1]["events"] == [
        {
            "request_id": lease.rid,
            "status": "answered",
            "grant": "a.b",
            "let_down": ["bad"],
            "attempts": 3,
            "model": "m",
            "prompt_tokens": 3,
            "completion_tokens": 4,
            "first_token_ms": None,
            "total_ms": 5.0,
        }
    ]
    assert desk.lease(lease.rid) is None


def test_what_was_let_in_alone_is_told_with_its_sender(hook: Hook, link: Link) -> None:
    hook.statuses = [503]
    desk = desk_of(link, Time(), FreeTierLimits(None, None, 5))
    lease = desk.admit(ASKING)
    answered(desk, lease)
    desk.outbox.tell()
    (told,) = hook.bodies[0]["events"]

    assert "grant" not in told
    assert told["sender"] == ASKING.sender
    assert told["at_ms"] == lease.at_ms
    with pytest.raises(Refused, match="7 of 5 tokens per day"):
        desk.admit(ASKING)


def test_a_stream_beats_and_what_went_out_of_a_broken_one_is_charged(
    hook: Hook, link: Link
) -> None:
    hook.reply = lambda body: ADMITTED
    clock = Time()
    desk = desk_of(link, clock)
    lease = desk.admit(ASKING)
    assert desk.beats() == []
    lease.streaming, lease.relayed = True, 12.7
    (beat,) = desk.beats()
    assert (beat["status"], beat["completion_tokens"], beat["grant"]) == ("running", 12, "a.b")
    clock.now += 2
    desk.failed(lease, 9_999, "not a word")
    (told,) = desk.outbox._ends

    assert told["status"] == "failed"
    assert (told["prompt_tokens"], told["completion_tokens"]) == (10, 12)
    assert (told["error_status"], told["error_type"], told["total_ms"]) == (500, None, 2_000)
    assert desk.beats() == []


def test_open_requests_are_bounded(hook: Hook, link: Link, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(litellm_plugin, "MOST_OPEN", 2)
    hook.reply = lambda body: ADMITTED
    desk = desk_of(link)
    leases = [desk.admit(ASKING) for _ in range(3)]

    assert [desk.lease(lease.rid) is lease for lease in leases] == [False, True, True]


# ── In LiteLLM's terms ───────────────────────────────────────────────────────────────────────


def message(content: str) -> SimpleNamespace:
    return SimpleNamespace(choices=[SimpleNamespace(message=SimpleNamespace(content=content))])


def kwargs_of(lease: litellm_plugin.Lease, **more: object) -> Body:
    metadata = {
        "user_api_key_auth_metadata": {litellm_plugin.META: lease.rid},
        "model_info": {"id": "1", "scalix_model": "gemini/gemini-3-flash"},
        "model_group": "free-gemini-flash",
    }
    return {"litellm_params": {"metadata": metadata}, "model": "gemini-3-flash", **more}


@pytest.fixture
def inside(hook: Hook, link: Link) -> Inside:
    hook.reply = lambda body: ADMITTED
    return Inside(desk_of(link))


def test_an_answer_without_usage_is_estimated(inside: Inside) -> None:
    lease = inside.desk.admit(ASKING)
    response = message("seven letters or more")
    response.usage = SimpleNamespace(prompt_tokens=0, completion_tokens=None)
    inside.success(kwargs_of(lease), response, None, None)
    (told,) = inside.desk.outbox._ends

    assert (told["prompt_tokens"], told["completion_tokens"]) == (10, 7)
    assert told["model"] == "gemini/gemini-3-flash"
    assert "seven" not in json.dumps(told)


def test_usage_that_cannot_be_is_bounded(inside: Inside) -> None:
    lease = inside.desk.admit(ASKING)
    usage = SimpleNamespace(prompt_tokens=10**18, completion_tokens=-3)
    inside.success(kwargs_of(lease), SimpleNamespace(usage=usage), None, None)
    (told,) = inside.desk.outbox._ends

    assert (told["prompt_tokens"], told["completion_tokens"]) == (2**31, 0)


def test_a_model_that_fails_is_noted_unless_it_was_the_callers_fault(inside: Inside) -> None:
    lease = inside.desk.admit(ASKING)
    inside.failure(kwargs_of(lease, exception=SimpleNamespace(status_code=400)))
    assert lease.let_down == []
    inside.failure(kwargs_of(lease, exception=SimpleNamespace(status_code=None, code="429")))
    assert lease.let_down == ["gemini/gemini-3-flash"]
    inside.given_up({litellm_plugin.META: lease.rid}, TimeoutError(), {})
    (told,) = inside.desk.outbox._ends
    assert (told["status"], told["error_status"], told["error_type"]) == (
        "failed",
        500,
        "TimeoutError",
    )


@pytest.mark.parametrize("kwargs", [{}, {"litellm_params": None}, {"litellm_params": {}}])
def test_requests_of_the_operator_are_none_of_ours(inside: Inside, kwargs: Body) -> None:
    inside.success(kwargs, message("x"), None, None)
    inside.failure(kwargs)
    inside.given_up({}, ValueError(), {})
    inside.given_up(None, ValueError(), {})

    assert len(inside.desk.outbox) == 0


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        ({}, {"max_tokens": 64}),
        ({"max_tokens": 10}, {"max_tokens": 10}),
        ({"max_tokens": 1_000}, {"max_tokens": 64}),
        ({"max_tokens": "many"}, {"max_tokens": 64}),
        ({"max_completion_tokens": 1_000}, {"max_completion_tokens": 64}),
    ],
)
def test_an_answer_gets_no_more_than_it_was_admitted_for(
    inside: Inside, asked: Body, given: Body
) -> None:
    lease = inside.desk.admit(ASKING)
    inside.cap({litellm_plugin.META: lease.rid}, asked)
    assert asked == given
    inside.cap({}, asked)
    assert asked == given


def test_switches_of_litellm_are_not_for_callers(inside: Inside) -> None:
    lease = inside.desk.admit(ASKING._replace(strange=("no-log", "fallbacks", "gone")))
    data = {"no-log": True, "fallbacks": ["paid"], "max_tokens": 3, "litellm_call_id": "ours"}
    data |= {"num_retries": 50, "timeout": 0.001}  # of headers, which nobody sees in a body
    inside.cap({litellm_plugin.META: lease.rid}, data)

    assert data == {"max_tokens": 3, "litellm_call_id": "ours"}


def request_of(body: object, **headers: str) -> SimpleNamespace:
    async def json_() -> object:
        if isinstance(body, Exception):
            raise body
        return body

    client = SimpleNamespace(host="203.0.113.7")
    return SimpleNamespace(json=json_, headers=headers, client=client)


async def test_what_a_request_shows() -> None:
    body = {"messages": [], "model": "m", "no-log": True, "session_id": "s", "max_tokens": 7}
    headers = {"x-forwarded-for": "1.2.3.4", "idempotency-key": "turn-1:attempt-2"}
    shown = await litellm_plugin._asking(request_of(body, **headers), "scalix_key_x")

    assert shown == Asking(
        address="203.0.113.7",
        forwarded="1.2.3.4",
        credential="scalix_key_x",
        model="m",
        estimate=Estimate(9, 1, 7),
        session_id="s",
        turn="turn-1",
        strange=("no-log", "session_id"),
    )


@pytest.mark.parametrize(
    "more",
    [
        {"n": 0},
        {"n": 2},
        {"n": "1"},
        {"n": [1]},
        {"n": {}},
        {"model": "a,b"},
        {"model": ["a", "b"]},
        {"tools": [{"type": "function"}, {"type": "mcp", "server_url": "litellm_proxy"}]},
        {"tools": {"type": "mcp"}},
        {"tools": ["mcp"]},
        {"tools": 5},
    ],
)
async def test_more_than_one_answer_of_one_model_is_refused(more: Body) -> None:
    with pytest.raises(Refused) as caught:
        await litellm_plugin._asking(request_of({"model": "a", **more}), None)

    assert caught.value.status == 400


@pytest.mark.parametrize("body", [ValueError(), None, [], "x", {"model": 1, "session_id": {}}])
async def test_a_body_that_is_none_shows_nothing(body: object) -> None:
    shown = await litellm_plugin._asking(request_of(body), None)

    assert (shown.model, shown.session_id, shown.credential) == (None, None, None)


async def test_a_stream_is_watched_and_who_leaves_it_has_abandoned_it(inside: Inside) -> None:
    async def chunks() -> AsyncIterator[object]:
        for word in ("seven letters ", "more of them"):
            yield SimpleNamespace(choices=[SimpleNamespace(delta=SimpleNamespace(content=word))])

    request = {"model": "slow", "metadata": {"model_info": {"scalix_model": "world/slow"}}}
    lease = inside.desk.admit(ASKING)
    watched = inside.relay({litellm_plugin.META: lease.rid}, chunks(), request)
    await anext(watched)
    assert (lease.streaming, lease.relayed) == (True, 4.0)
    await watched.aclose()  # type: ignore[attr-defined]
    assert lease.streaming is False
    answered(inside.desk, lease)
    (told,) = inside.desk.outbox._ends
    assert (told["status"], told["model"]) == ("abandoned", "world/slow")
    assert (told["prompt_tokens"], told["completion_tokens"]) == (10, 4)

    whole = inside.desk.admit(ASKING)
    ours = {litellm_plugin.META: whole.rid}
    assert len([chunk async for chunk in inside.relay(ours, chunks(), request)]) == 2
    assert inside.desk.lease(whole.rid) is whole
    assert len([chunk async for chunk in inside.relay({}, chunks(), request)]) == 2


class HungUpError(Exception):
    """As LiteLLM says that a caller has hung up, or as a provider says something of its own."""

    status_code = 499


def test_who_hangs_up_before_a_stream_begins_has_abandoned_it(inside: Inside) -> None:
    own, providers = HungUpError(), HungUpError()
    own.detail = "Client disconnected the request"  # type: ignore[attr-defined]
    for error in (own, providers):
        lease = inside.desk.admit(ASKING)
        inside.given_up({litellm_plugin.META: lease.rid}, error, {"model": "free-gemini-flash"})

    told = [(end["status"], end["completion_tokens"]) for end in inside.desk.outbox._ends]
    assert told == [("abandoned", 0), ("failed", 0)]


def test_models_are_free_where_they_are_marked() -> None:
    marked = {"model_name": "a", "litellm_params": {"metadata": {"free_tier": True}}}
    also = {"model_name": "b", "model_info": {"free_tier": True}}
    other = {"model_name": "c", "litellm_params": {"model": "x"}}

    assert free_models({"model_list": [marked, also, other]}) == frozenset({"a", "b"})
    aliases = {"model_group_alias": {"first": "a", "last": {"model": "c"}, "also": {"model": "b"}}}
    found = free_models({"model_list": [marked, also, other], "router_settings": aliases})
    assert found == frozenset({"a", "b", "first", "also"})
    assert free_models({"model_list": [other]}) is None
    assert free_models({"model_list": None}) is None


# ── With the service ─────────────────────────────────────────────────────────────────────────

BODIES = (
    {"messages": [{"role": "user", "content": "What is the capital of France?"}]},
    {
        "messages": [
            {"role": "system", "content": "Be brief. " * 50},
            {"role": "user", "content": [{"type": "text", "text": "où?"}]},
            {"role": "assistant", "content": "Là."},
            {"role": "user", "content": "日本語で答えてください"},
        ],
        "max_tokens": 100,
    },
    {
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "see"},
                    {"type": "image_url", "image_url": {"url": "data:"}},
                ],
            }
        ],
        "max_completion_tokens": 5,
    },
)


@pytest.mark.parametrize("body", BODIES)
def test_its_estimates_are_those_of_the_service(body: Body) -> None:
    call = parse_call(json.dumps(body).encode(), os.urandom(16))
    assert isinstance(call, Call)

    found = estimate(body)
    assert found == (call.prompt_tokens, call.newest_tokens, call.output_tokens)
    assert litellm_plugin.estimate_tokens("aé") == our_estimate("aé")


@pytest.mark.parametrize(
    "body", [None, [], {}, {"messages": 1}, {"messages": [1, {"content": 2}]}, {"max_tokens": "x"}]
)
def test_whatever_is_no_request_is_estimated_all_the_same(body: object) -> None:
    assert estimate(body).output is None


async def test_the_service_takes_what_the_plugin_says(world: RunningWorld, tmp_path: Path) -> None:
    async with serving(world, tmp_path, HeldClock()) as (service, proxy):
        link = Link(service.url, OPERATOR_TOKEN)
        desk = Desk(
            Settings.of(
                {"SCALIX_FREE_OPERATOR_TOKEN": OPERATOR_TOKEN, "SCALIX_FREE_URL": "http://x"}
            ),
            link.post,
        )
        desk.outbox.start = lambda: None  # type: ignore[method-assign]

        def live() -> None:
            one = desk.admit(ASKING)
            one.streaming = True
            desk.outbox.tell()
            answered(desk, one)
            another = desk.admit(ASKING)
            desk.let_down(another, "world/good")
            desk.failed(another, 502, "BadGateway")
            desk.outbox.tell()
            link.close()

        await asyncio.to_thread(live)

        assert len(desk.outbox) == 0
        assert await proxy.used() == {
            "requests_hour": 1,
            "requests_day": 1,
            "tokens_day": 7,
            "concurrent": 0,
        }

"""Identical requests in flight: one exchange, and all who ride on it."""

import asyncio
from collections.abc import Sequence

import pytest

from scalix_free.core.cache import CacheUse
from scalix_free.core.chat import Call, Chunk
from scalix_free.core.errors import Failure, Kind
from scalix_free.routing.attempts import Exhausted
from scalix_free.routing.claim import Claim
from scalix_free.routing.flights import Flights, Riding
from tests.routing.routers import attempts
from tests.routing.scripted import ScriptedBackend, model

CALL = Call(rid=bytes(16), messages=[{"role": "user", "content": "Hi"}], stream=True)
WHOLE = CALL._replace(stream=False)
BOTH = pytest.mark.parametrize("call", [CALL, WHOLE], ids=["stream", "whole"])
HELLO, WORLD, STOP = Chunk("Hello"), Chunk(" world"), Chunk(finish="stop")
CLAIM = Claim(owner=b"ann")
WITHIN_S = 1.0


class Sky:
    """Flights of one key to scripted models, and the answers that became whole."""

    def __init__(self, *backends: ScriptedBackend) -> None:
        self.models = [model(f"m{n}", backend) for n, backend in enumerate(backends, 1)]
        self.heard: list[tuple[bytes, str, Sequence[Chunk]]] = []
        self.flights = Flights(attempts(), lambda *answer: self.heard.append(answer))

    def open(self, call: Call = CALL, key: bytes = b"key") -> Riding:
        return self.flights.open(key, call, self.models, CLAIM)

    async def hear(self, call: Call = CALL, key: bytes = b"key") -> tuple[list[Chunk], Riding]:
        """The whole answer."""
        async with self.open(call, key) as riding:
            return await rest(riding), riding


async def rest(riding: Riding) -> list[Chunk]:
    heard: list[Chunk] = []
    while chunks := await riding.read():
        heard += chunks
    return heard


async def turns(count: int = 5) -> None:
    """Let everybody go as far as they can."""
    for _ in range(count):
        await asyncio.sleep(0)


@BOTH
async def test_who_asks_the_same_at_once_shares_one_call(call: Call) -> None:
    gate = asyncio.Event()
    backend = ScriptedBackend(gate, HELLO, WORLD, STOP)
    sky = Sky(backend)
    asking = [asyncio.create_task(sky.hear(call)) for _ in range(3)]
    await turns()
    assert len(sky.flights) == 1
    gate.set()
    answers = await asyncio.gather(*asking)

    assert [chunks for chunks, _ in answers] == [[HELLO, WORLD, STOP]] * 3
    assert [riding.cache for _, riding in answers] == [CacheUse.MISS, CacheUse.HIT, CacheUse.HIT]
    assert [riding.attempts for _, riding in answers] == [1, 0, 0]
    assert [riding.answered_by for _, riding in answers] == ["m1"] * 3
    assert (len(backend.calls), backend.left) == (1, [None])
    assert sky.heard == [(b"key", "m1", [HELLO, WORLD, STOP])]
    assert len(sky.flights) == 0


async def test_who_asks_something_else_or_in_another_way_does_not() -> None:
    gate = asyncio.Event()
    backend = ScriptedBackend(gate, HELLO, STOP)
    sky = Sky(backend)
    asking = [
        asyncio.create_task(sky.hear(call, key))
        for call, key in ((CALL, b"key"), (WHOLE, b"key"), (CALL, b"other"))
    ]
    await turns()
    gate.set()
    await asyncio.gather(*asking)

    assert len(backend.calls) == 3


async def test_after_the_end_the_next_asks_anew() -> None:
    backend = ScriptedBackend(HELLO, STOP)
    sky = Sky(backend)
    await sky.hear()
    await sky.hear()

    assert len(backend.calls) == 2


async def test_who_comes_in_the_middle_gets_it_from_the_first_chunk_on() -> None:
    gate = asyncio.Event()
    sky = Sky(ScriptedBackend(HELLO, gate, WORLD, STOP))
    async with sky.open() as first:
        assert await first.read() == [HELLO]
        async with sky.open() as late:
            assert await late.read() == [HELLO]
            gate.set()
            heard, heard_late = await asyncio.gather(rest(first), rest(late))
    assert heard == heard_late == [WORLD, STOP]


async def test_who_reads_slowly_slows_nobody_and_lacks_nothing() -> None:
    words = [Chunk(str(n)) for n in range(100)]
    backend = ScriptedBackend(*words, STOP)
    sky = Sky(backend)
    async with sky.open() as slow:
        async with sky.open() as quick:
            assert await rest(quick) == [*words, STOP]
        assert backend.left == [None]  # what is over is closed, whoever still reads
        assert await rest(slow) == [*words, STOP]

    assert backend.balanced


@BOTH
async def test_who_waited_for_one_that_left_before_content_asks_anew(call: Call) -> None:
    gate = asyncio.Event()
    backend = ScriptedBackend(HELLO, STOP, entering=[gate])
    sky = Sky(backend)
    first, second = (asyncio.create_task(sky.hear(call)) for _ in range(2))
    await turns()
    first.cancel()
    await turns()
    gate.set()

    chunks, riding = await second
    assert (chunks, riding.cache) == ([HELLO, STOP], CacheUse.MISS)
    assert first.cancelled()
    assert (len(backend.calls), backend.left, len(sky.flights)) == (2, [None], 0)


async def test_in_the_middle_the_next_reads_on() -> None:
    gate = asyncio.Event()
    backend = ScriptedBackend(HELLO, gate, WORLD, STOP)
    sky = Sky(backend)
    first, second = (asyncio.create_task(sky.hear()) for _ in range(2))
    await turns(10)
    first.cancel()
    await turns()
    gate.set()

    assert (await second)[0] == [HELLO, WORLD, STOP]
    assert (len(backend.calls), backend.left) == (1, [None])


@BOTH
@pytest.mark.parametrize("riders", [1, 2])
async def test_it_ends_at_once_with_the_last_to_leave(call: Call, riders: int) -> None:
    backend = ScriptedBackend(HELLO, asyncio.Event(), STOP)
    sky = Sky(backend)
    asking = [asyncio.create_task(sky.hear(call)) for _ in range(riders)]
    await turns(10)
    assert (backend.entered, backend.left) == (1, [])
    for one in asking:
        one.cancel()
    async with asyncio.timeout(WITHIN_S):
        await asyncio.wait(asking)

    assert backend.balanced
    assert isinstance(backend.left[0], asyncio.CancelledError)
    assert (sky.heard, len(sky.flights)) == ([], 0)


async def test_while_it_is_being_opened_too() -> None:
    backend = ScriptedBackend(entering=[asyncio.Event()])
    sky = Sky(backend)
    asking = asyncio.create_task(sky.hear())
    await turns()
    before = len(asyncio.all_tasks())
    asking.cancel()
    async with asyncio.timeout(WITHIN_S):
        await asyncio.wait([asking])

    assert (len(backend.calls), backend.entered, len(sky.flights)) == (1, 0, 0)
    assert len(asyncio.all_tasks()) == before - 1


async def test_where_it_fails_before_content_the_others_try_for_themselves() -> None:
    gate = asyncio.Event()
    backend = ScriptedBackend(gate, Failure(Kind.BROKEN, "It broke."))
    sky = Sky(backend)
    asking = [asyncio.create_task(sky.hear()) for _ in range(3)]
    await turns()
    backend.steps = (HELLO, STOP)  # whoever tries again has more luck
    gate.set()
    first, *others = await asyncio.gather(*asking, return_exceptions=True)

    assert isinstance(first, Exhausted)
    for other in others:
        assert not isinstance(other, BaseException)
        chunks, riding = other
        assert (chunks, riding.cache, riding.attempts) == ([HELLO, STOP], CacheUse.MISS, 1)
    assert len(backend.calls) == 3
    assert backend.balanced


@pytest.mark.parametrize("kind", [Kind.BAD_REQUEST, Kind.FILTERED])
async def test_what_lies_in_the_request_is_everybodys_failure(kind: Kind) -> None:
    gate = asyncio.Event()
    backend = ScriptedBackend(gate, Failure(kind, "Not this."))
    sky = Sky(backend)
    asking = [asyncio.create_task(sky.hear()) for _ in range(2)]
    await turns()
    gate.set()
    ends = await asyncio.gather(*asking, return_exceptions=True)

    assert [end.kind for end in ends if isinstance(end, Exhausted)] == [kind] * 2
    assert len(backend.calls) == 1


async def test_a_break_after_the_content_is_everybodys() -> None:
    gate = asyncio.Event()
    broken = Failure(Kind.BROKEN, "It broke.")
    backend = ScriptedBackend(HELLO, gate, broken)
    sky = Sky(backend)
    asking = [asyncio.create_task(sky.hear()) for _ in range(2)]
    await turns(10)
    gate.set()
    ends = await asyncio.gather(*asking, return_exceptions=True)

    assert [str(end) for end in ends if isinstance(end, Failure)] == ["It broke."] * 2
    assert (backend.left, sky.heard, len(sky.flights)) == ([broken], [], 0)

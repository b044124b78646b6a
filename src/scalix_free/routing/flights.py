"""One upstream exchange for identical requests that are in flight at once.

Whoever comes first opens it; who comes later with the same request rides along, and gets all of it
from its first chunk on. Nobody is slowed: whoever has read all that is there reads on for
everybody. It goes on while anybody rides, and ends with the last.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import TypeAlias

from scalix_free.core.budget import Finding
from scalix_free.core.cache import CacheUse
from scalix_free.core.chat import Call, Chunk
from scalix_free.core.errors import Failure
from scalix_free.routing.attempts import FINAL, Asked, Asker, Exhausted
from scalix_free.routing.catalogue import Model
from scalix_free.routing.claim import Claim

Whole: TypeAlias = Callable[[bytes, str, Sequence[Chunk]], None]
"""Hears of every whole answer: its key, who gave it, its chunks."""


class Flights:
    """The exchanges of one process, to be joined by the same request; ``whole`` hears of answers.

    Who wants a stream does not join who wants none: a first content is not the same to them.
    """

    def __init__(self, asker: Asker, whole: Whole) -> None:
        self._asker = asker
        self._whole = whole
        self._flying: dict[tuple[bytes, bool], Flight] = {}

    def __len__(self) -> int:
        return len(self._flying)

    def open(self, key: bytes, call: Call, candidates: Sequence[Model], claim: Claim) -> Riding:
        """Ride along with whoever asks the same at this moment, else ask."""
        return Riding(self, key, call, candidates, claim)

    def find(self, key: bytes, call: Call) -> Flight | None:
        """The flight to join."""
        return self._flying.get((key, call.stream))

    def begin(self, key: bytes, call: Call, candidates: Sequence[Model], claim: Claim) -> Flight:
        """A new one, to be joined unless there is one already."""
        place = (key, call.stream)
        flight = Flight(self, place, self._asker.open(call, candidates, claim))
        self._flying.setdefault(place, flight)
        return flight

    def forget(self, flight: Flight) -> None:
        """Let nobody join it any more."""
        if self._flying.get(flight.place) is flight:
            del self._flying[flight.place]

    def hear(self, flight: Flight, chunks: Sequence[Chunk]) -> None:
        """Pass on an answer that is whole."""
        self._whole(flight.place[0], flight.asked.answered_by, chunks)


class Flight:
    """One exchange. It belongs to all who ride on it; the last to leave closes it.

    A task opens it, so that it is opened also where whoever began it leaves before somebody else.
    What has come is kept once for all of them, until they have left; whoever answers bounds how
    much that can be.
    """

    def __init__(self, flights: Flights, place: tuple[bytes, bool], asked: Asked) -> None:
        self.place = place
        self.asked = asked
        self.failure: BaseException | None = None
        self._flights = flights
        self._riders = 0
        self._opening: asyncio.Task[None] | None = None
        self._is_open = False
        self._is_over = False
        self._is_closed = False
        self._is_being_read = False
        self._log: list[Sequence[Chunk]] = []
        self._waiting: list[asyncio.Future[None]] = []

    def board(self) -> None:
        """Ride on it; ends with ``leave``."""
        self._riders += 1
        if self._opening is None and not self._is_open:
            self._opening = asyncio.get_running_loop().create_task(self._open())

    async def is_under_way(self) -> bool:
        """Wait for the first content; False where it failed before, as ``failure`` says."""
        while not self._is_open and self.failure is None:
            await self._change()
        return self._is_open

    @property
    def length(self) -> int:
        """How often something has come."""
        return len(self._log)

    async def read(self, at: int) -> Sequence[Chunk]:
        """What has come after the first ``at`` times, at least one chunk; none once it is over.

        Raises ``Failure`` where it broke.
        """
        log = self._log
        while at == len(log):
            if isinstance(self.failure, Failure):
                raise Failure(self.failure.kind, self.failure.message)
            if self._is_over:
                return ()
            if self._is_being_read:
                await self._change()
            else:
                await self._read_on()
        return log[at] if at == len(log) - 1 else [one for some in log[at:] for one in some]

    async def leave(self, error: BaseException | None) -> None:
        """Get off. What is over, or nobody rides on, is closed."""
        self._riders -= 1
        if self._is_closed or (self._riders and not self._is_over):
            return
        self._is_closed = True
        self._flights.forget(self)
        if (opening := self._opening) is not None:
            opening.cancel()
            await asyncio.wait([opening])
        failure, self.failure = self.failure, None  # it knows the frames that know us
        if self._is_open:
            error = failure or (None if self._is_over else error)
            await self.asked.__aexit__(type(error) if error else None, error, None)

    async def _open(self) -> None:
        try:
            await self.asked.__aenter__()
        except (Exception, asyncio.CancelledError) as error:
            self.failure = error
            self._flights.forget(self)
        else:
            self._is_open = True
        finally:
            self._opening = None
            self._wake()

    async def _read_on(self) -> None:
        """Read for everybody. Who is cancelled here loses nothing: the next one reads on."""
        self._is_being_read = True
        try:
            chunks = await self.asked.read()
            if chunks:
                self._log.append(chunks)
            if not chunks or chunks[-1].finish is not None:
                self._land()
        except Failure as failure:
            self.failure = failure.with_traceback(None)
            self._flights.forget(self)
        finally:
            self._is_being_read = False
            if self._waiting:
                self._wake()

    def _land(self) -> None:
        self._is_over = True
        self._flights.forget(self)
        if self._log:
            self._flights.hear(self, [one for some in self._log for one in some])

    async def _change(self) -> None:
        waiting = asyncio.get_running_loop().create_future()
        self._waiting.append(waiting)
        await waiting

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, []
        for one in waiting:
            if not one.done():
                one.set_result(None)


class Riding:
    """The context of one request on a flight, and its reply.

    Where a flight fails before its first content whoever had joined it tries for themselves, unless
    the failure lies in the request.
    """

    def __init__(
        self,
        flights: Flights,
        key: bytes,
        call: Call,
        candidates: Sequence[Model],
        claim: Claim,
    ) -> None:
        self._flights = flights
        self._key = key
        self._call = call
        self._candidates = candidates
        self._claim = claim
        self._flight: Flight | None = None
        self._leads = False
        self._at = 0
        self.answered_by = ""
        self.attempts = 0
        self.findings: Sequence[Finding] = ()
        self.cache = CacheUse.MISS
        self.let_down: Sequence[str] = ()

    async def __aenter__(self) -> Riding:
        try:
            await self._board()
        except BaseException as error:
            await self.__aexit__(type(error), error, None)
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        flight, self._flight = self._flight, None
        if flight is not None:
            self.let_down = flight.asked.let_down
            if self._leads:
                self.attempts = flight.asked.attempts
            await flight.leave(error)

    @property
    def standing(self) -> tuple[int, float] | None:
        """The place in the queue, that of whoever asks for all of them."""
        return None if self._flight is None else self._flight.asked.standing

    async def read(self) -> Sequence[Chunk]:
        """See ``core.ports.Reply``."""
        assert self._flight is not None
        chunks = await self._flight.read(self._at)
        self._at = self._flight.length
        return chunks

    async def _board(self) -> None:
        flight = self._flights.find(self._key, self._call)
        if flight is not None and await self._is_taken_along(flight):
            self.cache = CacheUse.HIT
            self.answered_by = flight.asked.answered_by
            return
        self._leads = True
        self._flight = flight = self._flights.begin(
            self._key, self._call, self._candidates, self._claim
        )
        flight.board()
        if not await flight.is_under_way():
            assert flight.failure is not None
            raise flight.failure
        self.answered_by, self.attempts = flight.asked.answered_by, flight.asked.attempts

    async def _is_taken_along(self, flight: Flight) -> bool:
        """Whether somebody else's flight comes to content. Raises what lies in the request."""
        self._flight = flight
        flight.board()
        if await flight.is_under_way():
            return True
        failure, self._flight = flight.failure, None
        await flight.leave(None)
        if isinstance(failure, Exhausted) and any(one.kind in FINAL for one in failure.failures):
            raise Exhausted(failure.failures, untried=failure.untried, shorts=failure.shorts)
        return False

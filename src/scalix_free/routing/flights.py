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

    What has come is kept once for all of them, until they have left; whoever answers bounds how
    much that can be.
    """

    __slots__ = (
        *("asked", "failure", "is_being_read", "is_open", "is_over", "log", "place"),
        *("_flights", "_is_closed", "_riders", "_waiting"),
    )

    def __init__(self, flights: Flights, place: tuple[bytes, bool], asked: Asked) -> None:
        self.place = place
        self.asked = asked
        self.failure: BaseException | None = None
        self.is_open = self.is_over = self.is_being_read = False
        self.log: list[Sequence[Chunk]] = []
        self._flights = flights
        self._riders = 0
        self._is_closed = False
        self._waiting: list[asyncio.Future[None]] = []

    def board(self) -> None:
        """Ride on it; ends with ``leave``."""
        self._riders += 1

    async def open(self) -> None:
        """Open it, for whoever has begun it. Raises as the exchange does."""
        try:
            await self.asked.__aenter__()
        except BaseException as error:
            self.fail(error)
            raise
        self.is_open = True
        self._wake()

    async def is_under_way(self) -> bool:
        """Wait for the first content; False where it failed before, as ``failure`` says."""
        while not self.is_open and self.failure is None:
            await self.change()
        return self.is_open

    async def change(self) -> None:
        """Wait until something has come, or it ended."""
        waiting = asyncio.get_running_loop().create_future()
        self._waiting.append(waiting)
        await waiting

    def hear(self, chunks: Sequence[Chunk]) -> None:
        """Note what has come; nothing at the end of all."""
        if chunks:
            self.log.append(chunks)
        if not chunks or chunks[-1].finish is not None:
            self.is_over = True
            self._flights.forget(self)
            if self.log:
                self._flights.hear(self, [one for some in self.log for one in some])
        self._wake()

    def fail(self, error: BaseException) -> None:
        """Note that it broke."""
        self.failure = error
        self._flights.forget(self)
        self._wake()

    def give_up_reading(self) -> None:
        """Let the next one read on."""
        self.is_being_read = False
        self._wake()

    async def leave(self, error: BaseException | None) -> None:
        """Get off. What is over, or nobody rides on, is closed."""
        self._riders -= 1
        if self._is_closed or (self._riders and not self.is_over):
            return
        self._is_closed = True
        self._flights.forget(self)
        failure, self.failure = self.failure, None  # it knows the frames that know us
        if self.is_open:
            error = failure or (None if self.is_over else error)
            await self.asked.__aexit__(type(error) if error else None, error, None)

    def _wake(self) -> None:
        if not self._waiting:
            return
        waiting, self._waiting = self._waiting, []
        for one in waiting:
            if not one.done():
                one.set_result(None)


class Riding:
    """The context of one request on a flight, and its reply.

    Where a flight fails before its first content, or whoever began it leaves before that, whoever
    had joined it tries for themselves, unless the failure lies in the request.
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
        """See ``core.ports.Reply``. Whoever has read all that is there reads on for everybody."""
        flight, at = self._flight, self._at
        assert flight is not None
        log = flight.log
        while at == len(log):
            if isinstance(flight.failure, Failure):
                raise Failure(flight.failure.kind, flight.failure.message)
            if flight.is_over:
                return ()
            if flight.is_being_read:
                await flight.change()
                continue
            flight.is_being_read = True
            try:
                flight.hear(await flight.asked.read())
            except Failure as failure:
                flight.fail(failure.with_traceback(None))
            finally:  # who is cancelled here loses nothing
                flight.give_up_reading()
        self._at = len(log)
        return log[at] if at == len(log) - 1 else [one for some in log[at:] for one in some]

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
        await flight.open()
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

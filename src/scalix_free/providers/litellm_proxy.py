"""Several instances of LiteLLM's proxy, as one provider.

    ProxyPool     the instances of one provider in one process: their calls, and how they stand
    PooledModel   a ``Backend`` for one of its models
    open_pools    watches the instances of all pools until it is left

Each process has its own view of the instances. Budgets know nothing of them: whatever instance a
call went to, it was one call of the account.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Collection,
    Iterable,
    Mapping,
    Sequence,
)
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Final, NamedTuple

import aiohttp

from scalix_free.core.budget import Finding
from scalix_free.core.chat import Call, Chunk
from scalix_free.core.errors import Failure, Kind
from scalix_free.core.ports import Backend, Clock, Reply
from scalix_free.providers.balance import NEW, Balance, Seat, Sign, Standing, after, choose
from scalix_free.providers.http_session import LinkError, NotConnectedError, Session

log = logging.getLogger(__name__)

HEALTH_S: Final = 5.0
"""A health check takes no longer; a proxy under load is slow with it, too."""
SILENT_S: Final = 10.0
"""Whoever gave up after so long without a head found the instance silent; before, they left."""
SPREAD: Final = 0.2
"""The part by which the time between two health checks varies, so that workers do not meet."""

Pause = Callable[[float], Awaitable[object]]
Chance = Callable[[], float]
Notice = Callable[[str, str, Sign], None]
"""Hears that an instance was left out: the name of its pool, its root, and why."""


def _nobody(_name: str, _root: str, _sign: Sign) -> None:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolPlan:
    """What an operator decides: the roots of the proxies, and how they are looked after."""

    name: str
    roots: tuple[str, ...]
    health_path: str = "/health/liveliness"
    health_interval_s: float = 5.0
    balance: Balance = "least-connections"


class InstanceState(NamedTuple):
    """An instance for whoever watches: its root, whether it gets new calls, those that run."""

    root: str
    serves: bool
    calls: int


class _Instance:
    """One proxy: how it stands, and what it does."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.standing = NEW
        self.calls = 0


class ProxyPool:
    """The instances of one provider, as this process knows them."""

    def __init__(
        self,
        plan: PoolPlan,
        session: Session,
        clock: Clock,
        *,
        chance: Chance = random.random,
        notice: Notice = _nobody,
    ) -> None:
        self.plan = plan
        self._session = session
        self._clock = clock
        self._chance = chance
        self._notice = notice
        self._instances = [_Instance(root) for root in plan.roots]
        self._last = int(chance() * len(plan.roots))  # workers begin at different instances

    @property
    def states(self) -> Sequence[InstanceState]:
        """How all instances stand, in the order of the configuration."""
        return [InstanceState(one.root, one.standing.serves, one.calls) for one in self._instances]

    @property
    def is_down(self) -> bool:
        """Whether nobody would answer, as far as is known."""
        return all(one.standing.is_lost for one in self._instances)

    @property
    def has_others(self) -> bool:
        """Whether there are several instances."""
        return len(self._instances) > 1

    def take(self, tried: Collection[int]) -> int | None:
        """The instance for a new call, which counts as running; None: all were tried."""
        seats = [Seat(one.standing, one.calls) for one in self._instances]
        at = choose(seats, self.plan.balance, self._last, tried)
        if at is not None:
            self._last = at
            self._instances[at].calls += 1
        return at

    def give_back(self, at: int) -> None:
        """The call has ended."""
        self._instances[at].calls -= 1

    def note(self, at: int, sign: Sign) -> None:
        """Something was seen of an instance."""
        one = self._instances[at]
        before = one.standing
        others = [other.standing for other in self._instances if other is not one]
        one.standing = after(before, sign, self._clock(), others=others, chance=self._chance())
        if one.standing is not before:
            self._tell(one, before, sign)

    def _tell(self, one: _Instance, before: Standing, sign: Sign) -> None:
        name, now = self.plan.name, one.standing
        if now.is_out and not before.is_out:
            self._notice(name, one.root, sign)
            log.warning("%s: %s is left out, as it %s", name, one.root, sign.value)
        elif now.ending and not before.ending:
            log.warning("%s: %s gets no new calls, as it %s", name, one.root, sign.value)
        elif now.serves and not before.serves:
            log.info("%s: %s is used again", name, one.root)

    # ── Health ──────────────────────────────────────────────────────────────────────────────

    async def watch(self, pause: Pause = asyncio.sleep) -> None:
        """Check the health of all instances, over and over."""
        async with asyncio.TaskGroup() as group:
            for at in range(len(self._instances)):
                group.create_task(self._watch(at, pause))

    async def _watch(self, at: int, pause: Pause) -> None:
        while True:
            self.note(at, await self._health(self._instances[at].root))
            varied = 1 + SPREAD * (2 * self._chance() - 1)
            await pause(self.plan.health_interval_s * varied)

    async def check(self) -> Sequence[Sign]:
        """Check the health of all instances once; what was seen of each, in their order."""
        signs = await asyncio.gather(*(self._health(one.root) for one in self._instances))
        for at, sign in enumerate(signs):
            self.note(at, sign)
        return signs

    async def _health(self, root: str) -> Sign:
        try:
            async with (
                asyncio.timeout(HEALTH_S),
                self._session.get(root + self.plan.health_path, allow_redirects=False) as response,
            ):
                return Sign.WELL if response.status == 200 else Sign.ENDING
        except TimeoutError:
            return Sign.HUNG
        except aiohttp.ClientConnectorError:
            return Sign.REFUSED
        except (aiohttp.ClientError, OSError):
            return Sign.LOST


class PooledModel:
    """A ``Backend`` for one model: ``backends`` ask it, one of each instance in their order."""

    def __init__(self, pool: ProxyPool, backends: Sequence[Backend]) -> None:
        self._pool = pool
        self._backends = backends

    @property
    def is_down(self) -> bool:
        """Whether nobody would answer; see ``ProxyPool``."""
        return self._pool.is_down

    def open(self, call: Call) -> _Passage:
        """Ask an instance; the context is over with its answer."""
        return _Passage(self._pool, self._backends, call)


class _Passage:
    """One question by way of one instance.

    Where no connection came about nothing was spent, and the next instance is asked at once. Where
    one broke before the caller saw anything the question may have been spent, so that is for
    whoever keeps the budget: ``Kind.LOST`` tells them that another instance can be asked.
    """

    def __init__(self, pool: ProxyPool, backends: Sequence[Backend], call: Call) -> None:
        self._pool = pool
        self._backends = backends
        self._call = call
        self._at = -1
        self._has_content = False
        self._context: AbstractAsyncContextManager[Reply] | None = None
        self.answered_by = ""
        self.attempts = 1
        self.findings: Sequence[Finding] = ()

    async def __aenter__(self) -> _Passage:
        tried: list[int] = []
        last: Failure | None = None
        while (at := self._pool.take(tried)) is not None:
            tried.append(at)
            try:
                await self._ask(at)
            except BaseException as error:
                self._pool.give_back(at)
                if not isinstance(error, Failure) or not _is_unspent(error):
                    raise
                last = error
            else:
                return self
        assert last is not None
        raise last

    async def _ask(self, at: int) -> None:
        self._at, began = at, asyncio.get_running_loop().time()
        context = self._backends[at].open(self._call)
        try:
            self._reply = await context.__aenter__()
        except asyncio.CancelledError:
            if asyncio.get_running_loop().time() - began >= SILENT_S:
                self._pool.note(at, Sign.SILENT)
            raise
        except Failure as failure:
            self._pool.note(at, _sign_of(failure))
            raise self._seen(failure) from failure.__cause__
        self._context = context
        self.findings = self._reply.findings
        self._pool.note(at, Sign.ANSWERED)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        context, self._context = self._context, None
        if context is None:
            return
        try:
            await context.__aexit__(kind, error, trace)
        finally:
            self._pool.give_back(self._at)

    async def read(self) -> Sequence[Chunk]:
        """See ``core.ports.Reply``."""
        try:
            chunks = await self._reply.read()
        except Failure as failure:
            if isinstance(failure.__cause__, LinkError):
                self._pool.note(self._at, Sign.LOST)
            raise self._seen(failure) from failure.__cause__
        if not self._has_content:
            self._has_content = any(chunk.has_content for chunk in chunks)
        return chunks

    def _seen(self, failure: Failure) -> Failure:
        """A failure as it looks from outside: a connection that broke was one of several."""
        broke = isinstance(failure.__cause__, LinkError) and not _is_unspent(failure)
        if not broke or self._has_content or not self._pool.has_others:
            return failure
        return Failure(Kind.LOST, failure.message)


def _is_unspent(failure: Failure) -> bool:
    """Whether no connection came about, so that nothing was sent."""
    return isinstance(failure.__cause__, NotConnectedError)


def _sign_of(failure: Failure) -> Sign:
    """What a failure before the answer says of the instance; a refusal is an answer, too."""
    if _is_unspent(failure):
        return Sign.REFUSED
    if isinstance(failure.__cause__, LinkError):
        return Sign.LOST
    return Sign.FAILED if failure.kind in (Kind.BROKEN, Kind.TIMEOUT) else Sign.ANSWERED


@asynccontextmanager
async def open_pools(
    plans: Iterable[PoolPlan],
    session: Session,
    clock: Clock,
    *,
    pause: Pause = asyncio.sleep,
    notice: Notice = _nobody,
) -> AsyncIterator[Mapping[str, ProxyPool]]:
    """The pools by name; their instances are watched until it is left."""
    pools = {plan.name: ProxyPool(plan, session, clock, notice=notice) for plan in plans}
    watching = [asyncio.create_task(pool.watch(pause)) for pool in pools.values()]
    try:
        yield pools
    finally:
        for task in watching:
            task.cancel()
        for task in watching:
            with contextlib.suppress(asyncio.CancelledError):
                await task

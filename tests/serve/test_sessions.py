"""Sessions: counted first, priced by their place, paid once."""

import asyncio

import pytest

from scalix_free.core.caller import Visitor
from scalix_free.core.errors import Code, Refusal, StoreUnavailable
from scalix_free.core.ledger import Ask
from scalix_free.identity.proof import LIFETIME_S, Mode
from scalix_free.serve import NewSession
from tests.serve.conftest import HERE, Desk, solve

NEIGHBOUR = Visitor("1.2.3.5")
DAY = 86_400_000


async def begin(desk: Desk, proof: str | None = None, visitor: Visitor = HERE) -> bool:
    return isinstance(await desk.sessions.begin(visitor, "a browser", proof), NewSession)


async def due(desk: Desk, visitor: Visitor = HERE) -> Refusal:
    refused = await desk.sessions.begin(visitor, "a browser", None)
    assert isinstance(refused, Refusal)
    assert refused.code is Code.CHALLENGE_REQUIRED
    return refused


def doublings(refusal: Refusal) -> object:
    assert refusal.challenge is not None
    parameters = refusal.challenge["parameters"]
    assert isinstance(parameters, dict)
    return parameters["data"]["doublings"]


async def counted(desk: Desk, visitor: Visitor = HERE) -> list[int]:
    books = desk.sessions._books(visitor)
    return [(await desk.ledger.peek(book))[0].used for book in books]


async def test_what_is_begun_is_remembered_and_can_be_used(desk: Desk) -> None:
    begun = await desk.minted()

    caller = await desk.caller(f"Bearer {begun.token}")
    session = await desk.sessions.own(caller)
    assert not isinstance(session, Refusal)
    assert (session.user_id, session.session_id) == (caller.owner, begun.identity.session_id)
    assert session.user_agent == "a browser"
    assert (session.created_ms, session.expires_ms) == (desk.clock(), desk.clock() + 30 * DAY)
    assert (session.requests_today, session.seen_ms) == (0, None)
    assert len(session.address_hash) == 16
    assert b"1.2.3" not in session.address_hash


async def test_who_has_none_is_told_so(desk: Desk) -> None:
    anonymous = await desk.caller("")
    member = await desk.caller((await desk.registered()).new_key.key)

    for caller in (anonymous, member):
        refused = await desk.sessions.own(caller)
        assert isinstance(refused, Refusal)
        assert refused.code is Code.NOT_FOUND


async def test_the_third_of_an_address_costs_a_proof_of_work(desk: Desk) -> None:
    assert await begin(desk)
    assert await begin(desk)
    refused = await due(desk)

    assert doublings(refused) == 0
    assert await begin(desk, solve(refused))
    assert await counted(desk) == [3, 3]


async def test_what_is_not_paid_does_not_count(desk: Desk) -> None:
    await desk.minted()
    await desk.minted()
    for _ in range(5):
        assert doublings(await due(desk)) == 0

    assert await counted(desk) == [2, 2]


async def test_past_the_figure_the_price_doubles(desk: Desk) -> None:
    for _ in range(4):
        await desk.minted()

    for expected in (1, 2):
        refused = await due(desk)
        assert doublings(refused) == expected
        assert await begin(desk, solve(refused))


async def test_the_network_s_figure_counts_as_well(desk: Desk) -> None:
    for n in range(8):
        assert await begin(desk, visitor=Visitor(f"1.2.3.{10 + n // 2}"))

    assert doublings(await due(desk, NEIGHBOUR)) == 1
    assert await begin(desk, visitor=Visitor("1.2.4.1"))


async def test_a_day_later_it_is_free_again(desk: Desk) -> None:
    await desk.minted()
    await desk.minted()
    desk.clock.advance(DAY - 1)
    await due(desk)
    desk.clock.advance(1)

    assert await begin(desk)


@pytest.mark.parametrize(("mode", "free"), [("always", 0), ("never", 9)])
async def test_the_mode_decides(desk: Desk, mode: Mode, free: int) -> None:
    desk = Desk(desk.ledger, desk.store, desk.clock, mode=mode)
    for _ in range(free):
        assert await begin(desk)

    assert await begin(desk) == (mode == "never")


async def test_a_solution_is_good_once(desk: Desk) -> None:
    await desk.minted()
    await desk.minted()
    proof = solve(await due(desk))

    assert await begin(desk, proof)
    assert not await begin(desk, proof)
    assert not await begin(desk.beside(), proof)


async def test_of_two_at_once_one_is_served(desk: Desk) -> None:
    await desk.minted()
    await desk.minted()
    proof = solve(await due(desk))

    served = await asyncio.gather(*(begin(each, proof) for each in (desk, desk.beside())))

    assert sorted(served) == [False, True]
    assert await counted(desk) == [3, 3]


async def test_a_solution_is_good_for_who_was_asked_in_time_and_at_the_price(desk: Desk) -> None:
    for visitor in (HERE, HERE, NEIGHBOUR, NEIGHBOUR):
        assert await begin(desk, visitor=visitor)
    first, second, third = [solve(await due(desk)) for _ in range(3)]

    assert not await begin(desk, first, NEIGHBOUR)
    assert await begin(desk, first)
    assert await begin(desk, second)
    assert not await begin(desk, third), "the price has doubled"

    late = solve(await due(desk))
    desk.clock.advance(LIFETIME_S * 1000)
    assert not await begin(desk, late)


async def test_a_hundred_at_once_get_two_for_nothing(desk: Desk) -> None:
    served = await asyncio.gather(*(begin(desk) for _ in range(100)))

    assert sum(served) == 2
    assert await counted(desk) == [2, 2]


async def test_on_a_server_all_of_it_is_the_same(shared_desk: Desk) -> None:
    desk, other = shared_desk, shared_desk.beside()
    served = await asyncio.gather(*(begin(each) for each in (desk, other) * 10))
    assert sum(served) == 2
    assert await counted(desk) == [2, 2]

    proof = solve(await due(desk))
    served = await asyncio.gather(*(begin(each, proof) for each in (desk, other) * 3))
    assert sum(served) == 1
    assert await counted(other) == [3, 3]


async def test_a_widget_gets_a_challenge_at_the_price(desk: Desk) -> None:
    for expected in (0, 0, 0, 0, 1):
        challenge = await desk.sessions.challenge(HERE)
        assert not isinstance(challenge, Refusal)
        refusal = Refusal(code=Code.CHALLENGE_REQUIRED, message="", challenge=challenge)
        assert doublings(refusal) == expected
        assert await begin(desk, solve(refusal))
    assert await counted(desk) == [5, 5]


class Failing:
    """A store that does not answer to one thing."""

    def __init__(self, store: object, at: str) -> None:
        self._store = store
        self._at = at

    def __getattr__(self, name: str) -> object:
        if name == self._at:
            return self._fail
        return getattr(self._store, name)

    async def _fail(self, *args: object, **more: object) -> None:
        raise StoreUnavailable("it is away")


@pytest.mark.parametrize("at", ["admit", "claim", "begin_session"])
async def test_a_store_that_is_away_costs_nothing(
    desk: Desk, at: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await desk.minted()
    await desk.minted()
    proof = solve(await due(desk))
    for part in ("ledger", "once", "accounts"):
        kept = getattr(desk.sessions, part)
        object.__setattr__(desk.sessions, part, Failing(kept, at))

    refused = await desk.sessions.begin(HERE, "", proof)

    assert isinstance(refused, Refusal)
    assert refused.code is Code.STORE_UNAVAILABLE
    assert await counted(desk) == [2, 2]


async def test_whoever_leaves_in_the_middle_has_taken_nothing(desk: Desk) -> None:
    asked, go = asyncio.Event(), asyncio.Event()

    class Slow:
        async def begin_session(self, session: object) -> None:
            asked.set()
            await go.wait()

    object.__setattr__(desk.sessions, "accounts", Slow())
    leaving = asyncio.create_task(begin(desk))
    await asked.wait()
    leaving.cancel()
    await asyncio.gather(leaving, return_exceptions=True)

    assert await counted(desk) == [0, 0]


async def test_there_is_an_end_even_where_nothing_is_paid(desk: Desk) -> None:
    book, _ = desk.sessions._books(HERE)
    most = book.policy.limits[0].most
    assert most == 1_000
    for n in range(most):
        await desk.ledger.admit(Ask(n.to_bytes(16, "big"), (book,), 0, 0))

    desk = Desk(desk.ledger, desk.store, desk.clock, mode="never")
    refused = await desk.sessions.begin(HERE, "", None)

    assert isinstance(refused, Refusal)
    assert (refused.code, refused.window) == (Code.IP_RATE_LIMIT, "address_identities")
    assert refused.retry_ms is not None

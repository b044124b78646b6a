"""Who waits, in which order, and for how long."""

import asyncio

from scalix_free.routing.claim import Claim
from scalix_free.routing.queue import MOST_OF_ADDRESS, MOST_OF_OWNER, Place, Queue

FAR = 1_000.0


def claim(name: str, *, order: int = 1, received: int = 0) -> Claim:
    return Claim(order=order, received=received, owner=name.encode(), address=name.encode())


def joined(queue: Queue, one: Claim, due: float) -> Place:
    place = queue.join(one, due)
    assert place is not None
    return place


def now() -> float:
    return asyncio.get_running_loop().time()


async def test_the_least_served_of_a_class_goes_first_and_classes_have_their_shares() -> None:
    queue = Queue()
    due = now() + 0.01
    names = {
        joined(queue, claim("heavy", received=900), due): "heavy",
        joined(queue, claim("light", received=10), due): "light",
        joined(queue, claim("stranger", order=3), due): "stranger",
        joined(queue, claim("payer", order=0, received=990), due): "payer",
        joined(queue, claim("later", received=10), due): "later",
    }
    served: list[str] = []

    async def wait(place: Place) -> None:
        assert await queue.turn(place, due + FAR)
        served.append(names[place])
        queue.leave(place)

    await asyncio.gather(*map(wait, names))
    assert served == ["payer", "light", "later", "stranger", "heavy"]
    assert not len(queue)


async def test_one_tries_at_a_time_and_the_next_when_it_has_ended() -> None:
    queue = Queue()
    first, second = (joined(queue, claim(name), 0.0) for name in "ab")
    assert await queue.turn(first, now() + FAR)
    assert not await queue.turn(second, now())
    queue.again(first, now() + FAR)
    assert await queue.turn(second, now() + FAR)


async def test_whoever_waits_in_vain_is_told() -> None:
    queue = Queue()
    place = joined(queue, claim("a"), now() + FAR)
    assert not await queue.turn(place, now() + 0.001)
    queue.leave(place)
    queue.leave(place)
    assert not len(queue)


async def test_what_is_freed_early_is_tried_by_the_first() -> None:
    queue = Queue()
    first, second = (joined(queue, claim(name), now() + FAR) for name in "ab")
    queue.freed()
    assert await queue.turn(first, now() + FAR)
    queue.leave(first)
    assert not await queue.turn(second, now())


async def test_nobody_takes_all_places() -> None:
    queue = Queue()
    places = [queue.join(claim("a"), now() + FAR) for _ in range(5)]
    assert [place is not None for place in places] == [True] * MOST_OF_OWNER + [False] * (
        5 - MOST_OF_OWNER
    )
    queue = Queue()
    neighbours = [
        queue.join(Claim(owner=f"{n}".encode(), address=b"home"), now() + FAR) for n in range(9)
    ]
    assert sum(place is not None for place in neighbours) == MOST_OF_ADDRESS


async def test_when_it_is_full_the_worst_gives_way_to_a_better_one() -> None:
    queue = Queue(2)
    good, bad = (joined(queue, claim(str(n), received=n), now() + FAR) for n in (10, 500))
    assert queue.join(claim("worse", received=900), now() + FAR) is None
    joined(queue, claim("better", received=0), now() + FAR)
    assert not await queue.turn(bad, now() + FAR)
    place, _ = queue.standing(good) or (0, 0.0)
    assert place == 2


async def test_whoever_comes_does_not_push_in_before_those_who_are_due() -> None:
    queue = Queue()
    joined(queue, claim("a", received=100), 0.0)
    assert queue.is_before(claim("b", received=100))
    assert not queue.is_before(claim("c", received=50))
    waiting = Queue()
    joined(waiting, claim("a"), now() + FAR)
    assert not waiting.is_before(claim("b", received=100))


async def test_a_place_tells_when_it_is_due_and_how_long_those_in_front_will_take() -> None:
    queue = Queue()
    first, second, third = (joined(queue, claim(name), 0.0) for name in "abc")
    assert [queue.standing(place) for place in (first, third)] == [(1, 0.0), (3, 0.0)]
    assert await queue.turn(first, now() + FAR)
    queue.leave(first)
    assert queue.standing(first) is None
    await asyncio.sleep(0.02)
    queue.leave(second)
    last = joined(queue, claim("d"), now() + FAR)
    queue.again(third, 0.0)
    later = joined(queue, claim("e"), 0.0)

    assert queue.standing(third) == (1, 0.0)
    place, seconds = queue.standing(last) or (0, 0.0)
    assert (place, FAR - 1 < seconds <= FAR) == (2, True)
    place, seconds = queue.standing(later) or (0, 0.0)
    assert place == 3
    assert 2 * 0.02 <= seconds < 1.0


async def test_whoever_gave_way_has_no_place_to_tell() -> None:
    queue = Queue(1)
    place = joined(queue, claim("bad", received=500), now() + FAR)
    joined(queue, claim("better"), now() + FAR)
    assert queue.standing(place) is None
    assert not await queue.turn(place, now() + FAR)

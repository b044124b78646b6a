"""One timer for one wait after the other."""

import asyncio

import pytest

from scalix_free.routing.deadline import Deadline

SHORT_S, LONG_S = 0.005, 30.0


async def forever() -> None:
    await asyncio.Event().wait()


@pytest.mark.parametrize("before_s", [(), (LONG_S,), (SHORT_S,)], ids=["first", "sooner", "later"])
async def test_what_takes_longer_is_ended(before_s: tuple[float, ...]) -> None:
    deadline = Deadline()
    for seconds in before_s:
        with deadline.within(seconds):
            await asyncio.sleep(0)
    with pytest.raises(TimeoutError), deadline.within(2 * SHORT_S):
        await forever()
    deadline.close()


async def test_what_comes_in_time_is_let_be() -> None:
    deadline = Deadline()
    for _ in range(5):
        with deadline.within(40 * SHORT_S):  # less than all five together
            await asyncio.sleep(10 * SHORT_S)
    deadline.close()


async def test_a_wait_may_be_put_off_while_it_lasts() -> None:
    deadline = Deadline()
    with deadline.within(2 * SHORT_S):
        deadline.within(LONG_S)
        await asyncio.sleep(4 * SHORT_S)
    deadline.close()


async def test_between_waits_nobody_is_ended() -> None:
    deadline = Deadline()
    with deadline.within(SHORT_S):
        pass
    await asyncio.sleep(3 * SHORT_S)
    with deadline.within(LONG_S):
        await asyncio.sleep(3 * SHORT_S)
    deadline.close()


async def test_who_is_cancelled_by_somebody_else_stays_cancelled() -> None:
    deadline = Deadline()

    async def wait() -> None:
        with deadline.within(LONG_S):
            await forever()

    waiting = asyncio.create_task(wait())
    await asyncio.sleep(SHORT_S)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    deadline.close()


async def test_who_is_cancelled_by_both_stays_cancelled() -> None:
    deadline = Deadline()

    async def wait() -> None:
        with deadline.within(SHORT_S):
            try:
                await forever()
            except asyncio.CancelledError:
                waiting.cancel()
                raise

    waiting = asyncio.create_task(wait())
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_other_failures_pass_and_may_come_late() -> None:
    deadline = Deadline()

    async def fail_late() -> None:
        try:
            await forever()
        except asyncio.CancelledError:
            raise ValueError("late") from None

    with pytest.raises(ValueError, match="late"), deadline.within(SHORT_S):
        await fail_late()
    task = asyncio.current_task()
    assert task is not None
    assert not task.cancelling()
    await asyncio.sleep(0)

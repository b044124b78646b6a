"""Keys that were looked up a moment ago."""

from scalix_free.core.account import ApiKey
from scalix_free.core.caller import Caller
from scalix_free.identity.known import KNOWN_MS, MOST_KNOWN, KnownKeys
from tests.core.held_clock import HeldClock
from tests.identity.test_identify import caller

SOMEBODY = caller("1.2.3.4")


def key(name: str, account: str = "acc_1") -> ApiKey:
    return ApiKey(id=name, account_id=account, shown="", created_ms=0)


def remembered(clock: HeldClock, *keys: ApiKey) -> KnownKeys:
    known = KnownKeys(clock)
    for each in keys:
        known.put(each.id.encode(), SOMEBODY, each)
    return known


def test_it_is_known_for_thirty_seconds() -> None:
    clock = HeldClock()
    known = remembered(clock, key("a"))

    clock.advance(KNOWN_MS - 1)
    assert known.get(b"a") is SOMEBODY
    clock.advance(1)
    assert known.get(b"a") is None
    assert KNOWN_MS == 30_000


def test_being_used_does_not_make_it_last() -> None:
    clock = HeldClock()
    known = remembered(clock, key("a"))

    for _ in range(3):
        clock.advance(KNOWN_MS // 3)
        found: Caller | None = known.get(b"a")
    assert found is None


def test_one_key_or_all_of_an_account_are_forgotten_at_once() -> None:
    keys = [key("a"), key("b"), key("c", account="acc_2")]

    known = remembered(HeldClock(), *keys)
    known.forget(account_id="acc_1", key_id="a")
    assert [known.get(name) for name in (b"a", b"b", b"c")] == [None, SOMEBODY, SOMEBODY]

    known = remembered(HeldClock(), *keys)
    known.forget(account_id="acc_1")
    assert [known.get(name) for name in (b"a", b"b", b"c")] == [None, None, SOMEBODY]

    known.forget(account_id="acc_1", key_id="c")
    assert known.get(b"c") is SOMEBODY


def test_of_many_the_latest_used_are_known() -> None:
    known = remembered(HeldClock(), key("first"), key("second"))
    for n in range(MOST_KNOWN - 2):
        known.put(b"%d" % n, SOMEBODY, key(str(n)))
    assert known.get(b"first") is SOMEBODY
    known.put(b"one more", SOMEBODY, key("one more"))

    assert known.get(b"first") is SOMEBODY
    assert known.get(b"second") is None

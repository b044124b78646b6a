"""Who is calling: at once where arithmetic can tell, by a look-up where it cannot."""

import secrets

from scalix_free.core.caller import Caller, Visitor
from scalix_free.core.errors import Code, Refusal, StoreUnavailable
from scalix_free.identity.api_key import new_key
from tests.serve.conftest import Desk

DAY = 86_400_000


class Counting:
    """A store that counts its look-ups, and can be away."""

    def __init__(self, desk: Desk) -> None:
        self._store = desk.store
        self.asked: list[str] = []
        self.away = False
        desk.callers._accounts = self  # type: ignore[assignment]

    def __getattr__(self, name: str) -> object:
        self.asked.append(name)
        return self._fail if self.away else getattr(self._store, name)

    async def _fail(self, *args: object) -> None:
        raise StoreUnavailable("away")


async def test_only_a_key_takes_a_look_up_and_only_now_and_then(desk: Desk) -> None:
    token, key = (await desk.minted()).token, (await desk.registered()).new_key.key
    store = Counting(desk)

    for credential in (None, "", "Bearer free", token, "scalix_free_x", "scalix_key_x"):
        found = desk.callers.identify(Visitor("1.2.3.4", credential))
        assert isinstance(found, Caller | Refusal)
    assert store.asked == []

    assert await desk.is_known(f"Bearer {key}")
    assert store.asked == ["by_key", "note_key_used"]
    for _ in range(3):
        assert isinstance(desk.callers.identify(Visitor("1.2.3.4", key)), Caller)
    assert len(store.asked) == 2

    desk.clock.advance(30_000)
    assert await desk.is_known(key)
    assert store.asked[2:] == ["by_key"], "its use was noted today"


async def test_the_day_of_the_last_use_is_kept(desk: Desk) -> None:
    verified = await desk.registered()
    for _ in range(2):
        await desk.caller(verified.new_key.key)
        (kept,) = await desk.store.keys(verified.account.id)
        assert kept.used_ms == desk.clock()
        desk.clock.advance(DAY)


async def test_a_key_that_nobody_has_is_refused(desk: Desk) -> None:
    found = await desk.callers.caller(Visitor("1.2.3.4", new_key(secrets.choice)))

    assert isinstance(found, Refusal)
    assert found.code is Code.INVALID_API_KEY


async def test_a_store_that_is_away_makes_nobody_a_stranger(desk: Desk) -> None:
    key = (await desk.registered()).new_key.key
    store = Counting(desk)
    store.away = True

    found = await desk.callers.caller(Visitor("1.2.3.4", key))
    assert isinstance(found, Refusal)
    assert found.code is Code.STORE_UNAVAILABLE

    store.away = False
    assert await desk.is_known(key)
    store.away = True
    assert await desk.is_known(key), "it was looked up a moment ago"


async def test_keys_and_tokens_of_the_secret_before_are_good_under_a_newer_one(desk: Desk) -> None:
    token, key = (await desk.minted()).token, (await desk.registered()).new_key.key
    rotated, dropped = desk.beside(b"a newer one,a secret"), desk.beside(b"a newer one")

    assert [await rotated.is_known(credential) for credential in (token, key)] == [True, True]
    assert [await dropped.is_known(credential) for credential in (token, key)] == [False, False]


async def test_who_was_revoked_elsewhere_is_refused_after_a_refresh(desk: Desk) -> None:
    begun, elsewhere = await desk.minted(), desk.beside()
    await desk.store.revoke(begun.identity.user_id)

    assert await elsewhere.is_known(begun.token)
    await elsewhere.revocations.refresh()
    assert not await elsewhere.is_known(begun.token)

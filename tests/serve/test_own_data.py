"""One's own data: all of it is shown, all of it is gone after, and so is its owner."""

from scalix_free.core.errors import Code, Refusal
from scalix_free.storage.tables import metadata
from tests.serve.conftest import HERE, Desk

DAY = 86_400_000


async def test_an_account_s_rows_are_shown_and_erased(desk: Desk) -> None:
    verified = await desk.registered()
    caller = await desk.caller(verified.new_key.key)
    await desk.accounts.sign_in(HERE, "ann@example.org")  # one more is under way
    elsewhere = desk.beside()
    assert await elsewhere.is_known(verified.new_key.key)

    shown = await desk.own_data.export(caller)
    assert not isinstance(shown, Refusal)
    assert set(shown) == {"accounts", "api_keys", "sign_ins"}
    assert shown["accounts"][0]["email"] == "ann@example.org"

    assert await desk.own_data.erase(caller) is None
    assert await desk.own_data.export(caller) == {}
    assert not await desk.is_known(verified.new_key.key)
    desk.clock.advance(30_000)
    assert not await elsewhere.is_known(verified.new_key.key)
    assert isinstance(await desk.accounts.verify_token(desk.mail.token), Refusal)


async def test_a_session_s_rows_are_shown_and_erased(desk: Desk) -> None:
    begun, other = await desk.minted(), await desk.minted()
    caller = await desk.caller(begun.token)
    elsewhere = desk.beside()

    shown = await desk.own_data.export(caller)
    assert not isinstance(shown, Refusal)
    assert set(shown) == {"sessions"}

    assert await desk.own_data.erase(caller) is None
    assert desk.forgotten == [caller.subjects[0].key]
    assert await desk.session(begun.identity.user_id) is None
    assert await desk.own_data.export(caller) == {}
    assert not await desk.is_known(begun.token)
    assert await desk.is_known(other.token)

    assert await elsewhere.is_known(begun.token)
    await elsewhere.revocations.refresh()
    assert not await elsewhere.is_known(begun.token)


async def test_an_erased_session_stays_refused_until_its_token_ends(desk: Desk) -> None:
    begun = await desk.minted()
    await desk.own_data.erase(await desk.caller(begun.token))

    for _ in range(30):
        fresh = desk.beside()
        await fresh.revocations.refresh()
        assert not await fresh.is_known(begun.token)
        desk.clock.advance(DAY)
    assert await desk.store.revoked(desk.clock()) == frozenset()


async def test_nothing_left_names_who_was_erased(desk: Desk) -> None:
    begun, verified = await desk.minted(), await desk.registered()
    for credential in (begun.token, verified.new_key.key):
        await desk.own_data.erase(await desk.caller(credential))

    left = "\n".join(await dump(desk))
    assert "CREATE TABLE erased" in left
    for trace in (
        *(begun.identity.user_id, begun.identity.session_id, "a browser"),
        *("ann@example.org", verified.account.id, verified.new_key.entry.shown),
    ):
        assert trace not in left


async def test_without_a_credential_there_is_nothing_of_one_s_own(desk: Desk) -> None:
    caller = await desk.caller("")

    for found in (await desk.own_data.export(caller), await desk.own_data.erase(caller)):
        assert isinstance(found, Refusal)
        assert found.code is Code.INVALID_API_KEY


async def dump(desk: Desk) -> list[str]:
    """Everything that stands in the database."""
    lines = []
    async with desk.store._database.transaction() as connection:
        for table in metadata.sorted_tables:
            lines.append(f"CREATE TABLE {table.name}")
            lines += [str(tuple(row)) for row in await connection.execute(table.select())]
    return lines

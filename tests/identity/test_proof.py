"""What an identity costs, and puzzles that are paid with."""

import base64
import json
import time
from typing import Any

import altcha
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scalix_free.identity.keyring import Keyring
from scalix_free.identity.proof import (
    BASE_TRIES,
    LIFETIME_S,
    MOST_DOUBLINGS,
    Challenge,
    Puzzles,
    Solved,
    price,
)
from tests.core.held_clock import HeldClock

HERE, THERE = b"h" * 16, b"t" * 16
KEYRING = Keyring(b"a secret")


def solve(challenge: Challenge) -> str:
    """As a client does it who knows nothing of us."""
    read = altcha.Challenge.from_dict(dict(challenge))
    solution = altcha.solve_challenge(read)
    assert solution is not None
    return altcha.Payload(read, solution).to_base64()


@pytest.fixture
def clock() -> HeldClock:
    return HeldClock()


@pytest.fixture
def puzzles(clock: HeldClock) -> Puzzles:
    return Puzzles(KEYRING, clock, below=lambda most: 0)


# ── Prices ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("mode", "of_address", "of_network", "doublings"),
    [
        ("auto", 1, 1, None),
        ("auto", 2, 30, None),
        ("auto", 3, 3, 0),
        ("auto", 6, 6, 0),
        ("auto", 7, 7, 1),
        ("auto", 9, 9, 3),
        ("auto", 1, 31, 1),
        ("auto", 3, 33, 3),
        ("auto", 8, 31, 2),
        ("always", 1, 1, 0),
        ("always", 6, 30, 0),
        ("always", 7, 30, 1),
        ("never", 1_000, 1_000, None),
        ("auto", 900, 900, MOST_DOUBLINGS),
    ],
)
def test_the_price_by_example(
    mode: Any, of_address: int, of_network: int, doublings: int | None
) -> None:
    found = price(
        mode, of_address=of_address, of_network=of_network, address_most=6, network_most=30
    )

    assert found == doublings


def test_a_lifted_figure_doubles_nothing() -> None:
    for nth in (3, 1_000):
        assert (
            price("auto", of_address=nth, of_network=nth, address_most=None, network_most=None) == 0
        )


@given(st.integers(1, 200), st.integers(1, 200), st.integers(1, 50), st.integers(1, 50))
def test_a_later_identity_is_never_cheaper(
    of_address: int, of_network: int, address_most: int, network_most: int
) -> None:
    def cost(address: int, network: int) -> int:
        found = price(
            "auto",
            of_address=address,
            of_network=network,
            address_most=address_most,
            network_most=network_most,
        )
        return -1 if found is None else found

    now = cost(of_address, of_network)
    assert now <= cost(of_address + 1, of_network) <= max(now + 1, 1)
    assert now <= cost(of_address, of_network + 1) <= max(now + 1, 1)


# ── Puzzles ──────────────────────────────────────────────────────────────────────────────────


def test_a_solved_puzzle_pays_for_what_it_was_set_for(puzzles: Puzzles, clock: HeldClock) -> None:
    solved = puzzles.check(solve(puzzles.set("session", HERE, 0)), "session", HERE, 0)

    assert isinstance(solved, Solved)
    assert len(solved.nonce) == 16
    assert 0 < solved.expires_ms - clock() <= LIFETIME_S * 1000


def test_no_two_puzzles_are_the_same(puzzles: Puzzles) -> None:
    found = [
        puzzles.check(solve(puzzles.set("session", HERE, 0)), "session", HERE, 0) for _ in range(2)
    ]

    assert len({solved.nonce for solved in found if solved}) == 2


def test_it_pays_for_nothing_else(puzzles: Puzzles) -> None:
    payload = solve(puzzles.set("session", HERE, 1))

    assert puzzles.check(payload, "session", HERE, 0)
    assert puzzles.check(payload, "session", HERE, 1)
    assert puzzles.check(payload, "session", HERE, 2) is None
    assert puzzles.check(payload, "session", THERE, 1) is None
    assert puzzles.check(payload, "other", HERE, 1) is None


def test_it_is_good_for_five_minutes(puzzles: Puzzles, clock: HeldClock) -> None:
    payload = solve(puzzles.set("session", HERE, 0))

    clock.advance((LIFETIME_S - 1) * 1000)
    assert puzzles.check(payload, "session", HERE, 0)
    clock.advance(1000)
    assert puzzles.check(payload, "session", HERE, 0) is None


def test_a_puzzle_of_another_server_is_none_of_ours(clock: HeldClock) -> None:
    other = Puzzles(Keyring(b"another secret"), clock, below=lambda most: 0)
    ours = Puzzles(KEYRING, clock)

    assert ours.check(solve(other.set("session", HERE, 0)), "session", HERE, 0) is None


def altered(payload: str, path: str, value: object) -> str:
    read = json.loads(base64.b64decode(payload))
    *tables, last = path.split(".")
    place = read
    for table in tables:
        place = place[table]
    place[last] = value
    return base64.b64encode(json.dumps(read).encode()).decode()


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("challenge.parameters.data", {"action": "session", "for": THERE.hex(), "doublings": 0}),
        ("challenge.parameters.data", None),
        ("challenge.parameters.expiresAt", 4_000_000_000),
        ("challenge.parameters.expiresAt", None),
        ("challenge.parameters.cost", 1),
        ("challenge.parameters.keyPrefix", "00"),
        ("challenge.parameters.keySignature", None),
        ("challenge.parameters.nonce", "ab" * 16),
        ("challenge.parameters.nonce", 7),
        ("challenge.parameters", {}),
        ("challenge.parameters", []),
        ("challenge.signature", None),
        ("challenge", None),
        ("challenge", "text"),
        ("solution.derivedKey", "00" * 32),
        ("solution.derivedKey", ""),
        ("solution", {}),
        ("solution", None),
    ],
)
def test_an_altered_solution_is_none(puzzles: Puzzles, path: str, value: object) -> None:
    payload = solve(puzzles.set("session", HERE, 0))
    assert puzzles.check(payload, "session", HERE, 0)

    for bucket in (HERE, THERE):
        assert puzzles.check(altered(payload, path, value), "session", bucket, 0) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.text() | JSON.map(lambda value: base64.b64encode(json.dumps(value).encode()).decode()))
def test_no_payload_makes_it_stumble(payload: str) -> None:
    assert Puzzles(KEYRING, HeldClock()).check(payload, "session", HERE, 0) is None


def test_a_deep_or_long_payload_is_none(puzzles: Puzzles) -> None:
    for text in ("[" * 3_000, '{"challenge": ' * 200, "1" * 5_000):
        payload = base64.b64encode(text.encode()).decode()
        assert puzzles.check(payload, "session", HERE, 0) is None


# ── Costs ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("doublings", [0, 1, 3])
def test_the_work_has_bounds(clock: HeldClock, doublings: int) -> None:
    """At least the price, at most twice of it."""
    tries = BASE_TRIES << doublings
    for drawn in (0, tries - 1):
        asked: list[int] = []

        def below(most: int, drawn: int = drawn, asked: list[int] = asked) -> int:
            asked.append(most)
            return drawn

        challenge = Puzzles(KEYRING, clock, below=below).set("session", HERE, doublings)
        read = altcha.Challenge.from_dict(dict(challenge))
        solution = altcha.solve_challenge(read, counter_start=tries + drawn)

        assert asked == [tries]
        assert solution is not None
        assert solution.counter == tries + drawn


def test_checking_takes_less_than_a_millisecond(puzzles: Puzzles) -> None:
    """It runs on the event loop. The best of many, since this machine has other work too."""
    payload = solve(puzzles.set("session", HERE, 0))
    took_ns = []
    for _ in range(50):
        began = time.thread_time_ns()
        puzzles.check(payload, "session", HERE, 0)
        took_ns.append(time.thread_time_ns() - began)

    assert min(took_ns) < 1_000_000


def test_the_dearest_puzzle_can_be_set(puzzles: Puzzles) -> None:
    assert puzzles.set("session", HERE, MOST_DOUBLINGS)["parameters"]

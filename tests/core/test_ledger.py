"""The arithmetic of people's limits, example by example: read it as the specification."""

from collections.abc import Sequence

import pytest

from scalix_free.core.ledger import (
    BEAT_MS,
    CONCURRENCY_RETRY_MS,
    LEASE_MS,
    LEAST_OUTPUT_TOKENS,
    MOST_ROWS,
    SUB_BUCKETS,
    TURN_MS,
    Admitted,
    Ask,
    Book,
    Denied,
    Entry,
    Level,
    Limit,
    Policy,
    Subject,
    Unit,
    admit,
    beat,
    enter,
    levels,
    pack,
    refund,
    settle,
    tag_of,
    unpack,
)
from tests.core.held_clock import NOON

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR

HOURLY = Limit("requests_hour", Unit.REQUESTS, 3, HOUR)
DAILY = Limit("requests_day", Unit.REQUESTS, 5, DAY)
TOKENS = Limit("tokens_day", Unit.TOKENS, 1_000, DAY)
CALLS = Limit("concurrent", Unit.CALLS, 2)


def person(*limits: Limit) -> Book:
    """The book of somebody whose calls stay open until they are settled."""
    return Book(Policy("person", limits))


def address(*limits: Limit) -> Book:
    """The book of somewhere: it counts arrivals, and nothing of theirs stays open."""
    return Book(Policy("address", limits, leased=False))


def rid(n: int) -> bytes:
    return n.to_bytes(16, "little")


def asking(n: int, prompt: int = 10, output: int = 90) -> Ask:
    return Ask(rid(n), (), prompt, output)


def yes(books: Book | Sequence[Book], ask: Ask, now: int) -> Admitted:
    verdict = admit([books] if isinstance(books, Book) else books, ask, now)
    assert isinstance(verdict, Admitted), verdict
    return verdict


def no(books: Book | Sequence[Book], ask: Ask, now: int) -> Denied:
    verdict = admit([books] if isinstance(books, Book) else books, ask, now)
    assert isinstance(verdict, Denied), verdict
    return verdict


def level(book: Book, limit: Limit, now: int) -> Level:
    return next(level for level in levels(book, now) if level.limit == limit)


def used(book: Book, limit: Limit, now: int) -> int:
    return level(book, limit, now).used


# ── Windows ──────────────────────────────────────────────────────────────────────────────────


def test_as_many_requests_fit_a_window_as_it_says() -> None:
    book = person(HOURLY)
    remaining = [yes(book, asking(n), NOON + n).levels[0].remaining for n in range(3)]

    assert remaining == [2, 1, 0]
    assert no(book, asking(3), NOON + 3).used == 3


def test_a_request_leaves_its_window_exactly_when_the_window_has_passed() -> None:
    book = person(HOURLY)
    for n in range(3):
        yes(book, asking(n), NOON + n)

    assert used(book, HOURLY, NOON + HOUR - 1) == 3
    assert used(book, HOURLY, NOON + HOUR) == 2
    assert used(book, HOURLY, NOON + HOUR + 1) == 1
    assert used(book, HOURLY, NOON + HOUR + 2) == 0


def test_a_denial_says_to_the_millisecond_when_to_come_back() -> None:
    book = person(HOURLY)
    for n in range(3):
        yes(book, asking(n), NOON + n)
    now = NOON + 20 * MINUTE
    denied = no(book, asking(3), now)

    assert (denied.limit, denied.own, denied.retry_ms) == (HOURLY, True, 40 * MINUTE)
    no(book, asking(3), now + 40 * MINUTE - 1)
    yes(book, asking(3), now + 40 * MINUTE)


def test_a_denial_reports_the_levels_of_now() -> None:
    book = person(HOURLY, Limit("requests_day", Unit.REQUESTS, 1, DAY))
    yes(book, asking(0), NOON)

    assert no(book, asking(1), NOON + HOUR).levels[0] == Level(HOURLY, 0, None)


def test_a_window_resets_when_its_oldest_request_leaves() -> None:
    book = person(HOURLY, DAILY)
    assert [level.resets_at_ms for level in levels(book, NOON)] == [None, None]
    yes(book, asking(0), NOON)
    yes(book, asking(1), NOON + MINUTE)

    assert [level.resets_at_ms for level in levels(book, NOON + MINUTE)] == [
        NOON + HOUR,
        NOON + DAY,
    ]
    later = NOON + HOUR
    assert [level.resets_at_ms for level in levels(book, later)] == [later + MINUTE, NOON + DAY]


def test_a_token_window_gives_back_what_each_request_took() -> None:
    book = person(TOKENS)
    for n, tokens in enumerate((300, 600)):
        yes(book, asking(n), NOON + n)
        settle([book], rid(n), tokens, NOON + n)
    denied = no(book, asking(2, prompt=400), NOON + MINUTE)

    assert (denied.limit, denied.used) == (TOKENS, 900)
    # 464 are needed, 100 are left: the first request's 300 are not enough.
    assert denied.retry_ms == DAY + 1 - MINUTE
    no(book, asking(2, prompt=400), NOON + DAY)
    yes(book, asking(2, prompt=400), NOON + DAY + 1)


def test_a_lifted_limit_counts_nothing_and_denies_nothing() -> None:
    lifted = Limit("requests_hour", Unit.REQUESTS, None, HOUR)
    book = person(lifted, Limit("concurrent", Unit.CALLS, None))
    for n in range(50):
        yes(book, asking(n), NOON)

    assert levels(book, NOON)[0] == Level(lifted, 0, None)
    assert levels(book, NOON)[0].remaining is None
    assert levels(book, NOON)[1].remaining is None


def test_without_windows_only_open_calls_are_remembered() -> None:
    book = person(CALLS)
    yes(book, asking(0), NOON)
    assert not book.empty
    settle([book], rid(0), 10, NOON)

    assert book.empty


@pytest.mark.parametrize("window", [MINUTE, HOUR, DAY])
def test_a_settled_request_is_forgotten_with_its_longest_window(window: int) -> None:
    book = person(Limit("requests", Unit.REQUESTS, 5, window))
    yes(book, asking(0), NOON)
    settle([book], rid(0), 10, NOON)
    yes(book, asking(1), NOON + window - 1)
    assert book.row(rid(0)) is not None
    yes(book, asking(2), NOON + window)

    assert book.row(rid(0)) is None
    assert book.row(rid(1)) is not None


def test_a_request_counts_in_a_longer_window_when_it_has_left_a_shorter_one() -> None:
    book = address(HOURLY, DAILY)
    yes(book, asking(0), NOON)
    yes(book, asking(1), NOON + HOUR)

    assert [level.used for level in levels(book, NOON + HOUR)] == [1, 2]


# ── Calls in flight ──────────────────────────────────────────────────────────────────────────


def test_a_call_holds_its_slot_until_it_is_settled() -> None:
    book = person(CALLS)
    yes(book, asking(0), NOON)
    yes(book, asking(1), NOON)
    denied = no(book, asking(2), NOON)
    settle([book], rid(0), 50, NOON + 1)

    assert (denied.limit, denied.used) == (CALLS, 2)
    yes(book, asking(2), NOON + 1)


def test_when_a_call_ends_nobody_knows_so_the_advice_is_two_seconds() -> None:
    book = person(CALLS)
    for n in range(2):
        yes(book, asking(n), NOON)

    for wait in (0, 1, LEASE_MS - 1):
        assert no(book, asking(2), NOON + wait).retry_ms == 2_000 == CONCURRENCY_RETRY_MS


def test_slots_have_no_reset() -> None:
    book = person(CALLS)
    yes(book, asking(0), NOON)

    assert levels(book, NOON) == (Level(CALLS, 1, None),)


# ── Waits ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("since", [0, HOUR])
def test_what_has_left_a_window_is_not_waited_for(since: int) -> None:
    now = NOON + HOUR + since
    hourly = Limit("tokens_hour", Unit.TOKENS, 1_000, HOUR)
    book, wallet, shared = person(HOURLY, DAILY), person(DAILY, hourly), address(DAILY, USERS)
    yes(book, asking(0), NOON)
    yes(wallet, asking(0), NOON)
    settle([wallet], rid(0), 900, NOON)
    yes(shared, by(0, 0), NOON)
    for n in (1, 2, 3):
        yes(book, asking(n), now)
    yes(wallet, asking(1), now)
    settle([wallet], rid(1), 900, now)
    for n in (1, 2):
        yes(shared, by(n, n), now)

    assert no(book, asking(4), now).retry_ms == HOUR
    assert no(wallet, asking(2, prompt=100), now).retry_ms == HOUR
    assert no(shared, by(4, 4), now).retry_ms == HOUR
    assert level(shared, USERS, now) == Level(USERS, 2, now + HOUR)


# ── Leases ───────────────────────────────────────────────────────────────────────────────────


def test_a_caller_who_is_not_heard_of_for_45_seconds_is_dead() -> None:
    assert (LEASE_MS, BEAT_MS) == (45_000, 15_000)
    book = person(HOURLY, TOKENS, CALLS)
    yes(book, asking(0, prompt=10, output=90), NOON)

    assert [level.used for level in levels(book, NOON + 44_999)] == [1, 100, 1]
    # The slot is free, the request stays charged, and of the tokens those known to be spent.
    assert [level.used for level in levels(book, NOON + 45_000)] == [1, 10, 0]


def test_a_beat_renews_the_lease_and_notes_what_was_spent() -> None:
    book = person(TOKENS, CALLS)
    yes(book, asking(0, prompt=10, output=90), NOON)
    assert beat(book, rid(0), 40, NOON + 15_000)

    assert [level.used for level in levels(book, NOON + 59_999)] == [100, 1]
    assert [level.used for level in levels(book, NOON + 60_000)] == [40, 0]


def test_who_was_found_dead_stays_dead_when_the_clock_goes_back() -> None:
    book = person(CALLS)
    yes(book, asking(0), NOON)
    yes(book, asking(1), NOON)
    settle([book], rid(1), 5, NOON + LEASE_MS)

    assert used(book, CALLS, NOON + LEASE_MS - 1) == 0


def test_a_late_settlement_still_corrects_the_charge() -> None:
    book = person(HOURLY, TOKENS, CALLS)
    yes(book, asking(0, prompt=10, output=90), NOON)
    assert used(book, TOKENS, NOON + LEASE_MS) == 10

    assert settle([book], rid(0), 70, NOON + 2 * LEASE_MS)
    assert [level.used for level in levels(book, NOON + 2 * LEASE_MS)] == [1, 70, 0]
    assert not settle([book], rid(0), 5, NOON + 2 * LEASE_MS)


def test_a_dead_caller_s_request_waits_ten_minutes_for_its_settlement() -> None:
    book = person(CALLS, Limit("tokens", Unit.TOKENS, 1_000, MINUTE))
    yes(book, asking(0), NOON)
    yes(book, asking(1), NOON + 10 * MINUTE - 1)
    again = unpack(pack(book), book.policy)

    assert settle([book], rid(0), 70, NOON + 10 * MINUTE - 1)
    yes(again, asking(2), NOON + 10 * MINUTE)
    assert not settle([again], rid(0), 70, NOON + 10 * MINUTE)


def test_a_late_beat_notes_the_tokens_and_does_not_reopen_the_call() -> None:
    book = person(TOKENS, CALLS)
    yes(book, asking(0, prompt=10, output=90), NOON)
    assert beat(book, rid(0), 60, NOON + LEASE_MS)

    assert [level.used for level in levels(book, NOON + LEASE_MS)] == [60, 0]
    assert settle([book], rid(0), 70, NOON + LEASE_MS)
    assert used(book, TOKENS, NOON + LEASE_MS) == 70


def test_a_slot_that_was_taken_over_is_not_taken_back() -> None:
    book = person(Limit("concurrent", Unit.CALLS, 1))
    yes(book, asking(0), NOON)
    yes(book, asking(1), NOON + LEASE_MS)
    beat(book, rid(0), 20, NOON + LEASE_MS)
    settle([book], rid(0), 30, NOON + LEASE_MS)

    assert levels(book, NOON + LEASE_MS)[0].used == 1
    settle([book], rid(1), 30, NOON + LEASE_MS)
    assert levels(book, NOON + LEASE_MS)[0].used == 0


def test_the_wait_for_tokens_counts_on_the_death_of_a_silent_caller() -> None:
    book = person(TOKENS)
    yes(book, asking(0, prompt=10, output=990), NOON)

    assert no(book, asking(1), NOON + 1).retry_ms == LEASE_MS - 1
    # The reset, however, supposes that all calls end as they should.
    assert level(book, TOKENS, NOON + 1).resets_at_ms == NOON + DAY


def test_the_death_of_a_caller_gives_back_what_was_not_spent_and_no_more() -> None:
    book = person(TOKENS)
    yes(book, asking(0, prompt=600, output=400), NOON)

    assert no(book, asking(1, prompt=400), NOON).retry_ms == DAY


# ── Settlement and refund ────────────────────────────────────────────────────────────────────


def test_a_settlement_puts_the_real_price_in_place_of_the_reserved_one() -> None:
    book = person(HOURLY, TOKENS, CALLS)
    yes(book, asking(0, prompt=10, output=90), NOON)
    assert [level.used for level in levels(book, NOON)] == [1, 100, 1]

    assert settle([book], rid(0), 37, NOON + 9)
    assert [level.used for level in levels(book, NOON + 9)] == [1, 37, 0]


def test_a_price_above_the_reserved_one_is_carried_as_debt() -> None:
    book = person(TOKENS)
    yes(book, asking(0, prompt=10, output=990), NOON)
    settle([book], rid(0), 1_200, NOON)

    assert (used(book, TOKENS, NOON), level(book, TOKENS, NOON).remaining) == (1_200, 0)
    assert no(book, asking(1), NOON).retry_ms == DAY


def test_a_request_is_settled_once() -> None:
    book = person(HOURLY, TOKENS)
    yes(book, asking(0), NOON)

    assert settle([book], rid(0), 20, NOON)
    assert not settle([book], rid(0), 90, NOON, counts=False)
    assert not beat(book, rid(0), 90, NOON)
    assert not refund([book], rid(0))
    assert [level.used for level in levels(book, NOON)] == [1, 20]


def test_a_refund_undoes_an_admission_in_all_its_books() -> None:
    own, shared = person(HOURLY, TOKENS, CALLS), address(HOURLY)
    before = pack(own), pack(shared)
    yes([own, shared], asking(0), NOON)

    assert refund([own, shared], rid(0))
    assert (pack(own), pack(shared)) == before
    assert [level.used for level in levels(own, NOON)] == [0, 0, 0]
    assert not refund([own, shared], rid(0))
    yes([own, shared], asking(0), NOON)


def test_a_refund_leaves_the_others_where_they_are() -> None:
    book = person(HOURLY)
    for n in range(3):
        yes(book, asking(n), NOON + n)
    refund([book], rid(1))
    again = unpack(pack(book), book.policy)

    assert level(again, HOURLY, NOON + 3) == Level(HOURLY, 2, NOON + HOUR)
    assert refund([again], rid(0))
    assert level(again, HOURLY, NOON + 3) == Level(HOURLY, 1, NOON + 2 + HOUR)
    assert refund([again], rid(2))


def test_a_dead_caller_s_request_can_still_be_refunded() -> None:
    own, shared = person(HOURLY, TOKENS, CALLS), address(HOURLY)
    yes([own, shared], asking(0), NOON)

    assert used(own, TOKENS, NOON + LEASE_MS) == 10
    assert refund([own, shared], rid(0))
    assert [level.used for level in levels(own, NOON + LEASE_MS)] == [0, 0, 0]
    assert used(shared, HOURLY, NOON + LEASE_MS) == 0


def test_a_request_given_back_keeps_the_tokens_that_were_relayed() -> None:
    own, shared, network = person(HOURLY, TOKENS, CALLS), address(HOURLY), address(DAILY)
    books = [own, shared, network]
    yes(books, asking(0), NOON)
    yes(books, asking(1), NOON + 1)

    assert settle(books, rid(0), 25, NOON + 2, counts=False)
    assert [level.used for level in levels(own, NOON + 2)] == [1, 125, 1]
    assert (used(shared, HOURLY, NOON + 2), used(network, DAILY, NOON + 2)) == (1, 1)
    # The window of requests resets with the one that still counts, that of tokens with the other.
    assert level(own, HOURLY, NOON + 2).resets_at_ms == NOON + 1 + HOUR
    assert level(own, TOKENS, NOON + 2).resets_at_ms == NOON + DAY


def test_a_window_resets_when_the_oldest_that_counts_leaves() -> None:
    book = person(HOURLY)
    for n in range(3):
        yes(book, asking(n), NOON + n)
    settle([book], rid(0), 5, NOON + 3, counts=False)

    assert level(book, HOURLY, NOON + 3) == Level(HOURLY, 2, NOON + 1 + HOUR)


def test_what_is_not_known_changes_nothing() -> None:
    own, shared = person(HOURLY, TOKENS, CALLS), address(HOURLY)
    yes([own, shared], asking(0), NOON)
    before = pack(own), pack(shared)

    assert not settle([own, shared], rid(9), 10, NOON)
    assert not settle([own, shared], rid(9), 10, NOON, counts=False)
    assert not beat(own, rid(9), 10, NOON)
    assert not refund([own, shared], rid(9))
    assert (pack(own), pack(shared)) == before


# ── The size of an answer ────────────────────────────────────────────────────────────────────


def test_what_is_reserved_is_the_prompt_and_the_longest_answer() -> None:
    book = person(TOKENS)
    verdict = yes(book, asking(0, prompt=100, output=300), NOON)

    assert verdict.output_tokens == 300
    assert used(book, TOKENS, NOON) == 400


def test_the_longest_answer_is_lowered_to_what_is_left() -> None:
    book = person(TOKENS)
    verdict = yes(book, asking(0, prompt=900, output=5_000), NOON)

    assert verdict.output_tokens == 100
    assert level(book, TOKENS, NOON).remaining == 0


def test_the_longest_answer_is_lowered_by_what_was_spent_before() -> None:
    book = person(TOKENS)
    yes(book, asking(0), NOON)
    settle([book], rid(0), 300, NOON)

    assert yes(book, asking(1, prompt=100, output=5_000), NOON).output_tokens == 600


def test_with_room_for_less_than_64_tokens_of_answer_a_model_is_not_asked() -> None:
    assert LEAST_OUTPUT_TOKENS == 64
    assert yes(person(TOKENS), asking(0, prompt=936, output=500), NOON).output_tokens == 64
    assert no(person(TOKENS), asking(0, prompt=937, output=500), NOON).limit == TOKENS


def test_who_wants_less_than_64_tokens_needs_no_more_room_than_that() -> None:
    book = person(TOKENS)

    assert yes(book, asking(0, prompt=995, output=5), NOON).output_tokens == 5
    assert isinstance(admit([person(TOKENS)], asking(0, prompt=996, output=5), NOON), Denied)


def test_for_a_request_that_could_never_fit_no_waiting_helps() -> None:
    book = person(HOURLY, TOKENS)

    assert no(book, asking(0, prompt=937, output=64), NOON).retry_ms is None
    zero = person(Limit("requests_hour", Unit.REQUESTS, 0, HOUR))
    assert no(zero, asking(0), NOON).retry_ms is None


# ── Repeats ──────────────────────────────────────────────────────────────────────────────────


def test_repeating_an_ask_answers_the_same_and_writes_nothing() -> None:
    own, shared = person(HOURLY, TOKENS, CALLS), address(HOURLY)
    first = yes([own, shared], asking(0, prompt=900, output=500), NOON)
    before = pack(own), pack(shared)

    assert yes([own, shared], asking(0, prompt=900, output=500), NOON) == first
    assert (pack(own), pack(shared)) == before


def test_an_admitted_request_is_admitted_again_however_full_its_windows_are() -> None:
    book = person(HOURLY)
    for n in range(3):
        yes(book, asking(n), NOON)

    yes(book, asking(1), NOON)
    no(book, asking(3), NOON)


def test_repeating_an_ask_reports_the_levels_of_now() -> None:
    book = person(HOURLY)
    yes(book, asking(0), NOON)

    assert yes(book, asking(0), NOON + HOUR).levels == (Level(HOURLY, 0, None),)


@pytest.mark.parametrize("spent", [4, 10])
def test_repeating_the_ask_of_a_dead_caller_promises_no_answer(spent: int) -> None:
    book = person(TOKENS)
    yes(book, asking(0, prompt=10, output=90), NOON)
    beat(book, rid(0), spent, NOON)

    assert yes(book, asking(0, prompt=10, output=90), NOON + LEASE_MS).output_tokens == 0


def test_who_needs_no_report_gets_none_and_is_counted_the_same() -> None:
    book = person(HOURLY)

    assert yes(book, asking(0)._replace(report=False), NOON).levels == ()
    assert used(book, HOURLY, NOON) == 1


# ── Several limits at once ───────────────────────────────────────────────────────────────────


def test_the_limit_that_has_to_be_waited_for_longest_is_reported() -> None:
    five_a_minute = Limit("requests_minute", Unit.REQUESTS, 5, MINUTE)
    book = person(five_a_minute, DAILY, Limit("requests_hour", Unit.REQUESTS, 5, HOUR))
    for n in range(5):
        yes(book, asking(n), NOON)
    denied = no(book, asking(5), NOON + 1)

    assert (denied.limit, denied.retry_ms) == (DAILY, DAY - 1)


def test_a_limit_that_can_never_be_met_is_reported_before_any_wait() -> None:
    book = person(Limit("requests_day", Unit.REQUESTS, 1, DAY), TOKENS)
    yes(book, asking(0), NOON)
    denied = no(book, asking(1, prompt=2_000), NOON)

    assert (denied.limit, denied.retry_ms) == (TOKENS, None)


def test_two_seconds_of_concurrency_are_compared_with_the_other_waits() -> None:
    book = person(Limit("requests_hour", Unit.REQUESTS, 1, HOUR), Limit("c", Unit.CALLS, 1))
    yes(book, asking(0), NOON)

    assert no(book, asking(1), NOON).limit.unit is Unit.REQUESTS
    assert no(book, asking(1), NOON + LEASE_MS - 1).limit.unit is Unit.REQUESTS


# ── Several books at once ────────────────────────────────────────────────────────────────────


def test_a_request_counts_against_all_its_subjects() -> None:
    own, shared, network = person(HOURLY), address(DAILY), address(DAILY)
    verdict = yes([own, shared, network], asking(0), NOON)

    assert [level.used for level in verdict.levels] == [1]
    assert (used(shared, DAILY, NOON), used(network, DAILY, NOON)) == (1, 1)


def test_nothing_is_written_in_any_book_when_one_of_them_has_no_room() -> None:
    full = address(Limit("address_hour", Unit.REQUESTS, 1, HOUR))
    yes([person(HOURLY), full], asking(0), NOON)
    own, network = person(HOURLY, TOKENS, CALLS), address(DAILY)
    before = [pack(book) for book in (own, full, network)]
    denied = no([own, full, network], asking(1), NOON)

    assert (denied.limit.name, denied.own) == ("address_hour", False)
    assert [pack(book) for book in (own, full, network)] == before
    assert [level.used for level in denied.levels] == [0, 0, 0]


def test_neighbours_share_their_address_and_keep_their_own_limits() -> None:
    shared = address(Limit("address_hour", Unit.REQUESTS, 4, HOUR))
    ann, bob = person(HOURLY), person(HOURLY)
    for n in range(3):
        yes([ann, shared], asking(n), NOON)
    assert no([ann, shared], asking(3), NOON).own
    yes([bob, shared], asking(4), NOON)

    assert not no([bob, shared], asking(5), NOON).own


def test_where_calls_are_not_held_open_only_arrivals_count() -> None:
    own, shared = person(CALLS), address(Limit("address_hour", Unit.REQUESTS, 9, HOUR), CALLS)
    for n in range(3):
        yes([own, shared], asking(n), NOON)
        settle([own], rid(n), 20, NOON)

    assert [level.used for level in levels(shared, NOON)] == [3, 0]


# ── Denials that may be remembered ───────────────────────────────────────────────────────────


def test_a_denial_lasts_when_only_time_can_change_it() -> None:
    book = person(Limit("requests_hour", Unit.REQUESTS, 1, HOUR))
    yes(book, asking(0), NOON)
    assert not no(book, asking(1), NOON).lasting, "the open request may yet be given back"
    settle([book], rid(0), 10, NOON)

    assert no(book, asking(1), NOON).lasting


def test_a_denial_does_not_last_while_a_late_settlement_may_give_a_request_back() -> None:
    book = person(Limit("requests_hour", Unit.REQUESTS, 1, HOUR))
    yes(book, asking(0), NOON)
    denied = no(book, asking(1), NOON + LEASE_MS)
    assert settle([book], rid(0), 10, NOON + LEASE_MS, counts=False)
    yes(book, asking(1), NOON + LEASE_MS)

    assert not denied.lasting


def test_a_denial_lasts_only_when_nothing_that_counts_may_be_given_back() -> None:
    book = person(Limit("requests_hour", Unit.REQUESTS, 2, HOUR))
    for n in range(2):
        yes(book, asking(n), NOON)
    settle([book], rid(0), 10, NOON)

    assert not no(book, asking(2), NOON).lasting


def test_neighbours_tokens_and_slots_never_make_a_lasting_denial() -> None:
    full = address(Limit("address_hour", Unit.REQUESTS, 1, HOUR))
    yes([person(HOURLY), full], asking(0), NOON)
    assert not no([person(HOURLY), full], asking(1), NOON).lasting

    book = person(TOKENS)
    yes(book, asking(0, output=990), NOON)
    settle([book], rid(0), 1_000, NOON)
    assert not no(book, asking(1), NOON).lasting


# ── Windows kept in sub-buckets ──────────────────────────────────────────────────────────────

MANY = Limit("requests_hour", Unit.REQUESTS, 1_001, HOUR)
EVEN_MORE = Limit("tokens_day", Unit.TOKENS, 100_000, DAY)


@pytest.mark.parametrize(
    ("limits", "exact"),
    [
        ([Limit("r", Unit.REQUESTS, MOST_ROWS, DAY)], [True]),
        ([Limit("r", Unit.REQUESTS, MOST_ROWS + 1, DAY)], [False]),
        ([Limit("r", Unit.REQUESTS, None, DAY)], [False]),
        # Tokens are counted row by row where a request window bounds the rows for as long.
        ([Limit("r", Unit.REQUESTS, 50, DAY), EVEN_MORE], [True, True]),
        ([Limit("r", Unit.REQUESTS, MOST_ROWS, DAY), EVEN_MORE], [True, True]),
        ([Limit("r", Unit.REQUESTS, 50, HOUR), EVEN_MORE], [True, False]),
        ([HOURLY, DAILY, EVEN_MORE], [True, True, True]),
        ([Limit("t", Unit.TOKENS, 100_000, 1)], [False]),
        ([Limit("r", Unit.REQUESTS, MOST_ROWS + 1, DAY), EVEN_MORE], [False, False]),
        ([Limit("t", Unit.TOKENS, MOST_ROWS, DAY)], [True]),
    ],
)
def test_a_window_whose_rows_would_be_too_many_is_not_kept_row_by_row(
    limits: Sequence[Limit], exact: Sequence[bool]
) -> None:
    policy = Policy("person", tuple(limits))

    assert [policy.is_exact(limit) for limit in limits] == exact


def test_the_oldest_sub_bucket_counts_whole_until_its_last_moment_has_left() -> None:
    part = HOUR // SUB_BUCKETS
    begin = NOON - NOON % part
    book = address(MANY)
    yes(book, asking(0), begin)
    yes(book, asking(1), begin + part - 1)

    assert level(book, MANY, begin + part).resets_at_ms == begin + part - 1 + HOUR
    assert used(book, MANY, begin + part - 2 + HOUR) == 2
    assert used(book, MANY, begin + part - 1 + HOUR) == 0


def test_a_large_window_admits_as_many_as_it_says_and_keeps_no_rows() -> None:
    book = address(MANY)
    for n in range(1_001):
        yes(book, asking(n), NOON)
    denied = no(book, asking(1_001), NOON)

    assert (denied.limit, denied.used) == (MANY, 1_001)
    assert denied.retry_ms is not None
    assert HOUR <= denied.retry_ms <= HOUR + HOUR // SUB_BUCKETS
    no(book, asking(1_001), NOON + denied.retry_ms - 1)
    yes(book, asking(1_001), NOON + denied.retry_ms)
    assert len(pack(book)) < 100


def test_corrections_reach_the_sub_bucket_of_their_request() -> None:
    hourly = Limit("tokens_hour", Unit.TOKENS, 100_000, HOUR)
    own, shared = person(hourly), address(MANY)
    later, late = NOON + 5 * MINUTE, HOUR // SUB_BUCKETS
    yes([own, shared], asking(0, prompt=100, output=900), NOON)
    yes([own, shared], asking(1, prompt=100, output=900), later)
    assert (used(own, hourly, later), used(shared, MANY, later)) == (1_100, 2)

    settle([own, shared], rid(0), 500, later, counts=False)
    settle([own, shared], rid(1), 250, later)
    assert (used(own, hourly, later), used(shared, MANY, later)) == (750, 1)
    assert used(own, hourly, NOON + HOUR + late) == 250
    assert used(own, hourly, later + HOUR + late) == 0


def test_a_refund_leaves_no_trace_in_sub_buckets() -> None:
    own, shared = person(MANY, EVEN_MORE), address(MANY)
    yes([own, shared], asking(0), NOON)
    refund([own, shared], rid(0))

    assert [level.used for level in levels(own, NOON)] == [0, 0]
    assert [level.resets_at_ms for level in levels(own, NOON)] == [None, None]
    assert used(shared, MANY, NOON) == 0


def test_a_refund_takes_no_more_out_of_a_sub_bucket_than_it_put_in() -> None:
    book = person(MANY, EVEN_MORE)
    yes(book, asking(0), NOON)
    yes(book, asking(1), NOON)
    refund([book], rid(0))

    assert [level.used for level in levels(book, NOON)] == [1, 100]


@pytest.mark.parametrize("limits", [(MANY,), (MANY, DAILY)])
def test_of_many_arrivals_one_is_given_back(limits: tuple[Limit, ...]) -> None:
    own, shared = person(HOURLY), address(*limits)
    for n in range(3):
        yes([own, shared], asking(n), NOON)
    refund([own, shared], rid(1))

    assert used(shared, MANY, NOON) == 2
    assert used(unpack(pack(shared), shared.policy), MANY, NOON) == 2


def test_what_is_settled_after_its_sub_bucket_has_left_stays_left() -> None:
    minutely = Limit("tokens_minute", Unit.TOKENS, 100_000, MINUTE)
    later = NOON + 3 * MINUTE
    for price in (5, 5_000):
        book = person(minutely)
        yes(book, asking(0, prompt=10, output=90), NOON)
        yes(book, asking(1, prompt=10, output=90), later)
        assert settle([book], rid(0), price, later)

        assert used(unpack(pack(book), book.policy), minutely, later) == 100
        assert used(book, minutely, later) == 100


# ── Clocks ───────────────────────────────────────────────────────────────────────────────────


def test_when_the_clock_goes_back_the_newest_request_tells_the_time() -> None:
    book = person(HOURLY)
    yes(book, asking(0), NOON)
    verdict = yes(book, asking(1), NOON - HOUR)

    assert verdict.now_ms == NOON
    assert used(book, HOURLY, NOON - 2 * HOUR) == 2
    yes(book, asking(2), NOON)
    denied = no(book, asking(3), NOON - 5_000)
    assert (denied.now_ms, denied.retry_ms) == (NOON, HOUR)
    assert used(book, HOURLY, NOON + HOUR) == 0


def test_when_the_clock_goes_back_it_is_as_late_as_at_the_newest_of_many() -> None:
    book = person(HOURLY)
    yes(book, asking(0), NOON)
    yes(book, asking(1), NOON + 5)

    assert yes(book, asking(2), NOON - HOUR).now_ms == NOON + 5


def test_when_the_clock_goes_back_a_lease_still_lasts_45_seconds() -> None:
    book = person(CALLS)
    yes(book, asking(0), NOON)
    beat(book, rid(0), 10, NOON - HOUR)

    assert levels(book, NOON + LEASE_MS - 1)[0].used == 1
    assert levels(book, NOON + LEASE_MS)[0].used == 0


def test_while_the_clock_is_back_no_denial_lasts() -> None:
    book = person(Limit("requests_hour", Unit.REQUESTS, 1, HOUR))
    yes(book, asking(0), NOON)
    settle([book], rid(0), 10, NOON)

    assert no(book, asking(1), NOON).lasting
    assert not no(book, asking(1), NOON - 1).lasting, "its wait is not that of this clock"


def test_a_denial_lasts_however_late_it_is_at_the_address() -> None:
    own, shared = person(Limit("requests_hour", Unit.REQUESTS, 1, HOUR)), address(DAILY)
    yes([own, shared], asking(0), NOON)
    settle([own], rid(0), 10, NOON)
    yes([person(HOURLY), shared], asking(1), NOON + 9)

    assert no([own, shared], asking(2), NOON + 1).lasting


def test_each_book_has_a_time_of_its_own() -> None:
    own, shared = person(HOURLY), address(DAILY)
    yes([person(HOURLY), shared], asking(0), NOON)
    early = NOON - 5_000

    assert yes([own, shared], asking(1), early).now_ms == early
    assert level(own, HOURLY, early).resets_at_ms == early + HOUR
    assert used(shared, DAILY, NOON + DAY - 1) == 2
    assert used(shared, DAILY, NOON + DAY) == 0


# ── Turns ────────────────────────────────────────────────────────────────────────────────────


def calling(n: int, turn: bytes = b"turn") -> Ask:
    return asking(n)._replace(turn=turn)


def test_four_calls_of_one_turn_are_charged_one_request() -> None:
    book = person(HOURLY, TOKENS)
    for n in range(4):
        yes(book, calling(n), NOON + n)
        assert [level.used for level in levels(book, NOON + n)] == [1, 100 * (n + 1)]
    yes(book, calling(4), NOON + 4)
    assert used(book, HOURLY, NOON + 4) == 2
    for n in range(5, 8):
        yes(book, calling(n), NOON + n)

    assert used(book, HOURLY, NOON + 8) == 2
    yes(book, calling(8, b"other"), NOON + 9)
    assert used(book, HOURLY, NOON + 9) == 3


def test_a_turn_is_over_after_ten_minutes() -> None:
    book = person(HOURLY)
    yes(book, calling(0), NOON)
    yes(book, calling(1), NOON + 10 * MINUTE - 1)
    assert used(book, HOURLY, NOON + 10 * MINUTE) == 1
    yes(book, calling(2), NOON + 10 * MINUTE)

    assert used(book, HOURLY, NOON + 10 * MINUTE) == 2


def test_a_spared_call_comes_in_however_full_the_windows_of_requests_are() -> None:
    book = person(Limit("requests_hour", Unit.REQUESTS, 1, HOUR), CALLS)
    yes(book, calling(0), NOON)
    assert no(book, asking(9), NOON).limit.unit is Unit.REQUESTS
    yes(book, calling(1), NOON)

    assert no(book, calling(2), NOON).limit == CALLS


def test_a_spared_call_counts_at_its_address() -> None:
    own, shared = person(HOURLY), address(DAILY)
    for n in range(3):
        yes([own, shared], calling(n), NOON)

    assert (used(own, HOURLY, NOON), used(shared, DAILY, NOON)) == (1, 3)


def test_an_arrival_that_has_left_its_window_may_come_again() -> None:
    place = address(HOURLY)
    for now, count in ((NOON, 1), (NOON + HOUR - 1, 1), (NOON + HOUR, 1)):
        yes(place, asking(1), now)
        assert used(place, HOURLY, now) == count
    assert level(place, HOURLY, NOON + HOUR).resets_at_ms == NOON + 2 * HOUR


def test_an_admission_says_whether_the_call_was_spared() -> None:
    book = person(HOURLY)
    said = [yes(book, calling(n), NOON).spared for n in (0, 1, 2, 3, 4, 5, 1, 0)]

    assert said == [False, True, True, True, False, True, True, False]
    assert not yes(address(HOURLY), asking(0), NOON).spared


def test_an_admission_that_is_repeated_says_what_became_of_it() -> None:
    book = person(HOURLY)
    assert not yes(book, calling(0), NOON).spared
    assert yes(book, calling(1), NOON).spared
    refund([book], rid(0))

    assert not yes(book, calling(1), NOON).spared, "it is counted in place of the other"


@pytest.mark.parametrize("kept_tokens", [0, 30])
def test_when_the_counted_call_is_given_back_another_of_its_turn_is_counted(
    kept_tokens: int,
) -> None:
    book = person(HOURLY)
    for n in range(3):
        yes(book, calling(n), NOON + n)
    if kept_tokens:
        settle([book], rid(0), kept_tokens, NOON + 3, counts=False)
    else:
        refund([book], rid(0))

    assert level(book, HOURLY, NOON + 3) == Level(HOURLY, 1, NOON + 1 + HOUR)
    refund([book], rid(1))
    refund([book], rid(2))
    assert used(book, HOURLY, NOON + 3) == 0


def test_a_spared_call_that_is_given_back_is_not_counted_later() -> None:
    book = person(HOURLY)
    yes(book, calling(0), NOON)
    yes(book, calling(1), NOON)
    settle([book], rid(1), 7, NOON, counts=False)
    again = unpack(pack(book), book.policy)
    for one in (book, again):
        refund([one], rid(0))

        assert used(one, HOURLY, NOON) == 0


def test_where_requests_are_counted_coarsely_turns_are_known_all_the_same() -> None:
    book = person(MANY)
    yes(book, calling(0), NOON)
    settle([book], rid(0), 5, NOON)
    yes(book, calling(1), NOON + TURN_MS - 1)

    assert used(book, MANY, NOON + TURN_MS) == 1
    settle([book], rid(1), 5, NOON + TURN_MS)
    yes(book, calling(2), NOON + TURN_MS)
    assert used(book, MANY, NOON + TURN_MS) == 2


def test_a_wait_that_outlasts_the_turn_is_for_the_windows_of_requests_too() -> None:
    most = Limit("address_hour", Unit.REQUESTS, 1, HOUR)
    once = Limit("requests_day", Unit.REQUESTS, 1, DAY)
    own, shared = person(once), address(most)
    yes([own, shared], calling(0), NOON)
    denied = no([own, shared], calling(1), NOON + 1)
    soon = no([own, shared], calling(1), NOON + 1 + HOUR - 5 * MINUTE)

    assert (denied.limit, denied.own, denied.retry_ms) == (once, True, DAY - 1)
    assert (soon.limit, soon.own) == (once, True), "the turn was over long before"


def test_a_wait_that_ends_with_the_turn_is_for_the_windows_of_requests_too() -> None:
    once = Limit("requests_day", Unit.REQUESTS, 1, DAY)
    own, shared = person(once), address(Limit("address_turn", Unit.REQUESTS, 1, TURN_MS))
    yes([own, shared], calling(0), NOON)

    assert no([own, shared], calling(1), NOON + 1).limit == once


def test_of_several_waits_within_the_turn_the_longest_is_reported() -> None:
    a_minute = Limit("address_minute", Unit.REQUESTS, 1, MINUTE)
    five = Limit("address_five", Unit.REQUESTS, 1, 5 * MINUTE)
    own = person(Limit("requests_day", Unit.REQUESTS, 1, DAY))
    shared = address(a_minute, five)
    yes([own, shared], calling(0), NOON)

    assert no([own, shared], calling(1), NOON).limit == five


def test_a_call_that_no_other_covers_is_judged_by_the_windows_of_requests() -> None:
    once = Limit("requests_hour", Unit.REQUESTS, 1, HOUR)
    book = person(once)
    for n in range(4):
        yes(book, calling(n), NOON)

    assert no(book, calling(4), NOON).limit == once, "the fifth"
    assert no(book, calling(5, b"other"), NOON).limit == once
    assert no(book, calling(6), NOON + 10 * MINUTE).limit == once, "the turn is over"


def test_arrivals_have_no_turns_whatever_their_tags() -> None:
    once = Limit("address_hour", Unit.REQUESTS, 1, HOUR)
    for book in (address(once), address(once, USERS)):
        first = by(7, 0)._replace(turn=by(7, 0).subjects[0].key)
        yes(book, first, NOON)

        assert no(book, first._replace(rid=rid(1)), NOON).limit == once


def test_a_call_of_another_turn_does_not_take_the_place_of_one_given_back() -> None:
    for book in (person(HOURLY), person(MANY)):
        yes(book, calling(0), NOON)
        yes(book, calling(1, b"other"), NOON + 1)
        yes(book, calling(2), NOON + 2)
        settle([book], rid(0), 5, NOON + 3, counts=False)

        assert levels(book, NOON + 3)[0].used == 2


def test_of_two_calls_of_a_turn_the_second_is_counted_when_the_first_is_given_back() -> None:
    for book in (person(HOURLY), person(MANY)):
        yes(book, calling(0), NOON)
        yes(book, calling(1), NOON + 1)
        settle([book], rid(0), 5, NOON + 2, counts=False)

        assert levels(book, NOON + 2)[0].used == 1
        refund([book], rid(1))
        assert levels(book, NOON + 2)[0].used == 0


def test_what_a_later_call_of_the_turn_covers_is_not_counted_for_one_given_back() -> None:
    book = person(HOURLY)
    yes(book, calling(0), NOON)
    yes(book, calling(1), NOON + TURN_MS)
    yes(book, calling(2), NOON + TURN_MS)
    assert used(book, HOURLY, NOON + TURN_MS) == 2
    settle([book], rid(0), 5, NOON + TURN_MS, counts=False)

    assert used(book, HOURLY, NOON + TURN_MS) == 1


def test_a_call_counted_in_place_of_another_is_kept_as_one_that_always_was() -> None:
    before, after = person(HOURLY), person(HOURLY)
    yes(before, calling(0), NOON)
    yes(before, calling(1), NOON)
    refund([before], rid(0))
    yes(after, calling(1), NOON)

    assert pack(before) == pack(after)


def test_giving_back_a_spared_call_counts_no_other() -> None:
    book = person(HOURLY)
    for n in range(3):
        yes(book, calling(n), NOON)
    settle([book], rid(1), 5, NOON, counts=False)

    assert used(book, HOURLY, NOON) == 1


def test_a_wait_within_the_turn_is_not_for_the_windows_of_requests() -> None:
    a_minute = Limit("address_minute", Unit.REQUESTS, 1, MINUTE)
    own, shared = person(Limit("requests_day", Unit.REQUESTS, 1, DAY)), address(a_minute)
    yes([own, shared], calling(0), NOON)
    denied = no([own, shared], calling(1), NOON + 1)

    assert (denied.limit, denied.own, denied.retry_ms) == (a_minute, False, MINUTE - 1)
    yes([own, shared], calling(1), NOON + MINUTE)


def test_while_a_turn_is_under_way_no_denial_lasts() -> None:
    book = person(Limit("requests_hour", Unit.REQUESTS, 1, HOUR))
    yes(book, calling(0), NOON)
    settle([book], rid(0), 5, NOON)

    assert not no(book, asking(1), NOON + TURN_MS - 1).lasting
    assert no(book, asking(1), NOON + TURN_MS).lasting


# ── Users ────────────────────────────────────────────────────────────────────────────────────

USERS = Limit("address_users", Unit.USERS, 2, HOUR)


def by(user: int, n: int) -> Ask:
    own = Subject(user.to_bytes(16, "big"), Policy("person", ()))
    return asking(n)._replace(subjects=(own,))


def test_as_many_callers_as_a_window_of_users_says_come_in_as_often_as_they_like() -> None:
    book = address(DAILY, USERS)
    for n, user in enumerate((1, 2, 1, 2)):
        yes(book, by(user, n), NOON + n)
    denied = no(book, by(3, 9), NOON + 9)

    assert (denied.limit, denied.used) == (USERS, 2)
    # The first to leave is whoever was last seen first.
    assert denied.retry_ms == HOUR + 2 - 9
    no(book, by(3, 9), NOON + HOUR + 1)
    yes(book, by(3, 9), NOON + HOUR + 2)


@pytest.mark.parametrize("limits", [(USERS,), (USERS, DAILY)])
def test_a_caller_who_has_left_the_window_needs_room_again(limits: tuple[Limit, ...]) -> None:
    book = address(*limits)
    yes(book, by(1, 0), NOON)
    yes(book, by(2, 1), NOON + 1)
    yes(book, by(3, 2), NOON + HOUR)

    assert no(book, by(1, 3), NOON + HOUR).limit == USERS
    assert level(book, USERS, NOON + HOUR) == Level(USERS, 2, NOON + 1 + HOUR)


def test_who_needs_no_room_among_the_users_needs_it_among_the_requests() -> None:
    twice = Limit("address_hour", Unit.REQUESTS, 2, HOUR)
    book = address(USERS, twice)
    for n in (1, 2):
        yes(book, by(n, n), NOON)

    assert no(book, by(1, 3), NOON).limit == twice


def test_a_refund_takes_back_a_caller_who_was_there_for_it_alone() -> None:
    own, book = person(HOURLY), address(USERS)
    for n, user in enumerate((1, 1, 2)):
        yes([own, book], by(user, n), NOON + n)
    refund([own, book], rid(2))
    assert used(book, USERS, NOON + 2) == 1
    refund([own, book], rid(1))

    assert level(book, USERS, NOON + 2) == Level(USERS, 1, NOON + HOUR)


def test_a_caller_is_told_by_their_own_key_whatever_the_address() -> None:
    ask = by(7, 0)
    there = Subject(bytes(16), Policy("address", (USERS,), leased=False))

    assert ask._replace(subjects=(*ask.subjects, there)).user_tag == ask.user_tag
    assert ask.user_tag != by(8, 0).user_tag


def test_zero_is_the_tag_of_no_digest_but_of_what_is_not_known() -> None:
    assert (asking(0).turn_tag, asking(0).user_tag) == (0, 0)
    assert tag_of(bytes(16)) == 1


def test_users_are_the_same_after_packing() -> None:
    book = address(DAILY, USERS)
    for n, user in enumerate((1, 2, 1)):
        yes(book, by(user, n), NOON + n)
    again = unpack(pack(book), book.policy)

    assert levels(again, NOON + 3) == levels(book, NOON + 3)
    assert no(again, by(3, 9), NOON + 3) == no(book, by(3, 9), NOON + 3)


# ── Books of arrivals as a caller's own ──────────────────────────────────────────────────────


def test_an_arrival_tells_its_position_and_can_be_undone() -> None:
    book = address(DAILY)
    assert [yes(book, asking(n), NOON).levels[0].used for n in range(3)] == [1, 2, 3]
    assert yes(book, asking(2), NOON).output_tokens == 90
    assert refund([book], rid(1))
    assert not refund([book], rid(1))

    assert used(book, DAILY, NOON) == 2


def test_a_denial_that_an_undoing_can_end_does_not_last() -> None:
    book = address(Limit("a_day", Unit.REQUESTS, 1, DAY))
    yes(book, asking(0), NOON)

    assert not no(book, asking(1), NOON).lasting


@pytest.mark.parametrize(
    ("limits", "leased", "longest"),
    [
        ((Limit("m", Unit.REQUESTS, 5, MINUTE),), False, MINUTE),
        ((Limit("m", Unit.REQUESTS, 5, 30 * DAY), CALLS), True, 30 * DAY),
        ((USERS,), False, HOUR),
        ((CALLS,), True, 10 * MINUTE),
        ((CALLS,), False, 0),
        ((), False, 0),
        ((Limit("large", Unit.REQUESTS, 5_000, DAY),), False, DAY + DAY // 60),
    ],
)
def test_a_book_matters_as_long_as_its_longest_window(
    limits: tuple[Limit, ...], leased: bool, longest: int
) -> None:
    assert Policy("any", limits, leased=leased).memory_ms == longest + LEASE_MS


# ── Packing ──────────────────────────────────────────────────────────────────────────────────


def busy_book() -> Book:
    """One of everything: open, dead, settled, given back."""
    book = person(Limit("r", Unit.REQUESTS, 9, HOUR), CALLS, MANY, EVEN_MORE)
    yes(book, asking(0), NOON - LEASE_MS)
    yes(book, asking(1), NOON - 2)
    settle([book], rid(1), 33, NOON - 1)
    yes(book, asking(2), NOON - 1)
    settle([book], rid(2), 44, NOON, counts=False)
    yes(book, asking(3), NOON)
    beat(book, rid(3), 55, NOON)
    return book


def test_a_book_is_the_same_after_packing() -> None:
    book = busy_book()
    again = unpack(pack(book), book.policy)

    assert pack(again) == pack(book)
    for wait in (0, 1, LEASE_MS, HOUR, DAY, 2 * DAY):
        assert levels(again, NOON + wait) == levels(book, NOON + wait)


def test_life_goes_on_after_packing() -> None:
    book = busy_book()
    again = unpack(pack(book), book.policy)
    for one in (book, again):
        assert settle([one], rid(0), 70, NOON + 1, counts=False), "the late one"
        assert refund([one], rid(3))
        assert not settle([one], rid(1), 1, NOON + 1)
        yes(one, asking(4), NOON + 2)

    assert levels(again, NOON + 2) == levels(book, NOON + 2)
    assert pack(again) == pack(book)


KEPT = """
    01 03000000 02
    01000000000000000000000000000000 00505c18a3010000 00000000 21000000 21000000 7475726e 03
    02000000000000000000000000000000 01505c18a3010000 caaf0000 64000000 37000000 7475726e 04
    03000000000000000000000000000000 02505c18a3010000 00000000 2c000000 2c000000 00000000 02
    01 80ee360000000000 01 80c3c90100000000 0100000000000000
    02 005c260500000000 01 d012130000000000 b100000000000000
"""


def test_a_book_has_the_bytes_that_it_always_had() -> None:
    book = person(Limit("r", Unit.REQUESTS, 9, HOUR), MANY, EVEN_MORE, CALLS)
    yes(book, calling(1), NOON)
    settle([book], rid(1), 33, NOON + 1)
    yes(book, calling(2), NOON + 1)
    yes(book, asking(3), NOON + 2)
    settle([book], rid(3), 44, NOON + 3, counts=False)
    beat(book, rid(2), 55, NOON + 3)
    kept = bytes.fromhex(KEPT)

    assert pack(book) == kept
    for wait in (3, LEASE_MS, HOUR, 2 * DAY):
        assert levels(unpack(kept, book.policy), NOON + wait) == levels(book, NOON + wait)


ARRIVED = """
    01 03000000 01
    01000000000000000000000000000000 00505c18a3010000 00000000 00000000 00000000 00000001 03
    02000000000000000000000000000000 01505c18a3010000 00000000 00000000 00000000 00000002 03
    03000000000000000000000000000000 02505c18a3010000 00000000 00000000 00000000 00000001 03
    01 80ee360000000000 01 80c3c90100000000 0300000000000000
"""


def test_arrivals_have_the_bytes_that_they_always_had() -> None:
    book = address(MANY, DAILY, USERS)
    for n, user in ((1, 1), (2, 2), (3, 1)):
        yes(book, by(user, n), NOON + n - 1)
    kept = bytes.fromhex(ARRIVED)

    assert pack(book) == kept
    assert levels(unpack(kept, book.policy), NOON + 3) == levels(book, NOON + 3)


def test_a_row_takes_41_bytes() -> None:
    book = person(HOURLY)
    empty = len(pack(book))
    yes(book, asking(0), NOON)

    assert len(pack(book)) - empty == 41


def test_an_empty_book_is_empty_after_packing() -> None:
    for book in (person(HOURLY, CALLS), address(MANY), person()):
        assert unpack(pack(book), book.policy).empty
        assert all(level.used == 0 for level in levels(unpack(pack(book), book.policy), NOON))


def test_a_book_of_another_version_is_not_read() -> None:
    book = person(HOURLY)
    blob = bytes([99]) + pack(book)[1:]

    with pytest.raises(ValueError, match="99"):
        unpack(blob, book.policy)


def test_limits_that_changed_apply_to_what_was_counted_before() -> None:
    book = person(HOURLY)
    for n in range(3):
        yes(book, asking(n), NOON)
    raised = unpack(pack(book), Policy("person", (Limit("requests_hour", Unit.REQUESTS, 4, HOUR),)))
    lowered = unpack(
        pack(book), Policy("person", (Limit("requests_hour", Unit.REQUESTS, 2, HOUR),))
    )

    assert yes(raised, asking(3), NOON).levels[0].remaining == 0
    denied = no(lowered, asking(3), NOON + 1)
    assert (denied.used, denied.levels[0].remaining, denied.retry_ms) == (3, 0, HOUR - 1)


def test_where_a_limit_was_lowered_the_wait_is_until_enough_have_left() -> None:
    fewer = Limit("requests_hour", Unit.REQUESTS, 2, HOUR)
    one_user = Limit("address_users", Unit.USERS, 1, HOUR)
    book, shared = person(HOURLY), address(USERS)
    for n in range(3):
        yes(book, asking(n), NOON + n)
    for n in range(2):
        yes(shared, by(n, n), NOON + n)
    book = unpack(pack(book), Policy("person", (fewer,)))
    shared = unpack(pack(shared), Policy("address", (one_user,), leased=False))

    assert no(book, asking(3), NOON + 2).retry_ms == HOUR + 1 - 2
    assert no(shared, by(3, 3), NOON + 2).retry_ms == HOUR + 1 - 2


def test_a_limit_that_is_new_counts_the_requests_of_before() -> None:
    book = person(DAILY)
    yes(book, asking(0), NOON)
    more = unpack(pack(book), Policy("person", (DAILY, HOURLY, TOKENS)))

    assert [level.used for level in levels(more, NOON)] == [1, 1, 100]


def test_a_window_that_became_large_goes_on_from_its_rows() -> None:
    book = person(Limit("requests_hour", Unit.REQUESTS, 9, HOUR))
    for n in range(4):
        yes(book, asking(n), NOON)
    settle([book], rid(3), 5, NOON, counts=False)
    large = unpack(pack(book), Policy("person", (MANY,)))

    assert used(large, MANY, NOON) == 3
    assert used(unpack(pack(large), large.policy), MANY, NOON) == 3


def test_a_window_that_became_large_keeps_nothing_for_what_was_given_back() -> None:
    book, without = person(HOURLY), person(HOURLY)
    yes(book, asking(0), NOON)
    settle([book], rid(0), 5, NOON, counts=False)
    large = unpack(pack(book), Policy("person", (MANY,)))
    nothing = unpack(pack(without), Policy("person", (MANY,)))

    assert len(pack(large)) - len(pack(nothing)) == 41, "its row alone"


def test_a_window_that_became_small_forgets_its_sub_buckets() -> None:
    book = address(MANY)
    yes(book, asking(0), NOON)
    small = unpack(pack(book), Policy("address", (HOURLY,), leased=False))

    assert used(small, HOURLY, NOON) == 0
    yes(small, asking(1), NOON)
    assert used(small, HOURLY, NOON) == 1


def test_counts_too_large_to_be_kept_are_kept_as_the_largest() -> None:
    book = person(Limit("r", Unit.REQUESTS, 9, DAY), Limit("t", Unit.TOKENS, 2**40, DAY))
    yes(book, asking(0, prompt=2**33, output=2**33), NOON)
    again = unpack(pack(book), book.policy)

    assert levels(again, NOON)[1].used == 2**32 - 1


# ── Entries ──────────────────────────────────────────────────────────────────────────────────


def test_an_entry_counts_from_the_time_at_which_it_was_admitted() -> None:
    book, place = person(HOURLY, TOKENS), address(HOURLY)
    yes([book, place], asking(1), NOON)
    assert enter([book, place], Entry(rid(2), NOON - MINUTE, 40, 40), NOON + 1)
    assert [row.rid for row in book.rows] == [rid(2), rid(1)]
    assert level(book, HOURLY, NOON) == Level(HOURLY, 2, NOON - MINUTE + HOUR)
    assert level(place, HOURLY, NOON).used == 2
    assert level(book, TOKENS, NOON).used == 140
    assert pack(unpack(pack(book), book.policy)) == pack(book)


def test_an_entry_is_taken_once_whatever_became_of_it() -> None:
    book, place = person(HOURLY, TOKENS), address(HOURLY)
    entry = Entry(rid(1), NOON, 40, 10, settled=False)
    assert enter([book, place], entry, NOON)
    assert settle([book], rid(1), 7, NOON)
    assert not enter([book, place], entry, NOON)
    assert (level(book, HOURLY, NOON).used, level(book, TOKENS, NOON).used) == (1, 7)
    assert level(place, HOURLY, NOON).used == 1


def test_an_entry_is_written_whatever_the_limits_say() -> None:
    book = person(HOURLY)
    for n in range(5):
        assert enter([book], Entry(rid(n), NOON, 0, 0), NOON)
    assert level(book, HOURLY, NOON).used == 5
    no(book, asking(9), NOON)


def test_an_entry_that_runs_holds_a_slot_for_a_lease() -> None:
    book = person(CALLS, HOURLY, TOKENS)
    enter([book], Entry(rid(1), NOON - HOUR + 1, 40, 15, settled=False), NOON)
    assert level(book, CALLS, NOON + LEASE_MS - 1).used == 1
    assert level(book, CALLS, NOON + LEASE_MS).used == 0
    assert level(book, TOKENS, NOON + LEASE_MS).used == 15


def test_an_entry_that_was_given_back_costs_its_tokens_alone() -> None:
    book = person(HOURLY, TOKENS)
    enter([book], Entry(rid(1), NOON, 40, 40, counts=False), NOON)
    assert (level(book, HOURLY, NOON).used, level(book, TOKENS, NOON).used) == (0, 40)


@pytest.mark.parametrize("most", [HOURLY.most, 5_000])
def test_an_entry_that_was_spared_counts_in_shared_books_alone(most: int) -> None:
    limit = Limit("requests_hour", Unit.REQUESTS, most, HOUR)
    there, shared_there = person(limit, TOKENS), address(limit)
    book, shared = person(limit, TOKENS), address(limit)
    yes([there, shared_there], calling(0), NOON)
    yes([there, shared_there], calling(1), NOON)
    enter([book, shared], Entry(rid(0), NOON, 100, 10, settled=False), NOON)
    enter([book, shared], Entry(rid(1), NOON, 100, 10, settled=False, spared=True), NOON)

    assert levels(book, NOON) == levels(there, NOON)
    assert levels(shared, NOON) == levels(shared_there, NOON)
    assert yes(book, asking(1), NOON).spared
    for books in ([there, shared_there], [book, shared]):
        settle(books, rid(1), 7, NOON, counts=False)
        assert [one.used for one in levels(books[0], NOON)] == [1, 107]
        assert used(books[1], limit, NOON) == 1


def test_an_entry_that_was_spared_and_given_back_costs_its_tokens_alone() -> None:
    book = person(HOURLY, TOKENS)
    enter([book], Entry(rid(1), NOON, 40, 40, counts=False, settled=False, spared=True), NOON)

    assert (level(book, HOURLY, NOON).used, level(book, TOKENS, NOON).used) == (0, 40)
    assert not yes(book, asking(1), NOON).spared


@pytest.mark.parametrize("kept_tokens", [0, 30])
def test_an_entry_that_was_spared_takes_the_place_of_no_call_without_a_turn(
    kept_tokens: int,
) -> None:
    book = person(HOURLY)
    yes(book, asking(0), NOON)
    enter([book], Entry(rid(1), NOON, 40, 40, spared=True), NOON)
    if kept_tokens:
        settle([book], rid(0), kept_tokens, NOON, counts=False)
    else:
        refund([book], rid(0))

    assert used(book, HOURLY, NOON) == 0


@pytest.mark.parametrize("limits", [(DAILY,), (DAILY, USERS), (MANY,)])
def test_an_arrival_that_is_entered_is_written_as_one_that_came(limits: Sequence[Limit]) -> None:
    there, here = address(*limits), address(*limits)
    for n in (1, 2, 3):
        yes([there], by(7, n), NOON + n)
    for n in (3, 1, 2):
        enter([here], Entry(rid(n), NOON + n, 9, 9, user_tag=by(7, n).user_tag), NOON + 9)

    assert pack(here) == pack(there)
    assert unpack(pack(here), here.policy).users == here.users == there.users


def test_of_entries_of_one_moment_the_later_told_comes_later() -> None:
    book = person(HOURLY)
    for n in (2, 1, 3):
        enter([book], Entry(rid(n), NOON, 0, 0), NOON)

    assert [row.rid for row in book.rows] == [rid(2), rid(1), rid(3)]
    assert pack(unpack(pack(book), book.policy)) == pack(book)


def test_the_caller_s_own_book_says_whether_an_entry_is_known() -> None:
    book, place = person(HOURLY), address(HOURLY)
    entry = Entry(rid(1), NOON, 0, 0)
    yes(book, asking(1), NOON)
    assert not enter([book, place], entry, NOON)
    assert used(place, HOURLY, NOON) == 0
    book = person(HOURLY)
    assert enter([place], entry, NOON)
    assert enter([book, place], entry, NOON), "another worker entered it at the place alone"
    assert (used(book, HOURLY, NOON), used(place, HOURLY, NOON)) == (1, 1)


def test_an_entry_that_has_ended_is_not_settled_again() -> None:
    book = person(HOURLY, TOKENS)
    enter([book], Entry(rid(1), NOON, 40, 40), NOON)

    assert not settle([book], rid(1), 7, NOON)
    assert used(book, TOKENS, NOON) == 40


def test_who_is_dead_when_an_entry_comes_stays_dead_though_the_clock_goes_back() -> None:
    book, place = person(CALLS, HOURLY), address(HOURLY)
    yes([book], asking(1), NOON)
    enter([book, place], Entry(rid(2), NOON, 0, 0), NOON + LEASE_MS)

    assert used(book, CALLS, NOON + LEASE_MS - 1) == 0


def test_who_still_lives_is_not_dead_because_an_entry_s_address_is_ahead_of_the_clock() -> None:
    book, place = person(CALLS, HOURLY), address(HOURLY)
    yes([book], asking(1), NOON)
    yes([place], asking(9), NOON + LEASE_MS)
    enter([book, place], Entry(rid(2), NOON, 0, 0), NOON + 1)

    assert used(book, CALLS, NOON + 1) == 1


def test_an_entry_of_the_future_is_one_of_now_and_an_old_one_is_none() -> None:
    book = person(HOURLY)
    enter([book], Entry(rid(1), NOON + HOUR, 0, 0), NOON)
    assert level(book, HOURLY, NOON) == Level(HOURLY, 1, NOON + HOUR)
    enter([book], Entry(rid(2), NOON - HOUR, 0, 0), NOON)
    assert [row.rid for row in book.rows] == [rid(1)]


def test_entries_are_counted_in_sub_buckets_too() -> None:
    many = Limit("requests_day", Unit.REQUESTS, 5_000, DAY)
    book = address(many)
    for n in (3, 1, 2):
        enter([book], Entry(rid(n), NOON - n * HOUR, 0, 0), NOON)
    assert level(book, many, NOON).used == 3
    assert list(book.tallies["requests_day"].counts) == sorted(book.tallies["requests_day"].counts)
    assert book.rows == [], "they are kept of callers alone, who may still settle"


def test_the_tokens_of_entries_are_counted_in_sub_buckets_too() -> None:
    plenty = Limit("tokens_day", Unit.TOKENS, 5_000, DAY)
    book = person(plenty)
    enter([book], Entry(rid(1), NOON, 40, 10, settled=False), NOON)
    assert used(book, plenty, NOON) == 40
    settle([book], rid(1), 30, NOON)
    assert used(book, plenty, NOON) == 30

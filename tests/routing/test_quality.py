"""What answers are worth: expectations, corrected by what is heard, and come back to."""

from scalix_free.core.rating import Opinion
from scalix_free.routing.quality import (
    HALF_LIFE_MS,
    TASTE_HALF_LIFE_MS,
    Average,
    Qualities,
    Quality,
    Sample,
)
from tests.routing.scripted import model

GOOD = Sample(succeeded=True, first_token_ms=500, total_ms=1_500, tokens=40)
BAD = Sample(succeeded=False)
DAY_MS = 86_400_000


def test_an_average_forgets_and_goes_back_to_what_is_expected() -> None:
    average = Average(0.5, 2.0)
    for n in range(20):
        average.add(1.0, n)
    assert average.at(20) > 0.9
    assert 0.5 < average.at(20 + HALF_LIFE_MS) < average.at(20)
    assert abs(average.at(DAY_MS) - 0.5) < 0.01


def test_a_model_falls_when_it_fails_and_comes_back_by_itself() -> None:
    quality = Quality(800)
    assert (quality.demotion(0), round(quality.score(0))) == (0, 800)
    for n in range(10):
        quality.hear(BAD, n)
    assert quality.demotion(10) > 0
    assert quality.score(10) < 500
    assert quality.demotion(DAY_MS) == 0
    assert quality.score(DAY_MS) > 790


def test_it_comes_back_sooner_by_answering() -> None:
    quality = Quality(800)
    for n in range(10):
        quality.hear(BAD, n)
    fallen = quality.demotion(10)
    for n in range(30):
        quality.hear(GOOD, 10 + n)
    assert quality.demotion(40) < fallen


def test_slow_truncated_refused_and_wasteful_answers_are_worth_less() -> None:
    best = GOOD.value
    assert best == 1.0
    for worse in (
        Sample(succeeded=True, first_token_ms=9_000, total_ms=10_000, tokens=40),
        Sample(succeeded=True, total_ms=60_000, tokens=40),
        Sample(succeeded=True, truncated=True),
        Sample(succeeded=True, refused=True),
        Sample(succeeded=True, thought=0.9),
    ):
        assert 0 < worse.value < best
    assert BAD.value == 0


def test_ratings_of_people_move_the_score_by_a_quarter_at_most() -> None:
    liked, disliked = Quality(800), Quality(800)
    for n in range(1_000):
        liked.liked.add(1.0, n)
        disliked.liked.add(0.0, n)
    assert 950 < liked.score(1_000) <= 1_000
    assert 600 <= disliked.score(1_000) < 650


def opinion(caller: str, rating: int, at_ms: int = 0, model_id: str = "a") -> Opinion:
    return Opinion(caller.encode(), model_id, rating, at_ms)


def test_what_people_say_replaces_what_was_known_of_it_and_nothing_else() -> None:
    qualities = Qualities()
    a, b = qualities.of(model("a")), qualities.of(model("b"))
    a.hear(BAD, 0)
    before = a.score(0), b.score(0)
    for _ in range(2):  # read again, it counts once
        qualities.learn([opinion(f"{n}", -1) for n in range(5)])
        assert a.score(0) < before[0]
        assert b.score(0) == before[1]
        fallen = a.score(0)
    qualities.learn([opinion("1", 1), opinion("1", -1, model_id="b")])
    assert a.score(0) > before[0] > fallen
    assert b.score(0) < before[1]
    qualities.learn([])
    assert (a.score(0), b.score(0)) == before


def test_it_is_known_of_models_that_are_asked_for_later() -> None:
    qualities = Qualities()
    qualities.learn([opinion("ann", -1)])

    assert qualities.of(model("a")).score(0) < qualities.of(model("b")).score(0)


def test_a_caller_has_one_voice_for_a_model_the_newest() -> None:
    loud, quiet = Qualities(), Qualities()
    loud.learn([*(opinion("ann", -1, n) for n in range(9)), opinion("bob", 1, 9)])
    quiet.learn([opinion("ann", -1, 8), opinion("bob", 1, 9)])
    assert loud.of(model("a")).score(9) == quiet.of(model("a")).score(9)
    assert loud.satisfaction == 0.5

    quiet.learn([opinion("ann", -1), opinion("ann", 1, 1), opinion("ann", -1, 1, "b")])
    assert quiet.satisfaction == 0.5
    assert quiet.of(model("a")).score(1) > quiet.of(model("b")).score(1)


def test_what_people_say_is_forgotten_in_days_not_in_minutes() -> None:
    qualities = Qualities()
    qualities.learn([opinion(f"{n}", -1) for n in range(9)])
    known = qualities.of(model("a"))

    at_once, an_hour_later = known.liked.at(0), known.liked.at(2 * HALF_LIFE_MS)
    assert an_hour_later < at_once + 0.02
    assert known.liked.at(7 * TASTE_HALF_LIFE_MS) > 0.49


def test_satisfaction_is_unknown_where_nobody_said_anything() -> None:
    qualities = Qualities()
    found = [qualities.satisfaction]
    for opinions in ([opinion("ann", 1)], []):
        qualities.learn(opinions)
        found.append(qualities.satisfaction)
    assert found == [None, 1.0, None]

"""What answers are worth: expectations, corrected by what is heard, and come back to."""

from scalix_free.routing.quality import HALF_LIFE_MS, Average, Quality, Sample

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
        liked.rate(1, n)
        disliked.rate(-1, n)
    assert 950 < liked.score(1_000) <= 1_000
    assert 600 <= disliked.score(1_000) < 650

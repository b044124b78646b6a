"""The scarcity benchmark: its providers count, its bound is one, its clock keeps time."""

import itertools
import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks.processes import ROOT
from benchmarks.scarcity import contestants, virtual
from benchmarks.scarcity.counting import Counting, Ending
from benchmarks.scarcity.crowd import Crowd, Told
from benchmarks.scarcity.day import BEGIN_S, DAY_S, PROVIDERS, SPELLS, Model, Provider, Trouble
from benchmarks.scarcity.demand import Demand, Person, Question, demand
from benchmarks.scarcity.figures import allowed, jain
from benchmarks.scarcity.optimum import Network, optimum
from benchmarks.scarcity.people import Admitted, Denied, People
from benchmarks.scarcity.simulate import Policy, simulate
from benchmarks.scarcity.world import World, ask_for
from scalix_free.core.budget import Allowance, Window
from scalix_free.settings import load

TINY = Provider(
    name="tiny",
    zone="UTC",
    allowance=Allowance(rpd=5),
    models=(Model(name="m", quality=1, allowance=Allowance(rpm=2), first_s=1, token_s=0.01),),
)


def test_provider_counts_minutes_and_its_own_day() -> None:
    tiny = Counting(TINY)

    def ending(at_s: float) -> Ending:
        return tiny.asks("m", 10, 100, 20, at_s).ending

    assert [ending(at) for at in (0, 1, 59.9, 60)] == [
        Ending.ANSWERED,
        Ending.ANSWERED,
        Ending.FULL,
        Ending.ANSWERED,
    ]
    assert [ending(at) for at in (200, 300, 400)] == [Ending.ANSWERED, Ending.ANSWERED, Ending.FULL]
    said = tiny.asks("m", 10, 100, 20, 500)
    assert (said.window, said.until_s) == (Window.RPD, 16 * 3600)
    assert ending(16 * 3600) is Ending.ANSWERED
    assert (tiny.calls, tiny.answered, tiny.refused) == (9, 6, 3)


def test_tokens_count_whole_until_the_answer_has_ended() -> None:
    one = Model(name="m", quality=1, allowance=Allowance(tpm=250), first_s=1, token_s=0)
    counting = Counting(Provider(name="t", zone="UTC", models=(one,)))
    first = counting.asks("m", 50, 150, 30, 0)
    assert counting.asks("m", 50, 10, 10, 1).window is Window.TPM
    assert first.settle is not None
    first.settle()
    assert counting.asks("m", 50, 10, 10, 2).ending is Ending.ANSWERED


def test_every_kind_of_trouble_happens_that_day() -> None:
    assert {spell.trouble for spell in SPELLS} == set(Trouble)
    assert {spell.provider for spell in SPELLS} <= {provider.name for provider in PROVIDERS}


def test_people_have_the_limits_of_this_service() -> None:
    people = People()
    assert all(isinstance(people.admit("p", "a", 100.0 + n), Admitted) for n in range(5))
    assert people.admit("p", "a", 200.0) == Denied(3500.0)
    people.give_back("p", "a", 101.0)
    assert people.admit("p", "a", 200.0) == Admitted(800)


def test_demand_is_the_same_each_time_and_in_order() -> None:
    first, again = demand(1), demand(1)
    assert first == again
    assert demand(2) != first
    moments = [question.at_s for question in first.questions]
    assert moments == sorted(moments)
    assert max(moments) < DAY_S
    assert max(allowed(first).values()) <= 20


@pytest.mark.parametrize("seed", range(30))
def test_flow_is_the_most_that_any_assignment_gives(seed: int) -> None:
    chance = random.Random(seed)
    left, right = 4, 3
    edges = [(n, m) for n in range(left) for m in range(right) if chance.random() < 0.5]
    rooms = [chance.randint(0, 2) for _ in range(right)]
    worths = [chance.randint(1, 9) for _ in range(right)]

    def best() -> int:
        choices = [[m for n, m in edges if n == one] + [None] for one in range(left)]
        return max(
            sum(worths[m] for m in chosen if m is not None)
            for chosen in itertools.product(*choices)
            if all(chosen.count(m) <= rooms[m] for m in range(right))
        )

    network = Network()
    source, sink = network.node(), network.node()
    askers = [network.node() for _ in range(left)]
    budgets = [network.node() for _ in range(right)]
    for asker in askers:
        network.edge(source, asker, 1)
    for n, m in edges:
        network.edge(askers[n], budgets[m], 1)
    shut = [network.edge(budget, sink, 0) for budget in budgets]
    worth = 0
    for m in sorted(range(right), key=lambda m: -worths[m]):
        network.open(shut[m], rooms[m])
        worth += worths[m] * network.push(source, sink)
    assert worth == best()


def test_nobody_does_better_than_the_bound() -> None:
    whole = demand(3, crowd=0.5)
    day = Demand(tuple(q for q in whole.questions if q.at_s < 10 * 3600), ())
    bound = optimum(day)
    for policy in (Policy(), Policy(order="spare:0.3", headroom=1000, hold_s=25, queue_s=25)):
        found = simulate(policy, day).figures
        assert 0.5 * bound.worth < found.worth <= bound.worth
        assert found.answered <= bound.answered


def test_budgets_of_the_policies_are_kept() -> None:
    day = demand(3, crowd=0.5)
    router = simulate(Policy(headroom=1000), day).router
    refused = {one.provider.name: one.refused for one in router.counting}
    busy = {spell.provider for spell in SPELLS if spell.trouble is Trouble.BUSY}
    assert all(not count for name, count in refused.items() if name not in busy)


def test_people_come_back_when_told_and_give_up_when_it_is_too_long() -> None:
    asked: list[float] = []
    answers = iter([Told(503, wait_s=30.0), Told(503), Told(200, "m"), Told(503, wait_s=61.0)])
    person = Person("p", "10.0.0.1")

    async def ask(question: Question) -> Told:
        asked.append(question.at_s)
        return next(answers)

    day = Demand(tuple(Question(at, person, 10, 10) for at in (5.0, 500.0)), ())
    crowd = Crowd(ask, hostile_every_s=1.0)
    tally = virtual.run(crowd.live(day))
    assert asked == [5.0, 5.0, 5.0, 500.0]
    assert tally.waits == [pytest.approx(38.0)]
    assert tally.refusals == {503: 1}


def test_world_answers_as_long_as_it_is_asked_to() -> None:
    world = World()
    messages = [{"role": "user", "content": ask_for(77, 200)}]
    said, answer = world.ask("groq", {"model": "gpt-oss-120b", "messages": messages})
    assert said.ending is Ending.ANSWERED
    assert json.loads(json.dumps(answer.body))["usage"] == {
        "prompt_tokens": 200,
        "completion_tokens": 77,
        "total_tokens": 277,
    }
    assert answer.headers["x-ratelimit-remaining-requests"] == "999"


def test_each_provider_says_full_in_its_own_words() -> None:
    world = World()
    messages = [{"role": "user", "content": ask_for(300, 1000)}]
    for provider in PROVIDERS:
        for model in provider.models[:1]:
            body = {"model": model.name, "messages": messages, "max_tokens": 512}
            last = next(
                answer
                for _ in range(200)
                for answer in [world.ask(provider.name, body)[1]]
                if answer.status != 200
            )
            assert last.status == 429, provider.name
    assert {name: one.refused for name, one in world.counting.items()} == dict.fromkeys(
        world.counting, 1
    )


def test_jain() -> None:
    assert jain([1, 1, 1]) == pytest.approx(1)
    assert jain([1, 0, 0, 0]) == pytest.approx(0.25)
    assert jain([]) == 0


def test_our_configuration_is_one(tmp_path: Path) -> None:
    file = tmp_path / "day.toml"
    file.write_text(contestants.configuration(9))
    settings = load(config=file, data=tmp_path, environ={}, cwd=tmp_path, port=0).settings
    assert [provider.name for provider in settings.providers] == [one.name for one in PROVIDERS]


_TELL = """\
import asyncio, datetime, json, time, {module} as runner
async def main():
    loop = asyncio.get_running_loop()
    began, wall = loop.time(), time.time()
    await asyncio.sleep(600)
    late = False
    try:
        async with asyncio.timeout(300):
            await asyncio.sleep(900)
    except TimeoutError:
        late = True
    time.sleep(60)
    now = datetime.datetime.now(datetime.UTC)
    print(json.dumps([loop.time() - began, time.time() - wall, late, now.isoformat()]))
runner.run(main())
"""


@pytest.mark.parametrize("module", ["asyncio", "uvloop"])
def test_scaled_time_passes_evenly_for_everything(module: str) -> None:
    shim = ROOT / "benchmarks/scarcity/shim"
    clock = f"1000 {time.monotonic()} {BEGIN_S}"
    began = time.monotonic()
    told = subprocess.run(
        [sys.executable, "-c", _TELL.format(module=module)],
        env={**os.environ, "PYTHONPATH": str(shim), "SCARCITY_CLOCK": clock},
        capture_output=True,
        check=True,
        timeout=60,
    )
    real_s = time.monotonic() - began
    by_loop, by_wall, late, now = json.loads(told.stdout)
    assert late
    assert 960 <= by_loop == pytest.approx(by_wall, rel=0.01)
    assert by_wall < real_s * 1000
    assert now.startswith("2027-01-12T08:")

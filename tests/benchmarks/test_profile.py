from benchmarks.profile import Line, lines

STACKS = """\
process 7:"python -m scalix_free";run (loop.py:1);answer (serve.py:1) 6
process 7:"python -m scalix_free";run (loop.py:1) 1
process 7:"python -m scalix_free";run (loop.py:1);again (a.py:1);again (a.py:1) 1
process 7:"python -m scalix_free";_bootstrap (threading.py:1);_worker (concurrent/futures/x.py:1) 9
"""


def test_samples_are_summed_up_by_function() -> None:
    assert lines(STACKS) == [
        Line("answer (serve.py:1)", own=75.0, total=75.0),
        Line("run (loop.py:1)", own=12.5, total=100.0),
        Line("again (a.py:1)", own=12.5, total=12.5),
    ]


def test_nothing_recorded_is_nothing() -> None:
    assert lines("") == []

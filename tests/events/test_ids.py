"""Ids are unique and rise, whatever the clock does."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from events import ids
from events.ids import new_id

HOUR_NS = 3_600 * 10**9


def test_ids_of_a_process_rise_while_the_clock_steps_back(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [time.time_ns()]
    monkeypatch.setattr(ids, "_last", 0)
    monkeypatch.setattr(ids.time, "time_ns", lambda: clock[0])
    made = []
    for step in (0, 1_000, -HOUR_NS, 0, 0, -1, 2 * HOUR_NS, -HOUR_NS):
        clock[0] += step
        made += [new_id() for _ in range(50)]
    assert made == sorted(set(made))
    assert {(len(one), one[12], one[16] in "89ab") for one in made} == {(32, "7", True)}


def test_processes_with_the_same_clock_make_other_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ids.time, "time_ns", lambda: 10**18)
    made = []
    for _ in range(1000):
        monkeypatch.setattr(ids, "_last", 0)  # as in a process that has just begun
        made.append(new_id())
    assert len({one[:16] for one in made}) == 1
    assert len(set(made)) == len(made)


def test_threads_make_no_id_twice() -> None:
    with ThreadPoolExecutor(8) as pool:
        made = [one for some in pool.map(lambda _: [new_id() for _ in range(500)], range(8)) for one in some]
    assert len(set(made)) == len(made)

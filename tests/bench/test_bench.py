"""Every row of the budget can be measured; how fast is for `python -m bench` to say."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import pytest

from bench.__main__ import ROWS, cells
from bench.row import Row, Samples, Size
from bench.soak import MIB, Outcome, Sample, soak, written

TINY = Size(rounds=1, events=200, share=0.01)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.key)
def test_every_row_can_be_measured(row: Row) -> None:
    samples = row.measure(TINY)
    assert all(figure >= 0 for figure in [*samples.qi, *samples.peer])
    assert samples.qi
    assert cells(row, samples)[0] == row.name


def test_every_row_has_a_name_of_its_own() -> None:
    assert len({row.key for row in ROWS}) == len(ROWS)


@pytest.mark.parametrize(
    ("better", "qi", "verdict"),
    [
        ("more", 8.0, "goal"), ("more", 4.0, "budget"), ("more", 3.9, "missed"),
        ("less", 1.0, "goal"), ("less", 1.1, "missed"),
    ],
)  # fmt: skip
def test_a_verdict_compares_the_medians(better: str, qi: float, verdict: str) -> None:
    budget, goal = (4.0, 8.0) if better == "more" else (1.0, 1.0)
    row = Row("x", "x", "x", "s", budget, goal, better, lambda _: Samples([], []))  # type: ignore[arg-type]
    assert row.verdict(Samples([qi, qi, 99.0 * qi], [1.0, 1.0, 50.0]).score) == verdict


def test_the_command_prints_one_document() -> None:
    command = [sys.executable, "-m", "bench", "join", "--rounds", "1", "--json"]
    said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    document = json.loads(said.stdout)
    assert [row["name"] for row in document["rows"]] == ["join"]
    assert document["rows"][0]["verdict"] in ("goal", "budget", "missed")


def test_a_short_soak_loses_nothing() -> None:
    outcome = soak(2.0, 200, 4)
    assert outcome.sent > 300
    assert (outcome.in_log, outcome.heard, outcome.twice, outcome.failed) == (outcome.sent, outcome.sent, 0, 0)
    assert "appends" in written(outcome)


def test_a_soak_that_loses_an_event_says_so() -> None:
    sample = Sample(1.0, 100 * MIB, 40 * MIB, MIB, 0, 1.0, 2.0)
    good = Outcome(1, 1, 1.0, sent=5, answered=5, in_log=5, heard=5, samples=[sample])
    assert good.broken() == []
    silent = replace(good, sent=0, answered=0, in_log=0, heard=0)
    assert silent.broken() == ["0 of 1 appends were sent"]
    lost = replace(good, in_log=4)
    assert lost.broken() == ["the log holds 4 of 5 events"]
    grown = replace(good, seconds=2.0, samples=[sample, replace(sample, at_s=2.0, studio=150 * MIB)])
    assert grown.broken() == ["the studio grew by 50% in the second half"]

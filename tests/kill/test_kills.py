"""SIGKILL of the worker, the studio and the broker, at every point where a publish can be cut off.

The points come from the table of steps. `QI_ALL_KILLS=1` kills each of the three at each of them; else each of them
once in every step, at points that change from step to step.

Before an effect and between effect and outcome the worker waits, and whoever is killed is killed meanwhile. Between
commit and reply the *journal* waits: the event is in the log, and nobody has heard of it, neither the service that
decided nor the worker (for the first state: nor whoever asked).

What cannot be told apart: a publish that was only just asked for has no worker that could be killed.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import hold
import psutil
import pytest
from holding import Held, Holder, broker_of, check, old_state_or_new

from events.publish_steps import (
    AFTER_COMMIT,
    BEFORE_EFFECT,
    STATES,
    STEPS,
    CrashPoint,
    crash_points,
    has_reached,
)
from qi.contracts.log import AppendEvents
from qi.contracts.studio import GetStatus
from qi.errors import DeadlineExceeded, Unauthenticated, Unavailable
from qi.testing.fixtures import tells_and_dies
from qi.testing.processes import has_ended
from qi.testing.studio import RunningStudio, Shot, start_studio

VICTIMS = ("worker", "studio", "broker")
NO_VICTIM = {("worker", "requested"): "it has none yet"}
BACK_LIMIT_S = 60.0
LOOK_EVERY_S = 0.05


def kills(victim: str) -> list[CrashPoint]:
    """The points at which this test run kills `victim`."""
    points = [point for point in crash_points() if (victim, point.towards) not in NO_VICTIM]
    if os.environ.get("QI_ALL_KILLS"):
        return points
    chosen = []
    for number, state in enumerate(STATES):
        here = [point for point in points if point.towards == state]
        if here:
            chosen.append(here[(number + VICTIMS.index(victim)) % len(here)])
    return chosen


def name_of(point: CrashPoint) -> str:
    return f"{point.towards}-{point.point}"


def point_at(state: str, point: str) -> CrashPoint:
    return next(one for one in crash_points() if (one.towards, one.point) == (state, point))


def finish(studio: RunningStudio, shot: Shot, at: Held, *, by_itself: bool) -> None:
    """What is left is the old state or the complete new one; what does not go on by itself is resumed to the end."""
    found = studio.finished(at.publish)
    old_state_or_new(found, shot, studio.home.root)
    if found.state == "succeeded":
        assert by_itself
        check(studio, shot, at, found)
        return
    assert not by_itself, found.error
    assert found.error is not None
    took_effect = None
    if found.state == "unknown":
        # Nobody but a person can look whether the studio's own plugin has told anybody.
        assert found.error.step == "FollowUp"
        assert "nobody saw" in found.error.message
        took_effect = at.told.exists()
    else:
        assert found.state == "interrupted", found.error
    if worker_of(studio, at):
        studio.wait_for_event("publish.worker_ended", stream=f"publish-{at.publish}")
    studio.replay(at.publish, "resume", took_effect=took_effect)
    check(studio, shot, at, studio.finished(at.publish))


def worker_of(studio: RunningStudio, at: Held) -> bool:
    return bool(studio.events(stream=f"publish-{at.publish}", type="publish.worker_started"))


def test_no_state_is_left_out() -> None:
    """A new step with an effect needs a place before that effect; the other points are found by the state's name."""
    assert set(hold.BEFORE) == {step.state for step in STEPS if step.effect}
    for victim in VICTIMS:
        assert {point.towards for point in kills(victim)} == {s for s in STATES if (victim, s) not in NO_VICTIM}


@pytest.mark.parametrize("point", kills("worker"), ids=name_of)
def test_a_killed_worker_leaves_the_old_state_or_the_new_and_can_be_resumed(
    studio: RunningStudio, shot: Shot, holder: Holder, point: CrashPoint
) -> None:
    with holder.held(studio, shot, point) as at:
        os.kill(at.worker(studio), signal.SIGKILL)
    assert at.asking.result() == at.publish
    finish(studio, shot, at, by_itself=point.found_in == "succeeded")


@pytest.mark.parametrize("point", kills("studio"), ids=name_of)
def test_a_killed_studio_finishes_what_was_planned_and_calls_the_rest_interrupted(
    tmp_path: Path, hooked: dict[str, str], holder: Holder, point: CrashPoint
) -> None:
    home = tmp_path / "home"
    with start_studio(home, environment=hooked) as studio:
        shot = studio.given_project()
        with holder.held(studio, shot, point) as at:
            with ended_by_itself(at, studio):
                studio.kill()
    with contextlib.suppress(Unavailable):  # it was told, or it never was
        assert at.asking.result() == at.publish
    unsure = point == point_at("followed_up", BEFORE_EFFECT)
    with start_studio(home, environment=hooked) as studio:
        finish(studio, shot, at, by_itself=has_reached(point.found_in, "planned") and not unsure)


@contextlib.contextmanager
def ended_by_itself(at: Held, studio: RunningStudio) -> Iterator[None]:
    """The worker, if there is one, ends when its studio does."""
    worker = psutil.Process(at.worker(studio)) if worker_of(studio, at) else None
    yield
    if worker is not None:
        with contextlib.suppress(psutil.NoSuchProcess):
            worker.wait(BACK_LIMIT_S)


@pytest.mark.parametrize("point", kills("broker"), ids=name_of)
def test_a_killed_broker_comes_back_and_the_publish_goes_on(
    tmp_path: Path, hooked: dict[str, str], holder: Holder, point: CrashPoint
) -> None:
    # A studio of its own: a broker that dies again and again is started again ever later.
    with start_studio(tmp_path / "home", environment=hooked) as studio:
        shot = studio.given_project()
        with holder.held(studio, shot, point) as at:
            with back_again(studio):
                server = broker_of(studio)
                server.kill()
                server.wait(BACK_LIMIT_S)
                at.let_go()
        assert at.asking.result() == at.publish
        finish(studio, shot, at, by_itself=True)


@pytest.mark.parametrize("kind", ["worker_started", "worker_ended"])
def test_what_the_studio_records_by_itself_is_not_lost_with_the_broker_either(
    tmp_path: Path, hooked: dict[str, str], holder: Holder, kind: str
) -> None:
    found_in = "succeeded" if kind == "worker_ended" else "requested"
    with start_studio(tmp_path / "home", environment=hooked) as studio:
        shot = studio.given_project()
        with holder.held(studio, shot, CrashPoint(found_in, kind, AFTER_COMMIT)) as at:
            began = time.monotonic()
            with back_again(studio):
                broker_of(studio).kill()
                at.let_go()
        assert at.asking.result() == at.publish
        check(studio, shot, at, studio.finished(at.publish))
        studio.wait_for_event("publish.worker_ended", stream=f"publish-{at.publish}")
        assert time.monotonic() - began < AppendEvents.timeout_s, "somebody waited in vain for an answer"


@contextlib.contextmanager
def back_again(studio: RunningStudio) -> Iterator[None]:
    """After the block, wait until this participant and the studio have both lost the broker and have it again."""
    before, deadline = studio.bus.reconnects, time.monotonic() + BACK_LIMIT_S
    yield
    while studio.bus.reconnects == before or not answers(studio):
        assert time.monotonic() < deadline, "the broker did not come back"
        threading.Event().wait(LOOK_EVERY_S)


def answers(studio: RunningStudio) -> bool:
    try:
        return studio.bus.request(GetStatus()).broker_restarts == 1
    except (Unavailable, Unauthenticated, DeadlineExceeded):
        return False


def test_a_worker_that_outlives_its_studio_is_ended_before_another_goes_on(
    tmp_path: Path, hooked: dict[str, str], holder: Holder
) -> None:
    home = tmp_path / "home"
    with start_studio(home, environment=hooked) as studio:
        shot = studio.given_project()
        with holder.held(studio, shot, point_at("committed", BEFORE_EFFECT)) as at:
            worker = at.worker(studio)
            os.kill(worker, signal.SIGSTOP)  # it cannot notice that its studio is gone
            studio.kill()
            with start_studio(home, environment=hooked) as again:
                check(again, shot, at, again.finished(at.publish))
                assert has_ended(worker)


def test_a_kill_amid_a_follow_up_asks_a_person_and_runs_it_no_second_time(
    studio: RunningStudio, shot: Shot, holder: Holder, plugins: Callable[..., dict[str, str]], tmp_path: Path
) -> None:
    told = tmp_path / "told.txt"
    environment = plugins(tells_and_dies(told))
    info = studio.finished(studio.publish(shot, [str(holder.note)], product="notes", environment=environment))
    assert info.state == "unknown"
    assert info.error is not None
    assert info.error.step == "TellTheFarm"
    studio.wait_for_event("publish.worker_ended", stream=f"publish-{info.publish}")

    studio.replay(info.publish, "resume", took_effect=True)

    resumed = studio.finished(info.publish)
    assert resumed.state == "succeeded", resumed.error
    assert told.read_text() == "told\n"


def test_a_rerun_after_a_kill_takes_a_number_of_its_own(studio: RunningStudio, shot: Shot, holder: Holder) -> None:
    with holder.held(studio, shot, point_at("extracted", AFTER_COMMIT)) as at:
        os.kill(at.worker(studio), signal.SIGKILL)
    killed = studio.finished(at.publish)
    studio.wait_for_event("publish.worker_ended", stream=f"publish-{at.publish}")

    rerun = studio.finished(studio.replay(at.publish, "rerun"))

    assert rerun.state == "succeeded", rerun.error
    assert (killed.version, rerun.version) == (1, 2)

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events import publishes
from events.errors import Conflict, Invalid, NotFound
from events.publish_events import (
    PublishCancelled,
    PublishCollected,
    PublishCommitted,
    PublishExtracted,
    PublishFailed,
    PublishFollowedUp,
    PublishInterrupted,
    PublishMadeGood,
    PublishPlanned,
    PublishRegistered,
    PublishRequested,
    PublishReserved,
    PublishResumed,
    PublishStaged,
    PublishSucceeded,
    PublishUnknown,
    PublishValidated,
    Remap,
    RepairAsked,
    StepFinished,
    StepRecord,
    StepsRecorded,
    StepStarted,
    WorkerEnded,
    WorkerStarted,
)
from events.publish_state import MILESTONES, Failure, Publish, summary
from events.publish_steps import STATES, WHAT_IF_STATES, has_reached
from events.publishes import Cancel, Repair, Report, RequestPublish, Rerun, Resume, publish_stream
from events.record import DomainEvent
from qi.testing.decider import Scenario

REQUEST = PublishRequested(
    position=7, mode="publish", project="film", entity="sh010", task="comp", product="renderMain", comment="done",
    sources=("/in/a.####.exr",), user="ada", host="ws1", pinned="a" * 64, bundle="base", bundle_digest="b" * 64,
    replay_of="", original_user="", manifest="",
)  # fmt: skip

PATH: tuple[DomainEvent, ...] = (
    PublishCollected(manifest="m" * 64),
    PublishValidated(),
    PublishReserved(version=3, path="/out/v003", staging="/out/.v003"),
    PublishExtracted(outputs="o" * 64),
    PublishPlanned(plan="p" * 64),
    PublishStaged(files=2, size=10),
    PublishCommitted(path="/out/v003"),
    PublishRegistered(version_id="t1", key="k1"),
    PublishFollowedUp(),
    PublishSucceeded(),
)
FAILED = PublishFailed(step="validate_range", code=422, message="no frames", remedy="render them", detail="")
STOPS: dict[str, DomainEvent] = {
    "failed": FAILED,
    "interrupted": PublishInterrupted(reason="no beat"),
    "unknown": PublishUnknown(step="notify", message="killed"),
    "cancelled": PublishCancelled(user="ada", reason=""),
}


def scenario() -> Scenario:
    return Scenario(publishes.FOLDS, publishes.decide)


def report(event: DomainEvent, publish: str = "p1") -> Report:
    return Report(publish=publish, event=event)


def at(state: str, publish: str = "p1", request: PublishRequested = REQUEST) -> Scenario:
    """A publish that has reached `state`."""
    made = scenario().when(RequestPublish(id=publish, request=request))
    return go_on(made, state, publish)


def go_on(made: Scenario, state: str, publish: str = "p1") -> Scenario:
    for event in PATH:
        reached = MILESTONES[type(event)]
        if has_reached(state, reached) and not has_reached(the(made, publish).state, reached):
            made.when(report(event, publish))
    return made


def the(made: Scenario, publish: str = "p1") -> Publish:
    return made.state(Publish, publish_stream(publish))


def started(key: str) -> StepStarted:
    return StepStarted(key=key, plugin=key, instance="main", order=2.0)


def finished(key: str, outcome: str = "ok") -> StepFinished:
    return StepFinished(key=key, outcome=outcome, duration_ms=1.5, message="", records="")


def test_a_publish_passes_all_its_states_in_order() -> None:
    made = scenario().when(RequestPublish(id="p1", request=REQUEST))
    made.then(REQUEST)
    seen = ["requested"]
    for event in PATH:
        seen.append(the(made.when(report(event))).state)
        made.then(event)
        assert made.last.expected.keys() == {publish_stream("p1")}
    assert tuple(seen) == STATES


@pytest.mark.parametrize("state", STATES)
def test_no_state_is_skipped_or_entered_twice(state: str) -> None:
    made = at(state)
    for event in PATH:
        if STATES.index(MILESTONES[type(event)]) != STATES.index(state) + 1:
            assert made.refused(Conflict, report(event)).data["state"] == state


def test_a_request_pins_a_position_and_a_bundle() -> None:
    for bad in (replace(REQUEST, position=0), replace(REQUEST, bundle_digest=""), replace(REQUEST, mode="maybe")):
        scenario().refused(Invalid, RequestPublish(id="p1", request=bad))
    at("requested").refused(Conflict, RequestPublish(id="p1", request=REQUEST))
    scenario().refused(NotFound, report(PATH[0]))


def test_the_summary_names_version_path_and_files_once_they_are_so() -> None:
    staged = summary(the(at("staged")))
    assert (staged.state, staged.version, staged.path, staged.files) == ("staged", 3, "", 2)
    assert summary(the(at("committed"))).path == "/out/v003"
    done = summary(the(at("succeeded")))
    assert (done.state, done.path, done.files, done.error, done.made_good_by) == ("succeeded", "/out/v003", 2, None, "")


def test_steps_before_reserved_come_in_batches_and_later_ones_one_by_one() -> None:
    batch = StepsRecorded(
        steps=(StepRecord(key="c", plugin="c", instance="", order=0.0, outcome="ok", duration_ms=0.1),)
    )
    at("validated").when(report(batch)).then(batch)
    at("reserved").refused(Conflict, report(batch))
    at("validated").refused(Conflict, report(started("x")))
    at("reserved").when(report(started("x"))).then(started("x"))
    at("planned").refused(Conflict, report(started("x")))
    bad = StepsRecorded(steps=(replace(batch.steps[0], outcome="maybe"),))
    at("requested").refused(Invalid, report(bad))


def test_a_step_has_one_intent_and_one_outcome() -> None:
    made = at("reserved").when(report(started("x")))
    made.refused(Conflict, report(started("x")))
    made.refused(Conflict, report(finished("y")))
    made.refused(Invalid, report(finished("x", "maybe")))
    made.when(report(finished("x")))
    made.refused(Conflict, report(finished("x")))
    made.refused(Conflict, report(started("x")))


def test_the_extraction_is_over_when_every_step_has_a_good_outcome() -> None:
    made = at("reserved").when(report(started("x")))
    made.refused(Conflict, report(PATH[3]))
    made.when(report(finished("x", "failed"))).refused(Conflict, report(PATH[3]))
    at("reserved").when(report(started("x")), report(finished("x", "skipped")), report(PATH[3])).then(
        started("x"), finished("x", "skipped"), PATH[3]
    )


def test_a_publish_is_committed_where_it_was_reserved() -> None:
    at("staged").refused(Conflict, report(PublishCommitted(path="/elsewhere")))
    at("validated").refused(Invalid, report(PublishReserved(version=0, path="/a", staging="/b")))


@pytest.mark.parametrize("how", ["failed", "interrupted", "unknown"])
@pytest.mark.parametrize("state", STATES[:-1])
def test_a_publish_may_stop_in_any_state_and_then_takes_no_reports(state: str, how: str) -> None:
    made = at(state).when(report(STOPS[how]))
    assert summary(the(made)).state == how
    assert the(made).state == state
    for event in (*PATH, *STOPS.values(), started("x")):
        assert made.refused(Conflict, report(event)).data["state"] == how


def test_nothing_stops_what_has_succeeded() -> None:
    made = at("succeeded")
    for event in (STOPS["failed"], STOPS["interrupted"], STOPS["unknown"]):
        made.refused(Conflict, report(event))
    made.refused(Conflict, Cancel(publish="p1", user="ada"))
    made.refused(Conflict, Resume(publish="p1", user="ada"))


def test_a_failure_shows_what_happened_and_what_to_do() -> None:
    made = at("collected").when(report(FAILED))
    assert summary(the(made)).error == Failure("validate_range", 422, "no frames", "render them")


@pytest.mark.parametrize("state", STATES[:-1])
def test_whoever_cancels_is_recorded_and_cancelling_twice_changes_nothing(state: str) -> None:
    made = at(state).when(Cancel(publish="p1", user="bob", reason="wrong shot "))
    made.then(PublishCancelled(user="bob", reason="wrong shot"))
    made.when(Cancel(publish="p1", user="bob")).then()


def test_what_failed_is_not_cancelled_but_what_is_interrupted_or_unknown_may_be() -> None:
    at("collected").when(report(FAILED)).refused(Conflict, Cancel(publish="p1", user="ada"))
    for how in ("interrupted", "unknown"):
        made = at("collected").when(report(STOPS[how])).when(Cancel(publish="p1", user="ada"))
        assert summary(the(made)).state == "cancelled"


@pytest.mark.parametrize("how", ["failed", "interrupted", "cancelled"])
@pytest.mark.parametrize("state", STATES[:-1])
def test_resume_goes_on_with_the_plan_or_starts_over_from_the_manifest(state: str, how: str) -> None:
    made = at(state)
    made.when(Cancel(publish="p1", user="ada") if how == "cancelled" else report(STOPS[how]))
    made.when(Resume(publish="p1", user="bob"))
    expected = state if has_reached(state, "planned") else "requested"
    made.then(PublishResumed(user="bob", from_state=expected, took_effect=None))
    assert (the(made).state, the(made).ended, the(made).error) == (expected, "", None)
    done = summary(the(go_on(made, "succeeded")))
    assert (done.state, done.version, done.made_good_by) == ("succeeded", 3, "p1")


def test_a_resumed_worker_collects_the_very_manifest_that_was_sealed() -> None:
    made = at("validated").when(report(FAILED)).when(Resume(publish="p1", user="ada"))
    made.refused(Conflict, report(PublishCollected(manifest="x" * 64)))
    made.when(report(PATH[0]))


def test_extraction_steps_run_again_after_a_resume_without_a_plan() -> None:
    made = at("reserved").when(report(started("x")), report(finished("x", "failed")), report(FAILED))
    made.when(Resume(publish="p1", user="ada"))
    go_on(made, "reserved").when(report(started("x"))).then(started("x"))


def test_the_studio_resumes_what_is_planned_and_runs_but_nothing_earlier() -> None:
    at("staged").when(Resume(publish="p1", user="studio")).then(
        PublishResumed(user="studio", from_state="staged", took_effect=None)
    )
    at("extracted").refused(Conflict, Resume(publish="p1", user="studio"))


def test_a_resume_on_start_alone_is_nothing_to_make_good() -> None:
    made = at("staged").when(Resume(publish="p1", user="studio"))
    assert summary(the(go_on(made, "succeeded"))).made_good_by == ""


def test_a_step_without_outcome_after_the_plan_waits_for_a_persons_word() -> None:
    made = at("registered").when(report(started("notify")))
    made.refused(Invalid, Resume(publish="p1", user="studio"))
    made.when(report(STOPS["unknown"]))
    assert "took_effect" in made.refused(Invalid, Resume(publish="p1", user="ada")).data["fields"]


def test_a_step_that_took_effect_is_not_run_again() -> None:
    made = at("registered").when(report(started("notify")), report(STOPS["unknown"]))
    made.when(Resume(publish="p1", user="ada", took_effect=True))
    made.refused(Conflict, report(started("notify")))
    made.when(report(PublishFollowedUp()))


def test_a_step_that_took_no_effect_may_run_once_more() -> None:
    made = at("registered").when(report(started("notify")), report(STOPS["unknown"]))
    made.when(Resume(publish="p1", user="ada", took_effect=False))
    made.when(report(started("notify")), report(finished("notify")), report(PublishFollowedUp()))


def test_a_follow_up_that_failed_is_not_run_again_by_a_resume() -> None:
    made = at("registered").when(report(started("notify")), report(finished("notify", "failed")), report(FAILED))
    made.when(Resume(publish="p1", user="ada")).refused(Conflict, report(started("notify")))
    assert summary(the(go_on(made, "succeeded"))).made_good_by == "p1"


def test_nobody_decides_what_is_known() -> None:
    made = at("planned").when(report(FAILED))
    made.refused(Invalid, Resume(publish="p1", user="ada", took_effect=True))


def test_a_publish_has_one_worker_at_a_time() -> None:
    worker = WorkerStarted(session="w1", host="ws1", pid=4)
    made = at("requested").when(report(worker))
    made.refused(Conflict, report(replace(worker, session="w2")))
    made.refused(Conflict, report(WorkerEnded(session="w2", exit_code=0)))
    made.when(report(FAILED)).refused(Conflict, Resume(publish="p1", user="ada"))
    made.when(report(WorkerEnded(session="w1", exit_code=-9)))
    made.when(Resume(publish="p1", user="ada"), report(replace(worker, session="w2")))


def test_an_event_that_another_command_decides_is_not_reported() -> None:
    at("requested").refused(Invalid, report(PublishMadeGood(by="p9")))
    at("requested").refused(Invalid, report(PublishCancelled(user="ada", reason="")))


def test_a_rerun_is_a_new_publish_with_the_pins_of_the_first_and_both_users() -> None:
    made = at("validated").when(report(FAILED)).when(Rerun(publish="p1", id="p2", user="bob", host="ws2"))
    made.then(replace(REQUEST, replay_of="p1", manifest="m" * 64, user="bob", original_user="ada", host="ws2"))
    assert the(go_on(made, "collected", "p2"), "p2").manifest == "m" * 64


def test_a_replay_records_where_inputs_lie_now() -> None:
    remap = (Remap(old="/in", new="/mnt/in"),)
    made = at("staged").when(report(FAILED))
    made.when(Rerun(publish="p1", id="p2", user="bob", host="ws2", remap=remap, accept_changed=True))
    made.when(Resume(publish="p1", user="ada", remap=remap))
    assert (the(made, "p2").remap, the(made, "p2").accept_changed) == (remap, True)
    assert (the(made).remap, the(made).accept_changed) == (remap, False)


def test_a_repair_goes_on_with_the_publish_and_one_that_fails_is_forgotten() -> None:
    failed = StepRecord(
        key="range:main", plugin="range", instance="main", order=1.0, outcome="failed", duration_ms=0.1, repair="Hold"
    )  # fmt: skip
    made = at("collected").when(report(StepsRecorded(steps=(failed,))))
    repair = Repair(publish="p1", user="bob", steps=("range:main",))
    made.refused(Conflict, repair)
    made.when(report(FAILED))
    made.refused(Invalid, replace(repair, steps=("other",)))
    made.refused(Invalid, replace(repair, steps=()))
    asked = RepairAsked(plugin="range", instance="main", title="Hold", user="bob")
    made.when(repair).then(asked, PublishResumed(user="bob", from_state="requested", took_effect=None))
    assert (the(made).repairs, the(made).offers) == ((asked,), {})
    made.when(report(replace(FAILED, step="range.repair:main")))
    assert the(made).repairs == ()
    made.when(Rerun(publish="p1", id="p2", user="eve", host="ws2"))
    assert the(made, "p2").repairs == ()


def test_a_rerun_that_succeeds_makes_good_all_it_repeats() -> None:
    made = at("validated").when(report(FAILED)).when(Rerun(publish="p1", id="p2", user="bob", host="ws2"))
    go_on(made, "collected", "p2").when(report(FAILED, "p2"))
    made.when(Rerun(publish="p2", id="p3", user="eve", host="ws3"))
    assert the(made, "p3").request.original_user == "ada"
    go_on(made, "succeeded", "p3")
    made.then(PublishSucceeded(), PublishMadeGood(by="p3"), PublishMadeGood(by="p3"))
    assert [summary(the(made, p)).made_good_by for p in ("p1", "p2", "p3")] == ["p3", "p3", ""]
    assert made.last.expected.keys() == {publish_stream(p) for p in ("p1", "p2", "p3")}
    made.refused(Conflict, Resume(publish="p1", user="ada"))


def test_a_rerun_of_a_success_makes_nothing_good() -> None:
    made = at("succeeded").when(Rerun(publish="p1", id="p2", user="bob", host="ws2"))
    go_on(made, "succeeded", "p2").then(PublishSucceeded())


def test_what_runs_or_has_no_manifest_is_not_rerun() -> None:
    at("collected").refused(Conflict, Rerun(publish="p1", id="p2", user="bob", host="ws2"))
    at("requested").when(report(FAILED)).refused(Conflict, Rerun(publish="p1", id="p2", user="bob", host="ws2"))


def test_a_trial_reserves_and_integrates_nothing() -> None:
    made = scenario().when(RequestPublish(id="p1", request=replace(REQUEST, mode="what_if")))
    made.when(report(PATH[0]), report(PATH[1]))
    made.refused(Conflict, report(PATH[2]))
    made.when(report(started("x")), report(finished("x")), report(PATH[3]))
    made.refused(Conflict, report(PATH[4]))
    made.when(report(PublishSucceeded()))
    assert (summary(the(made)).state, summary(the(made)).path) == (WHAT_IF_STATES[-1], "")


COMMANDS = st.lists(
    st.one_of(
        st.sampled_from([report(event) for event in (*PATH, *STOPS.values(), started("x"), finished("x"))]),
        st.just(Cancel(publish="p1", user="ada")),
        st.sampled_from([Resume(publish="p1", user="ada", took_effect=word) for word in (None, True, False)]),
    ),
    max_size=30,
)


@given(st.sampled_from(STATES), COMMANDS)
def test_whatever_is_asked_a_publish_never_goes_back_behind_its_plan(state: str, commands: list[Any]) -> None:
    made = at(state)
    for command in commands:
        before = the(made)
        try:
            made.when(command)
        except (Conflict, Invalid):
            continue
        after = the(made)
        if has_reached(before.state, "planned"):
            assert STATES.index(after.state) - STATES.index(before.state) in (0, 1)
        if before.state == "succeeded":
            assert after == before

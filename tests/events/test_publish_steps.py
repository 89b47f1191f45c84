from events.publish_events import PublishRequested
from events.publish_state import MILESTONES
from events.publish_steps import (
    AFTER_COMMIT,
    AFTER_EFFECT,
    BEFORE_EFFECT,
    STATES,
    STEPS,
    WHAT_IF_STATES,
    crash_points,
    recovery,
)


def test_every_state_but_the_first_is_reached_by_one_event() -> None:
    assert ("requested", *MILESTONES.values()) == STATES
    assert PublishRequested not in MILESTONES


def test_a_trial_passes_states_of_a_publish_in_the_same_order() -> None:
    assert [state for state in STATES if state in WHAT_IF_STATES] == list(WHAT_IF_STATES)


def test_the_crash_matrix_has_three_points_for_each_effect() -> None:
    points = crash_points()
    assert len(points) == sum(3 if step.effect else 1 for step in STEPS)
    assert [(p.found_in, p.point) for p in points if p.towards == "committed"] == [
        ("staged", BEFORE_EFFECT), ("staged", AFTER_EFFECT), ("committed", AFTER_COMMIT),
    ]  # fmt: skip


def test_a_publish_is_resumed_on_start_from_the_plan_on() -> None:
    assert {state: recovery(state) for state in STATES} == {
        "requested": "interrupt", "collected": "interrupt", "validated": "interrupt", "reserved": "interrupt",
        "extracted": "interrupt", "planned": "resume", "staged": "resume", "committed": "resume",
        "registered": "resume", "followed_up": "resume", "succeeded": "nothing",
    }  # fmt: skip

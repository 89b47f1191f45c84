"""What a publish may do next. Its states are in :mod:`events.publish_steps`, its fold in :mod:`events.publish_state`.

Whoever does the work reports the event itself; the decision is whether it may happen now. Actor thread.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import singledispatch
from typing import Final

from events import publish_state
from events.decider import Folds, View
from events.errors import Conflict, Invalid, NotFound
from events.names import check_name
from events.publish_events import (
    PublishCancelled,
    PublishCollected,
    PublishCommitted,
    PublishFailed,
    PublishInterrupted,
    PublishMadeGood,
    PublishRequested,
    PublishReserved,
    PublishResumed,
    PublishSucceeded,
    PublishUnknown,
    Remap,
    RepairAsked,
    StepFinished,
    StepsRecorded,
    StepStarted,
    WorkerEnded,
    WorkerStarted,
)
from events.publish_state import MILESTONES, Publish
from events.publish_steps import MODES, has_reached, states
from events.record import NO_STREAM, Change, DomainEvent, StreamName, stream_name

OUTCOMES: Final = ("ok", "failed", "skipped")

STEPS_RUN_IN: Final = {"publish": ("reserved", "registered"), "what_if": ("validated",)}
"""Mode → the states in which single steps have an intent and an outcome: extraction, and what follows the tracker."""


@dataclass(frozen=True, kw_only=True)
class RequestPublish:
    """Begin one, with everything pinned."""

    id: str
    request: PublishRequested
    repairs: tuple[RepairAsked, ...] = ()
    """Those of the publish that it repeats."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """What happened to a publish, from whoever does the work.

    `event` is a milestone (`PublishCollected` … `PublishSucceeded`), a step (`StepsRecorded`, `StepStarted`,
    `StepFinished`), a worker (`WorkerStarted`, `WorkerEnded`) or a stop (`PublishFailed`, `PublishInterrupted`,
    `PublishUnknown`).
    """

    publish: str
    event: DomainEvent


@dataclass(frozen=True, kw_only=True)
class Cancel:
    publish: str
    user: str
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Resume:
    """Go on with a publish that stopped; the studio, on start, with one that is planned."""

    publish: str
    user: str
    took_effect: bool | None = None
    """A person's word on what nobody knows: whether the open step took effect."""
    remap: tuple[Remap, ...] = ()
    accept_changed: bool = False


@dataclass(frozen=True, kw_only=True)
class Repair:
    """Let validators that failed repair what they found, and go on with the publish."""

    publish: str
    user: str
    steps: tuple[str, ...]
    """Keys of the failed steps."""


@dataclass(frozen=True, kw_only=True)
class Rerun:
    """Repeat a publish as a new one: bundle, settings and plugins of then."""

    publish: str
    """Id of the one to repeat."""
    id: str
    """Id of the new one."""
    user: str
    """Who repeats it."""
    host: str
    """Host name of the machine the work will run on."""
    remap: tuple[Remap, ...] = ()
    accept_changed: bool = False


Command = RequestPublish | Report | Cancel | Resume | Repair | Rerun


def publish_stream(publish: str) -> StreamName:
    return stream_name("publish", publish)


def decide(view: View, command: Command) -> list[Change]:
    """Raises :class:`NotFound`, :class:`Invalid`, and :class:`Conflict` (its data names the `state`) for what may not
    happen now."""
    return _decide(command, view)


@singledispatch
def _decide(command: Command, view: View) -> list[Change]:
    raise TypeError(f"{type(command).__name__} is no command for publishes")


@_decide.register
def _request(command: RequestPublish, view: View) -> list[Change]:
    stream, request = publish_stream(command.id), command.request
    if (actual := view.version(stream)) != NO_STREAM:
        raise Conflict(f"there is a publish {command.id} already", stream=stream, expected=0, actual=int(actual))
    if request.mode not in MODES:
        raise Invalid(f"'{request.mode}' is no way to publish", fields={"mode": f"is one of {', '.join(MODES)}"})
    if request.position < 1 or not request.bundle_digest:
        raise Invalid("a publish pins a log position and a bundle", fields={"position": "or bundle_digest is missing"})
    requested = replace(request, product=check_name(request.product))
    return [Change(stream, requested), *(Change(stream, repair) for repair in command.repairs)]


@_decide.register
def _rerun(command: Rerun, view: View) -> list[Change]:
    publish = existing(view, command.publish)
    if publish.is_running:
        raise _refused(publish, "it is still running and cannot be repeated yet")
    if not publish.manifest:
        raise _refused(publish, "it collected nothing that could be repeated", remedy="Publish anew.")
    request = replace(
        publish.request, replay_of=publish.id, manifest=publish.manifest, user=command.user, host=command.host,
        original_user=publish.request.original_user or publish.request.user,
        remap=command.remap, accept_changed=command.accept_changed,
    )  # fmt: skip
    return _request(RequestPublish(id=command.id, request=request, repairs=publish.repairs), view)


@_decide.register
def _cancel(command: Cancel, view: View) -> list[Change]:
    publish = existing(view, command.publish)
    if publish.ended == "cancelled":
        return []
    if publish.ended == "failed" or publish.state == "succeeded":
        raise _refused(publish, "there is nothing left to cancel")
    cancelled = PublishCancelled(user=command.user, reason=command.reason.strip())
    return [Change(publish_stream(publish.id), cancelled)]


@_decide.register
def _resume(command: Resume, view: View) -> list[Change]:
    publish = existing(view, command.publish)
    planned = has_reached(publish.state, "planned")
    if publish.state == "succeeded" or (publish.is_running and not planned):
        raise _refused(publish, "there is nothing to resume")
    if publish.made_good_by:
        raise _refused(publish, f"publish {publish.made_good_by} has succeeded in its place")
    if publish.worker:
        raise _refused(publish, "its worker is still there", remedy="Wait for the worker, or stop it.")
    doubtful = publish.ended == "unknown" or (planned and bool(publish.running_steps))
    if doubtful != (command.took_effect is not None):
        open_steps = ", ".join(publish.running_steps) or (publish.error.step if publish.error else "")
        raise Invalid(
            f"nobody knows whether '{open_steps}' took effect" if doubtful else "all outcomes are known",
            remedy="Look, then say whether it did." if doubtful else "Resume without a word on them.",
            fields={"took_effect": "is needed" if doubtful else "is not needed"},
        )
    from_state = publish.state if planned else "requested"
    resumed = PublishResumed(
        user=command.user, from_state=from_state, took_effect=command.took_effect, remap=command.remap,
        accept_changed=command.accept_changed,
    )  # fmt: skip
    return [Change(publish_stream(publish.id), resumed)]


@_decide.register
def _repair(command: Repair, view: View) -> list[Change]:
    publish = existing(view, command.publish)
    if publish.ended != "failed":
        raise _refused(publish, "there is nothing to repair")
    steps = dict.fromkeys(command.steps)
    unknown = [step for step in steps if step not in publish.offers]
    if unknown or not steps:
        why = f"'{unknown[0]}' offers no repair" if unknown else "no step is named"
        raise Invalid(why, fields={"steps": f"may be {', '.join(publish.offers) or 'none'}"})
    stream = publish_stream(publish.id)
    asked = (
        RepairAsked(plugin=offer.plugin, instance=offer.instance, title=offer.title, user=command.user)
        for offer in (publish.offers[step] for step in steps)
    )
    again = Resume(
        publish=publish.id, user=command.user, remap=publish.remap, accept_changed=publish.accept_changed
    )  # fmt: skip
    return [*(Change(stream, one) for one in asked), *_resume(again, view)]


@_decide.register
def _report(command: Report, view: View) -> list[Change]:
    publish, event = existing(view, command.publish), command.event
    made = [Change(publish_stream(publish.id), event)]
    if isinstance(event, WorkerEnded):
        if event.session != publish.worker:
            raise _refused(publish, f"session {event.session} is not its worker")
        return made
    if not publish.is_running:
        raise _refused(publish, f"'{event.event_type}' came too late")
    if type(event) in MILESTONES:
        _check_milestone(publish, event)
    elif isinstance(event, (StepsRecorded, StepStarted, StepFinished)):
        _check_step(publish, event)
    elif isinstance(event, WorkerStarted):
        if publish.worker:
            raise _refused(publish, f"session {publish.worker} works on it already")
    elif not isinstance(event, (PublishFailed, PublishInterrupted, PublishUnknown)):
        raise Invalid(f"'{event.event_type}' is nothing to report", remedy="It is decided by another command.")
    if isinstance(event, PublishSucceeded) and publish.request.mode == "publish":
        made += _made_good(view, publish)
    return made


FOLDS: Folds = {"publish": publish_state.evolve}


def existing(view: View, publish: str) -> Publish:
    """The publish with that id. Raises :class:`NotFound`."""
    found = view.get(Publish, publish_stream(publish))
    if found is None:
        raise NotFound(f"there is no publish {publish}", publish=publish)
    return found


def _check_milestone(publish: Publish, event: DomainEvent) -> None:
    order = states(publish.request.mode)
    following = order[order.index(publish.state) + 1]
    reached = MILESTONES[type(event)]
    if reached != following:
        raise _refused(publish, f"the next state is '{following}', not '{reached}'")
    outcomes = publish.steps.values()
    if reached in ("extracted", "followed_up") and publish.running_steps:
        raise _refused(publish, f"these steps have no outcome yet: {', '.join(publish.running_steps)}")
    if reached == "extracted" and "failed" in outcomes:
        raise _refused(publish, "a step of the extraction failed")
    match event:
        case PublishCollected(manifest=manifest) if not manifest or (
            publish.manifest not in ("", manifest) and not publish.accept_changed
        ):
            remedy = "Bring its inputs back, or resume it and accept that they have changed."
            raise _refused(publish, "its manifest is sealed, and this is another one", remedy=remedy)
        case PublishReserved(version=version, path=path, staging=staging) if version < 1 or not path or not staging:
            raise Invalid("a reservation names a version from 1, its folder and a staging folder")
        case PublishCommitted(path=path) if path != publish.path:
            raise _refused(publish, f"its version belongs into {publish.path}, not into {path}")


def _check_step(publish: Publish, event: StepsRecorded | StepStarted | StepFinished) -> None:
    if isinstance(event, StepsRecorded):
        if has_reached(publish.state, "reserved"):
            raise _refused(publish, "from here on each step has an intent of its own")
        if bad := [step.outcome for step in event.steps if step.outcome not in OUTCOMES]:
            raise Invalid(f"'{bad[0]}' is no outcome of a step")
    elif isinstance(event, StepStarted):
        if publish.state not in STEPS_RUN_IN[publish.request.mode]:
            raise _refused(publish, f"step '{event.key}' has no place here")
        if event.key in publish.steps:
            raise _refused(publish, f"step '{event.key}' was started already and runs once")
    else:
        if event.key not in publish.running_steps:
            raise _refused(publish, f"step '{event.key}' is not running")
        if event.outcome not in OUTCOMES:
            raise Invalid(f"'{event.outcome}' is no outcome of a step")


def _made_good(view: View, publish: Publish) -> list[Change]:
    """Every unsuccessful publish that this one repeats, directly or through others, is made good by it."""
    made, earlier = [], publish.request.replay_of
    while earlier:
        original = existing(view, earlier)
        if original.ended and not original.made_good_by:
            made.append(Change(publish_stream(earlier), PublishMadeGood(by=publish.id)))
        earlier = original.request.replay_of
    return made


def _refused(publish: Publish, why: str, *, remedy: str = "") -> Conflict:
    state = publish.ended or publish.state
    return Conflict(f"publish {publish.id} is '{state}': {why}", remedy=remedy, publish=publish.id, state=state)

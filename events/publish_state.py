"""A publish as its stream tells it. Any thread."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from events.decider import UNKNOWN_TIME, Fact, unexpected
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
    StepsRecorded,
    StepStarted,
    WorkerEnded,
    WorkerStarted,
)
from events.publish_steps import has_reached, repair_of, step_key
from events.record import DomainEvent, Micros

RUNNING: Final = "running"
"""State of a step that was started and has no outcome yet."""

_SHARED: Final[dict[frozenset[str], frozenset[str]]] = {}
"""Many publishes run the same plugins: one set of names for all of them."""

MILESTONES: Final[Mapping[type[DomainEvent], str]] = {
    PublishCollected: "collected", PublishValidated: "validated", PublishReserved: "reserved",
    PublishExtracted: "extracted", PublishPlanned: "planned", PublishStaged: "staged", PublishCommitted: "committed",
    PublishRegistered: "registered", PublishFollowedUp: "followed_up", PublishSucceeded: "succeeded",
}  # fmt: skip
"""Event → the state it reaches."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a publish did not go on."""

    step: str
    code: int
    message: str
    remedy: str
    detail: str = ""
    """Digest of the whole story; empty for none."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A repair that a validator offers for its failure."""

    plugin: str
    instance: str
    title: str


@dataclass(frozen=True, slots=True)
class Publish:
    id: str
    request: PublishRequested
    state: str = "requested"
    """The state it has reached."""
    ended: str = ""
    """`failed`, `cancelled`, `interrupted` or `unknown` when it stopped there."""
    worker: str = ""
    """Session of the worker that has it; empty when none has."""
    manifest: str = ""
    outputs: str = ""
    plan: str = ""
    version: int = 0
    """0 until one is reserved."""
    path: str = ""
    """Folder the version has, or will have."""
    staging: str = ""
    files: int = 0
    """How many; 0 until they are staged."""
    version_id: str = ""
    """The tracker's id of the version."""
    key: str = ""
    """Idempotency key the tracker knows it by."""
    steps: Mapping[str, str] = field(default_factory=dict)
    """Key → `running` or the outcome, of the steps from extraction on; forgotten when all is done."""
    error: Failure | None = None
    resumed: bool = False
    """Whether it ever stopped and went on."""
    remap: tuple[Remap, ...] = ()
    """Where inputs of the manifest lie now."""
    accept_changed: bool = False
    """Whether inputs may differ from the manifest."""
    plugins: frozenset[str] = frozenset()
    """Names of those that took part: they ran a step, or began one."""
    offers: Mapping[str, Offer] = field(default_factory=dict)
    """Key of a failed step → its repair; forgotten when the publish goes on."""
    repairs: tuple[RepairAsked, ...] = ()
    """What is repaired before each validation, in order."""
    made_good_by: str = ""
    """Id of the publish that succeeded in its place; its own when it was resumed."""
    requested_at: Micros = UNKNOWN_TIME
    ended_at: Micros = UNKNOWN_TIME
    """When it last came to an end; what happens afterwards (its worker leaves, another makes it good) moves it not."""

    @property
    def is_running(self) -> bool:
        return not self.ended and self.state != "succeeded"

    @property
    def running_steps(self) -> tuple[str, ...]:
        """Keys of the steps whose outcome is not recorded."""
        return tuple(key for key, outcome in self.steps.items() if outcome == RUNNING)


@dataclass(frozen=True, slots=True)
class Summary:
    """What one wants to know of a publish at a glance."""

    id: str
    state: str
    """The state reached, or how it ended."""
    version: int
    """0 until one is reserved."""
    path: str
    """Folder of the version; empty until it is visible."""
    files: int
    replay_of: str
    error: Failure | None
    made_good_by: str


def summary(publish: Publish) -> Summary:
    path = publish.path if has_reached(publish.state, "committed") and publish.request.mode == "publish" else ""
    return Summary(
        publish.id, publish.ended or publish.state, publish.version, path, publish.files, publish.request.replay_of,
        publish.error, publish.made_good_by,
    )  # fmt: skip


def evolve(state: Publish | None, fact: Fact) -> Publish:
    if state is None:
        if not isinstance(fact.event, PublishRequested):
            raise unexpected(fact)
        asked = fact.event
        return Publish(
            fact.stream.partition("-")[2], asked, remap=asked.remap, accept_changed=asked.accept_changed,
            requested_at=fact.at,
        )  # fmt: skip
    now = _folded(state, fact)
    return replace(now, ended_at=fact.at) if state.is_running and not now.is_running else now


def _folded(state: Publish, fact: Fact) -> Publish:
    reached = MILESTONES.get(type(fact.event))
    if reached is not None:
        state = replace(state, state=reached)
    match fact.event:
        case StepStarted(key=key, plugin=plugin):
            return replace(_took_part(state, plugin), steps={**state.steps, key: RUNNING})
        case StepFinished(key=key, outcome=outcome):
            return replace(state, steps={**state.steps, key: outcome})
        case StepsRecorded(steps=steps):
            made = {step.key: Offer(step.plugin, step.instance, step.repair) for step in steps if step.repair}
            state = _took_part(state, *(step.plugin for step in steps))
            return replace(state, offers={**state.offers, **made}) if made else state
        case RepairAsked() as asked:
            return replace(state, repairs=(*state.repairs, asked))
        case PublishValidated() | PublishFollowedUp():
            return state
        case PublishCollected(manifest=manifest):
            return replace(state, manifest=manifest)
        case PublishReserved(version=version, path=path, staging=staging):
            return replace(state, version=version, path=path, staging=staging)
        case PublishExtracted(outputs=outputs):
            return replace(state, outputs=outputs)
        case PublishPlanned(plan=plan):
            return replace(state, plan=plan)
        case PublishStaged(files=files):
            return replace(state, files=files)
        case PublishCommitted(path=path):
            return replace(state, path=path)
        case PublishRegistered(version_id=version_id, key=key):
            return replace(state, version_id=version_id, key=key)
        case PublishSucceeded():
            return replace(state, steps={}, made_good_by=state.id if state.resumed else "")
        case WorkerStarted(session=session):
            return replace(state, worker=session)
        case WorkerEnded():
            return replace(state, worker="")
        case PublishFailed() as failed:
            error = Failure(failed.step, failed.code, failed.message, failed.remedy, failed.detail)
            # One that cannot do it must not stand in the way of every further try.
            able = tuple(one for one in state.repairs if step_key(repair_of(one.plugin), one.instance) != failed.step)
            return replace(state, ended="failed", error=error, repairs=able)
        case PublishUnknown(step=step, message=message):
            error = Failure(step, 500, message, "Find out whether it took effect, then resume and say so.")
            return replace(state, ended="unknown", error=error)
        case PublishCancelled(user=user, reason=reason):
            words = f"{user} called it off" + (f": {reason}" if reason else "")
            return replace(state, ended="cancelled", error=Failure(state.state, 499, words, ""))
        case PublishInterrupted(reason=reason):
            error = Failure(state.state, 503, reason, "Resume it: nothing that was done is lost.")
            return replace(state, ended="interrupted", worker="", error=error)
        case PublishResumed() as again:
            return _resumed(state, again)
        case PublishMadeGood(by=by):
            return replace(state, made_good_by=by)
    raise unexpected(fact)


def _took_part(state: Publish, *plugins: str) -> Publish:
    names = state.plugins.union(plugins)
    return replace(state, plugins=_SHARED.setdefault(names, names)) if names != state.plugins else state


def _resumed(state: Publish, again: PublishResumed) -> Publish:
    steps = {}
    if has_reached(again.from_state, "planned"):
        done = {RUNNING: "ok"} if again.took_effect else {}
        steps = {k: done.get(v, v) for k, v in state.steps.items() if v != RUNNING or again.took_effect}
    stopped = state.resumed or bool(state.ended)
    return replace(
        state, state=again.from_state, ended="", error=None, steps=steps, resumed=stopped, remap=again.remap,
        accept_changed=again.accept_changed, offers={},
    )  # fmt: skip

"""Rehearsals of a bundle: what its publishes would have come to. Facts; nothing is decided upon them. Any thread."""

from __future__ import annotations

from dataclasses import dataclass, replace

from events.decider import UNKNOWN_TIME, Fact, Folds, unexpected
from events.record import DomainEvent, Micros, StreamName, event, stream_name


@event("rehearsal.started")
class RehearsalStarted(DomainEvent):
    bundle: str
    """Name of the candidate."""
    digest: str
    """Of its content."""
    publishes: tuple[str, ...]
    """Ids of the publishes that are tried, newest first."""


@event("rehearsal.tried", erasable=("label", "first", "causes"))
class PublishTried(DomainEvent):
    """One of them was tried."""

    publish: str
    what_if: str
    """Id of the trial; empty when it could not begin."""
    label: str
    was: str
    now: str
    verdict: str
    """`same`, `differs`, `breaks`, `mends` or `not tried`."""
    differences: int
    first: tuple[str, ...]
    causes: tuple[str, ...]
    reason: str


@event("rehearsal.finished")
class RehearsalFinished(DomainEvent):
    """All were tried."""


@event("rehearsal.interrupted", erasable=("reason",))
class RehearsalInterrupted(DomainEvent):
    """It did not come to its end."""

    reason: str


@dataclass(frozen=True, slots=True)
class Rehearsal:
    id: str
    bundle: str
    digest: str
    publishes: tuple[str, ...]
    by: str
    began_at: Micros = UNKNOWN_TIME
    state: str = "running"
    tried: tuple[PublishTried, ...] = ()


def rehearsal_stream(rehearsal: str) -> StreamName:
    return stream_name("rehearsal", rehearsal)


def evolve(state: Rehearsal | None, fact: Fact) -> Rehearsal:
    match fact.event:
        case RehearsalStarted(bundle=bundle, digest=digest, publishes=publishes) if state is None:
            return Rehearsal(fact.stream.partition("-")[2], bundle, digest, publishes, fact.meta.user, fact.at)
        case PublishTried() as tried if state is not None:
            return replace(state, tried=(*state.tried, tried))
        case RehearsalFinished() if state is not None:
            return replace(state, state="finished")
        case RehearsalInterrupted() if state is not None:
            return replace(state, state="interrupted")
    raise unexpected(fact)


FOLDS: Folds = {"rehearsal": evolve}

"""The studio itself: what runs, and how to stop it."""

from __future__ import annotations

from qi.limits import Name
from qi.messages import PUBLIC, Done, Request, message


@message
class ChildInfo:
    name: str
    where: str
    state: str
    restarts: int
    last_error: str


@message
class StudioStatus:
    version: str
    home: str
    host: str
    pid: int
    started_at: int
    stage: str
    """`starting`, `ready` or `stopping`."""
    lives: str
    """`served` (until it is stopped) or `embedded` (until its last client leaves)."""
    children: tuple[ChildInfo, ...]
    broker_restarts: int
    problems: tuple[str, ...]
    """What should be looked at, one line each."""


@message
class GetStatus(Request[StudioStatus], topic="studio.status", needs=PUBLIC):
    """What runs here."""


@message
class TopicFigures:
    """One topic of one actor, from the arrival of a request to its answer: the wait in the mailbox is part of it."""

    topic: str
    requests: int
    mean_ms: float
    """Since the actor began."""
    p50_ms: float
    p99_ms: float
    """Of the last 128."""


@message
class ActorFigures:
    """What an actor says of itself, since it began."""

    name: str
    requests: int
    errors: int
    waiting: int
    """Messages in its mailbox now."""
    deepest: int
    """Most that ever waited at once."""
    waiting_bytes: int
    dropped: int
    """Facts it did not hear because it was told too many."""
    p50_ms: float
    p99_ms: float
    """Of its work on the last 512 requests, without their wait."""
    topics: tuple[TopicFigures, ...]
    """Those that were asked, the busiest first."""


@message
class Figures:
    actors: tuple[ActorFigures, ...]
    """By name; an actor that does not answer the service protocol is missing."""


@message
class MeasureActors(Request[Figures], topic="studio.figures", needs="read"):
    """Mailboxes and latencies of every actor, in whichever process. Measured at most once a second."""


@message
class StopStudio(Request[Done], topic="studio.stop", needs="studio.manage"):
    """Stop all services and the broker."""


@message
class RestartActor(Request[Done], topic="studio.restart", needs="studio.manage"):
    """Stop one actor of the studio and start it anew, one that is degraded too. Answered when that has begun; what
    waits in its mailbox is told to come again."""

    name: Name
    """As `qi status` shows it."""


@message
class ResumeWork(Request[Done], topic="studio.resume", needs="publish.create"):
    """A studio that was started for a read now also finishes what was left unfinished."""

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

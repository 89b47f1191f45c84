"""The studio itself: what runs, and how to stop it."""

from __future__ import annotations

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
class ResumeWork(Request[Done], topic="studio.resume", needs="publish.create"):
    """A studio that was started for a read now also finishes what was left unfinished."""

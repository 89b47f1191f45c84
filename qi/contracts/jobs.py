"""Jobs: work of addons that takes long, and goes on after a restart."""

from __future__ import annotations

from dataclasses import field
from typing import Annotated, Any

from qi.limits import Items, Name, PageSize, Prose, Text, Token
from qi.messages import STUDIO_ONLY, Done, Request, message

State = Annotated[str, Text(20, "^(queued|running|succeeded|failed|cancelled)$")]


@message
class JobInfo:
    id: str
    addon: str
    kind: str
    title: str
    bundle: str
    """Id of the bundle whose version of the addon does it."""
    user: str
    state: str
    """`queued`, `running`, `succeeded`, `failed` or `cancelled`."""
    arguments: dict[str, Any] = field(default_factory=dict)
    step: int = 0
    steps: int = 0
    """How many there are; 0 while nobody knows."""
    message: str = ""
    """What it does, or why it failed."""
    result: dict[str, Any] = field(default_factory=dict)
    tries: int = 0
    """How often it was begun."""
    created_at: int = 0
    """Microseconds since the epoch."""
    ended_at: int = 0


@message
class JobList:
    jobs: tuple[JobInfo, ...]


@message
class StartJob(Request[JobInfo], topic="job.start", needs="job.run", timeout_s=20.0):
    """Begin a job of an addon, as the caller's bundle pins it. Returns when it is kept; it is done even after a
    restart."""

    addon: Name
    kind: Name
    arguments: Annotated[dict[str, Any], Items(200)] = field(default_factory=dict)
    title: Name = ""
    command: Token = ""


@message
class JobKinds:
    kinds: tuple[str, ...]


@message
class ListJobKinds(Request[JobKinds], topic="job.kinds", needs="job.run", timeout_s=20.0):
    """The kinds of jobs that an addon does, as the caller's bundle pins it: it is started when it does not run."""

    addon: Name


@message
class ListJobs(Request[JobList], topic="job.list", needs="read"):
    """Newest first."""

    state: Name = ""
    user: Name = ""
    limit: PageSize = 100


@message
class GetJob(Request[JobInfo], topic="job.get", needs="read"):
    """One job."""

    id: Token


@message
class CancelJob(Request[JobInfo], topic="job.cancel", needs="job.run"):
    """Call a job off: one's own, or with the permission studio.manage anybody's. It ends at its next step."""

    id: Token


@message
class ReportJob(Request[Done], topic="job.report", needs="session.identify"):
    """An addon tells how its job goes."""

    id: Token
    state: State
    step: int = 0
    steps: int = 0
    message: Prose = ""
    result: Annotated[dict[str, Any], Items(200)] = field(default_factory=dict)
    kept: Annotated[dict[str, Any], Items(200)] | None = None
    """What the job wants to find again when it is begun anew; as it was when null."""


@message
class RunJob(Request[Done], topic="provider.job.run", needs=STUDIO_ONLY):
    """To an addon: do it. Answered at once."""

    id: Token
    kind: Name
    user: Name
    arguments: dict[str, Any] = field(default_factory=dict)
    kept: dict[str, Any] = field(default_factory=dict)


@message
class StopJob(Request[Done], topic="provider.job.stop", needs=STUDIO_ONLY):
    """To an addon: end it at its next step."""

    id: Token


@message
class JobsAtWork:
    ids: tuple[str, ...]
    kinds: tuple[str, ...] = ()
    """What it could work at."""


@message
class WhichJobs(Request[JobsAtWork], topic="provider.job.which", needs=STUDIO_ONLY, timeout_s=5.0):
    """To an addon: which jobs it works at."""

"""Rehearsals: the studio's recent publishes, tried with another bundle before it becomes production."""

from __future__ import annotations

from typing import Annotated

from qi.limits import Name, Span, Token
from qi.messages import Request, message


@message
class Tried:
    """One publish that was tried again as a what-if."""

    publish: str
    what_if: str
    """Id of the trial; empty when it could not begin."""
    label: str
    """`project/entity product v003`."""
    was: str
    """How it ended then: `succeeded`, `failed` …"""
    now: str
    """How its trial ended."""
    verdict: str
    """`same`, `differs`, `breaks` (it would fail now), `mends` (it would not fail any more) or `not tried`."""
    differences: int
    first: tuple[str, ...]
    """The first differences, one sentence each."""
    causes: tuple[str, ...]
    reason: str = ""
    """Why it could not be tried."""


@message
class RehearsalInfo:
    id: str
    bundle: str
    """Name of the candidate."""
    digest: str
    state: str
    """`running`, `finished` or `interrupted`."""
    total: int
    tried: tuple[Tried, ...]
    by: str
    began_at: int
    """Microseconds since the epoch."""


@message
class RehearseBundle(Request[RehearsalInfo], topic="rehearsal.start", needs="bundle.manage", timeout_s=30.0):
    """Try the newest publishes with a candidate. Returns at once; events tell how it goes on."""

    bundle: Name
    last: Annotated[int, Span(1, 200)] = 20
    project: Name = ""
    command: Token


@message
class ShowRehearsal(Request[RehearsalInfo], topic="rehearsal.show", needs="read"):
    """A rehearsal, as far as it came."""

    id: Token

"""History: what happened, as a tree of cause and effect."""

from __future__ import annotations

from events.record import Event
from qi.limits import PageSize, Token
from qi.messages import Request, message


@message
class CauseTree:
    """Events of one or more traces. Each hangs below the event whose id is its `meta.cause`; the others are roots."""

    events: tuple[Event, ...]
    position: int
    more: bool = False


@message
class QueryHistory(Request[CauseTree], topic="history.query", needs="history.read", timeout_s=30.0):
    """Everything a publish, a trace or an event set off, oldest first, in pages after `after`."""

    publish: Token = ""
    trace: Token = ""
    after: int = 0
    limit: PageSize = 500

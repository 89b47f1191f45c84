"""What the broker refused: who tried, from where, and what. A plain fact: nothing is decided upon it."""

from __future__ import annotations

from typing import Final

from events.errors import Invalid
from events.record import DomainEvent, StreamName, event, stream_name

NAMELESS: Final = stream_name("session", "unknown")


@event("session.refused", erasable=("subject", "reason", "address"))
class SessionRefused(DomainEvent):
    """Somebody was kept out, or kept from a subject that is not his."""

    what: str
    """`connect`, `publish` or `subscribe`."""
    subject: str
    """Where to; empty for a connection."""
    reason: str
    address: str
    """Network address it came from; empty where the broker does not say."""
    times: int
    """How often, since the last event that says the same."""


def stream_of(session: str) -> StreamName:
    """Of the session that somebody claimed to be: whatever cannot be an id is nameless."""
    try:
        return stream_name("session", session)
    except Invalid:
        return NAMELESS

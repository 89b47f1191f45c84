"""What happened to secrets: stored, read, removed. Never what they are. Plain facts; any thread."""

from __future__ import annotations

from hashlib import sha256

from events.names import fold_name
from events.record import DomainEvent, StreamName, event, stream_name


@event("secret.stored")
class SecretStored(DomainEvent):
    """A secret has another value from here on. Who stored it is in the event's meta."""

    name: str
    version: int
    """1, 2, 3 …"""


@event("secret.read", erasable=("purpose",))
class SecretRead(DomainEvent):
    """Somebody was given a secret. Who is in the event's meta."""

    name: str
    version: int
    purpose: str
    """What it was wanted for; may be empty."""


@event("secret.removed", erasable=("reason",))
class SecretRemoved(DomainEvent):
    """Nobody can read it any more, in any version."""

    name: str
    reason: str
    """Why; may be empty."""


def secret_stream(name: str) -> StreamName:
    """However the name is typed."""
    return stream_name("secret", sha256(fold_name(name).encode()).hexdigest()[:32])

"""What the log holds: the record of an event, and the values it is made of.

A *domain event* is a small frozen dataclass registered by :func:`event` under a stable dotted name; a
:class:`NewEvent` is one on its way into the log; an :class:`Event` is one that was committed. Any thread.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar, NewType, TypeVar, dataclass_transform

from events.errors import Invalid
from events.ids import new_id

Position = NewType("Position", int)
"""Place in the whole log: 1, 2, 3 … without gaps, in commit order. 0 is before the first event."""

Version = NewType("Version", int)
"""Place in one stream: 1, 2, 3 …; 0 is a stream that does not exist yet."""

StreamName = NewType("StreamName", str)
"""`<category>-<id>`: category `[a-z][a-z0-9_]*`, id an opaque token `[A-Za-z0-9_]+`. The category of an addon's own
streams is its name: :mod:`events.owners`."""

Digest = NewType("Digest", str)
"""`blake3` of some content, 64 hex digits: its name in the content store."""

Micros = NewType("Micros", int)
"""Microseconds since 1970-01-01T00:00Z."""

CATEGORY = re.compile(r"[a-z][a-z0-9_]{0,39}")

BEFORE_FIRST = Position(0)
NO_STREAM = Version(0)


def now() -> Micros:
    """The wall clock. Only ever recorded, never compared between machines."""
    return Micros(time.time_ns() // 1000)


def stream_name(category: str, token: str) -> StreamName:
    """Raises :class:`Invalid` when either part is not of the form :data:`StreamName` asks for."""
    if not CATEGORY.fullmatch(category):
        raise Invalid(f"'{category}' is not a stream category: use lower-case letters, digits and '_', a letter first")
    if not token or len(token) > 128 or not all(c.isascii() and (c.isalnum() or c == "_") for c in token):
        raise Invalid(f"'{token}' is not a stream id: use letters, digits and '_'")
    return StreamName(f"{category}-{token}")


def category_of(stream: StreamName) -> str:
    return stream.partition("-")[0]


def token_of(stream: StreamName) -> str:
    return stream.partition("-")[2]


@dataclass(frozen=True, slots=True)
class Meta:
    """Who and what caused an event. All opaque tokens or names; empty when unknown."""

    user: str = ""
    """User name, or `studio` for the service itself."""
    session: str = ""
    """Session id of the participant whose request led here."""
    host: str = ""
    """Host name of that participant."""
    trace: str = ""
    """W3C trace id (32 hex digits) shared by everything one command set off."""
    cause: str = ""
    """Id of the event (or of the command) that led to this one; the tree of cause and effect is built from it alone."""
    command: str = ""
    """Id of the command that appended this event: the key of idempotency."""


class DomainEvent:
    """The base of every domain event: a frozen dataclass registered by :func:`event`."""

    __slots__ = ()

    event_type: ClassVar[str]
    event_schema: ClassVar[int]
    event_erasable: ClassVar[tuple[str, ...]]
    """Fields that a redaction may blank, because no decision rests on them; `steps.*.message` reaches into a list."""


E = TypeVar("E")
TYPES: dict[str, type[Any]] = {}
"""Every event type this process knows, by its dotted name: its newest shape."""


@dataclass_transform(frozen_default=True, kw_only_default=True)
def event(name: str, *, schema: int = 1, erasable: tuple[str, ...] = ()) -> Callable[[type[E]], type[E]]:
    """Make a class a frozen keyword-only dataclass and register it as the event `name` (dotted, past tense).

    Of its fields those that are `erasable` may be blanked later: see :mod:`events.redaction`.
    """

    def register(cls: type[E]) -> type[E]:
        made = domain_event(cls, name, schema, erasable)
        if TYPES.setdefault(name, made).__qualname__ != made.__qualname__:
            raise RuntimeError(f"two classes claim the event type {name}")
        TYPES[name] = made
        return made

    return register


def domain_event(cls: type[E], name: str, schema: int, erasable: tuple[str, ...]) -> type[E]:
    """`cls` as a frozen keyword-only dataclass that bears its type; nobody knows it by its name yet."""
    # Slots, because a fold makes millions of them.
    made: Any = dataclass(frozen=True, kw_only=True, slots=True)(cls)
    made.event_type, made.event_schema, made.event_erasable = name, schema, erasable
    return made  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event on its way into the log."""

    stream: StreamName
    type: str
    data: dict[str, Any]
    """JSON-ready payload."""
    schema: int = 1
    id: str = field(default_factory=new_id)
    occurred_at: Micros = field(default_factory=now)


@dataclass(frozen=True, slots=True)
class Event:
    """A committed event."""

    position: Position
    id: str
    stream: StreamName
    version: Version
    type: str
    schema: int
    occurred_at: Micros
    """When it happened, by the clock of whoever says so."""
    recorded_at: Micros
    """When it was committed, by the journal's clock."""
    meta: Meta
    data: dict[str, Any]
    digest: str
    """SHA-256 of the canonical payload, 64 hex digits."""
    hash: str
    """SHA-256 over the previous event's hash, this header and `digest`, 64 hex digits."""


@dataclass(frozen=True, slots=True)
class Change:
    """One thing a decision wants recorded: which stream, which event."""

    stream: StreamName
    event: Any
    """A :class:`DomainEvent`; the decorator's attributes are invisible to type checkers."""

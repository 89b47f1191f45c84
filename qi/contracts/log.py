"""The log: appending to it, reading it, proving it."""

from __future__ import annotations

from typing import Annotated

from events.record import Event, NewEvent
from qi.limits import Items, Name, PageSize, PathText, Text, Token, Whole
from qi.messages import STUDIO_ONLY, Request, message


@message
class Appended:
    first: int
    """Position of the first event appended; of the head, when none was."""
    last: int
    versions: dict[str, int]
    """Stream → its version now."""
    repeated: bool = False
    """The command had been carried out before; this is its first answer."""


@message
class AppendEvents(Request[Appended], topic="log.append", needs=STUDIO_ONLY):
    """Record a decision. Who and what caused it travels in the context."""

    events: Annotated[tuple[NewEvent, ...], Items(1000)]
    expected: dict[str, int]
    """Version of every stream the decision read; 0 means it must not exist."""
    command: Token = ""


@message
class RecordOwn(Request[Appended], topic="log.record", needs="log.record"):
    """Record what an addon decided, in streams of its own. Addons alone may ask it; see :mod:`events.owners`."""

    addon: Name
    """Its name. One in a process of its own speaks for itself alone."""
    events: Annotated[tuple[NewEvent, ...], Items(100)]
    expected: Annotated[dict[str, int], Items(100)]
    """Version of every stream the decision read, all of them its own; 0 means it must not exist."""
    command: Token = ""


@message
class LogWriter:
    host: str
    home: str


@message
class WhoWrites(Request[LogWriter], topic="log.writer", needs=STUDIO_ONLY):
    """Which journal writes this mesh's log; there must be one only."""


@message
class EventPage:
    events: tuple[Event, ...]
    head: int
    """Position of the newest event of the log."""
    more: bool
    """Whether there may be another page: ask on from `reached`."""
    reached: int = 0
    """Everything up to here was looked at: the next page is `after` it, or of the newest `before` it."""


@message
class ReadLog(Request[EventPage], topic="log.read", needs="history.read"):
    """A page of the log, oldest first; every filter that is given must hold.

    With `text` or `entity` a page may hold few events, or none, and say `more`: the log is looked through for a moment
    at a time.
    """

    after: Whole = 0
    before: Whole = 0
    """Only before this position; 0 means no bound."""
    limit: PageSize = 200
    stream: Annotated[str, Items(200)] = ""
    category: Annotated[str, Items(100)] = ""
    type: Annotated[str, Items(100)] = ""
    """An event type, or the beginning of one ending in `*`."""
    user: Annotated[str, Items(200)] = ""
    trace: Annotated[str, Items(64)] = ""
    text: Annotated[str, Text(200)] = ""
    """Anywhere in what it says (values, reasons, messages), its type or its stream; capitals make no difference."""
    entity: Annotated[str, Text(500)] = ""
    """What it is about: a project, a context (`PROJECT/seq010/sh0100`), a bundle, an addon, a publish; name or id."""
    since: Whole = 0
    """Recorded at or after, microseconds since the epoch."""
    until: Whole = 0
    """Recorded before; 0 means no bound."""
    newest: bool = False
    """The last ones that fit instead of the first; the page itself is still oldest first."""


@message
class ProjectionInfo:
    """A projection that is kept as tables."""

    name: str
    version: int
    position: int
    """It holds every event up to here."""


@message
class LogStats:
    events: int
    head: int
    head_hash: str
    streams: int
    bytes: int
    wal_bytes: int
    signed_position: int
    types: dict[str, int]
    """Event type → how many."""
    projections: tuple[ProjectionInfo, ...]


@message
class GetLogStats(Request[LogStats], topic="log.stats", needs="history.read"):
    """How much the log holds of what."""


@message
class LogProof:
    events: int
    head: int
    hash: str
    signed_position: int
    """The signed head kept outside the file agrees up to here."""
    seconds: float


@message
class VerifyLog(Request[LogProof], topic="log.verify", needs="history.read", timeout_s=600.0):
    """Recompute the whole chain; a broken one is answered with a CorruptLog that holds the first bad position."""


@message
class LogBackup:
    path: str
    events: int
    hash: str


@message
class BackupProgress:
    """A feed on `qi.feed.backup.<session>` to whoever asked for a backup; lossy."""

    stage: str
    """`copying`, then `proving`."""
    share: float
    """How much of the stage is done, 0 to 1."""


@message
class BackupLog(Request[LogBackup], topic="log.backup", needs="log.manage", timeout_s=600.0):
    """Copy the log, while it is in use, to a new file on the studio's machine, and prove the copy."""

    path: PathText

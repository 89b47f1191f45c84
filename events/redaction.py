"""Blanking what should never have been recorded: a secret in a setting, a person in a message.

Offline: the caller sees to it that no studio runs, so nobody holds what is blanked in memory. An event of its own says
what was blanked, by whom and why, and holds the digest of what was left; then the payload is replaced. Whoever is
killed in between repeats it. Any thread.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from events.blobs import Blobs
from events.canonical import canonical
from events.catalog import decode_event, encode_change
from events.chain import REDACTED, verify
from events.decider import need_reason
from events.errors import Busy, Invalid, QiError
from events.head import HeadFile
from events.ids import new_id
from events.logfile import SCHEMA, explained, first, open_to_write
from events.record import TYPES, Change, Digest, DomainEvent, Event, Meta, Position, event, stream_name
from events.sqlite import SqliteReader, SqliteStore
from events.store import Append

STREAM: Final = stream_name("log", "redactions")
BLANKS: Final[tuple[Any, ...]] = (None, "", [], {})
"""What a value may become, in the order of preference; the first that fits its type is taken."""
_KEEPS_UPDATES_OUT = next(one for one in SCHEMA if one.startswith("CREATE TRIGGER event_never_updates"))


@event(REDACTED, erasable=("reason",))
class LogRedacted(DomainEvent):
    """Parts of an earlier event's payload are gone for good."""

    position: int
    """Of that event."""
    type: str
    stream: str
    fields: tuple[str, ...]
    """What was blanked in it, as dotted paths."""
    left: str
    """SHA-256 of the payload that was left, 64 hex digits."""
    reason: str
    account: str
    """Account of the operating system that did it; nobody is logged in while no studio runs."""


@dataclass(frozen=True, slots=True)
class Redacted:
    """What a redaction blanked."""

    position: Position
    type: str
    stream: str
    fields: tuple[str, ...]
    blobs: int
    """How many contents that only this event named are gone with it."""
    told_at: Position
    """Position of the event that tells of it."""


def redact(
    log: Path, keys: Path, blobs: Path, views: Path, position: Position, *, fields: tuple[str, ...] = (), reason: str,
    account: str, host: str,
) -> Redacted:  # fmt: skip
    """Blank what is erasable of the event at `position`, or of that these `fields`.

    What its bytes were is overwritten in the log and its WAL, which needs the room of the log twice; projections are
    dropped, to be made anew. Raises
    :class:`Invalid` for an event or a field that decisions rest on and for one that is blank already,
    :class:`NotFound` for no such event, :class:`CorruptLog` for a damaged log, :class:`Busy` while somebody reads it.
    """  # fmt: skip
    said = need_reason(reason)
    with closing(SqliteStore(log)) as store:
        verify(store, HeadFile(keys).read())
        found = store.at(position)
        blanked, gone = _blanked(found, fields)
        payload = canonical(blanked)
        paths = tuple(sorted(gone))
        told = LogRedacted(
            position=position, type=found.type, stream=found.stream, fields=paths, left=sha256(payload).hexdigest(),
            reason=said, account=account,
        )  # fmt: skip
        meta = Meta(user="studio", host=host, trace=new_id(), cause=found.id)
        appended = store.append(Append((encode_change(Change(STREAM, told)),), meta=meta))
        HeadFile(keys).write(store.head())
    _replace(log, position, payload.decode())
    dropped = _drop_contents(log, Blobs(blobs), list(gone.values()))
    for file in (views, Path(f"{views}-wal"), Path(f"{views}-shm")):
        file.unlink(missing_ok=True)
    return Redacted(position, found.type, str(found.stream), paths, dropped, appended.last)


def _blanked(found: Event, fields: tuple[str, ...]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The payload without what is to go, and what goes: path → value."""
    kind = TYPES.get(found.type)
    erasable: tuple[str, ...] = kind.event_erasable if kind is not None else ()
    if not erasable or kind is None or found.schema != kind.event_schema:
        raise Invalid(
            f"nothing of event {found.position} ({found.type}) may be blanked: decisions rest on all of it",
            remedy="what it leads to can be changed by a new event; what it says stays",
            position=int(found.position),
        )
    if wrong := sorted(set(fields) - set(erasable)):
        raise Invalid(
            f"of a '{found.type}' these may be blanked: {', '.join(erasable)}; not {', '.join(wrong)}",
            fields=dict.fromkeys(wrong, "may not be blanked"),
        )
    payload, gone = found.data, {}
    for pattern in fields or erasable:
        for path, value in list(_reached(payload, tuple(pattern.split(".")))):
            if value in BLANKS:
                continue
            payload = _first_that_fits(found, payload, path)
            gone[".".join(map(str, path))] = value
    if not gone:
        raise Invalid(f"event {found.position} holds nothing there that is not blank already")
    return payload, gone


def _first_that_fits(found: Event, payload: dict[str, Any], path: tuple[str | int, ...]) -> dict[str, Any]:
    for blank in BLANKS:
        made: dict[str, Any] = _with(payload, path, blank)
        try:
            decode_event(replace(found, data=made))
        except QiError:
            continue
        return made
    raise Invalid(f"nothing blank fits '{'.'.join(map(str, path))}' of a '{found.type}'")


def _reached(value: Any, pattern: tuple[str, ...]) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """Every place a pattern leads to, with its value."""
    if not pattern:
        yield (), value
        return
    head, rest = pattern[0], pattern[1:]
    inner: Iterable[tuple[str | int, Any]] = ()
    if head == "*" and isinstance(value, list):
        inner = enumerate(value)
    elif isinstance(value, dict) and head in value:
        inner = ((head, value[head]),)
    for key, item in inner:
        for path, leaf in _reached(item, rest):
            yield (key, *path), leaf


def _with(tree: Any, path: tuple[str | int, ...], value: Any) -> Any:
    if not path:
        return value
    made: Any = list(tree) if isinstance(tree, list) else dict(tree)
    made[path[0]] = _with(made[path[0]], path[1:], value)
    return made


def _replace(log: Path, position: Position, payload: str) -> None:
    """The one place that changes an event; its bytes are overwritten before it returns."""
    with explained(log), closing(open_to_write(log)) as db:
        db.execute("BEGIN IMMEDIATE")
        db.execute("DROP TRIGGER event_never_updates")
        db.execute("UPDATE event SET data = ? WHERE position = ?", (payload, position))
        db.execute(_KEEPS_UPDATES_OUT)
        db.execute("COMMIT")
        # Pages that an older Qi split keep copies; made anew they hold what they should, and no more.
        db.execute("VACUUM")
        # The WAL holds the page as it was.
        if first(db, "PRAGMA wal_checkpoint(TRUNCATE)")[0]:
            raise Busy(
                "somebody reads the log from outside, so what was blanked still stands in its WAL",
                remedy="End what reads events.db and start the studio: it empties the WAL when nobody reads.",
                retry_ms=1000,
            )


def _drop_contents(log: Path, blobs: Blobs, gone: list[Any]) -> int:
    """Remove contents that the blanked fields named, where no other event names them; how many went."""
    digests = {value for value in gone if isinstance(value, str) and len(value) == 64}
    dropped = 0
    for digest in sorted(digests):
        try:
            path = blobs.path(Digest(digest))
        except Invalid:
            continue
        with explained(log), SqliteReader(log) as reader:
            if path.is_file() and not reader.names(digest):
                path.unlink()
                dropped += 1
    return dropped

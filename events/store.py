"""What a store of events promises: one log, read in pages, appended to atomically.

Positions are 1, 2, 3 … in commit order, without gaps. Versions are 1, 2, 3 … in each stream.
Every store passes :class:`qi.testing.store_contract.StoreContract`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import msgspec

from events.errors import QiError
from events.record import Event, Meta, Micros, NewEvent, Position, StreamName, Version

EVENT_DATA_MAX_BYTES = 200 * 1024
"""Largest canonical payload of one event. Bigger things go to the content store and are named by digest."""

PAGE_EVENTS = 1_000
"""A good page: large enough that the query costs nothing, small enough to stay in the cache."""


NOBODY = Meta()
"""Nothing known about who or what caused an event."""


@dataclass(frozen=True, slots=True)
class Head:
    """The last event of a log: its position (0 when empty) and its hash (64 hex digits)."""

    position: Position
    hash: str


# Structs, because a few are made for every append: a frozen dataclass takes five times as long.
class Append(msgspec.Struct, frozen=True):
    """One atomic append to any number of streams."""

    events: tuple[NewEvent, ...]
    expected: dict[StreamName, Version] = {}
    """The version of every stream the decision read, also of those it does not write; 0 = must not exist.
    A stream that is written but not named here is appended to unconditionally."""
    meta: Meta = NOBODY
    command: str = ""
    """Key of idempotency, recorded as `meta.command`; empty: never deduplicated. The same id with the same user,
    streams, types, schemas and payloads is the same command, whatever its event ids, times and expected versions."""


class Appended(msgspec.Struct, frozen=True):
    """Where an append went. Of an empty append `first` and `last` are the head."""

    first: Position
    last: Position
    versions: dict[StreamName, Version]
    """The new version of each stream appended to."""
    repeated: bool = False
    """The command was known: nothing was appended, this is its first answer."""


StoredRow = tuple[int, str, str, int, str, int, int, int, str, str, bytes, bytes]
"""A :class:`Row` as a plain tuple, which is cheaper to make."""


@dataclass(frozen=True, slots=True)
class Written:
    """The answers to a group, one for each request, and what it added to the log. All of it is durable."""

    answers: list[Appended | QiError]
    rows: list[StoredRow]
    """The events as they are stored, in order. A repeated command adds none."""


class Row(NamedTuple):
    """An event as stored. Stores hold and return it as a plain tuple in this order."""

    position: int
    id: str
    stream: str
    version: int
    type: str
    schema: int
    occurred_at: int
    recorded_at: int
    meta: str
    data: str
    digest: bytes
    hash: bytes


COLUMNS = Row._fields
"""The names by which :meth:`EventReader.rows` is asked for a part of each row."""


class Link(NamedTuple):
    """What proves one event: see :mod:`events.chain`. Stores return it as a plain tuple in this order."""

    position: int
    header: bytes
    data: bytes
    digest: bytes
    hash: bytes


class EventReader(Protocol):
    """Reads a log. One thread at a time; each call is one short read, so nothing is held between two pages."""

    def rows(
        self, after: Position, limit: int, categories: frozenset[str] | None, columns: tuple[str, ...]
    ) -> list[tuple[Any, ...]]:
        """The fast path of :meth:`read`: up to `limit` tuples with exactly `columns` (some of :data:`COLUMNS`).

        `meta` and `data` are JSON text, `digest` and `hash` 32 bytes. Raises :class:`KeyError` for an unknown column.
        """
        ...

    def links(self, after: Position, limit: int) -> Iterable[tuple[Any, ...]]:
        """Up to `limit` :class:`Link` tuples in order. Consume them at once."""
        ...

    def read(self, after: Position, limit: int, categories: frozenset[str] | None = None) -> list[Event]:
        """Up to `limit` events after a position, in order; only those of `categories` unless None."""
        ...

    def read_stream(self, stream: StreamName, after: Version, limit: int) -> list[Event]:
        """Up to `limit` events of one stream after a version, in order; none for an unknown stream."""
        ...

    def event(self, event_id: str) -> Event:
        """Raises :class:`NotFound`."""
        ...

    def at(self, position: Position) -> Event:
        """Raises :class:`NotFound`."""
        ...

    def versions(self, streams: Iterable[StreamName]) -> dict[StreamName, Version]:
        """The version of each stream; 0 for one that does not exist."""
        ...

    def head(self) -> Head: ...

    def appended(self, command: str) -> Appended | None:
        """What a command appended (with `repeated` set), or None when the log does not know it."""
        ...

    def close(self) -> None:
        """Idempotent."""
        ...


class EventStore(EventReader, Protocol):
    """Reads and appends. Writer's thread."""

    def append_batch(self, batch: Sequence[Append]) -> Written:
        """Append each request atomically and all durably, in order, with one commit for the batch.

        A request that breaks a rule fails alone; its place holds the error: :class:`Conflict` (`stream`, `expected`,
        `actual`; or `command` for a known id with other content; or `id` for a known event id) or :class:`Invalid`.
        Raises only when nothing at all was appended: :class:`Busy`, or :class:`QiError` for a failing disk.
        """
        ...

    def append(self, one: Append) -> Appended:
        """A batch of one; raises its error."""
        ...


def answer(result: Appended | QiError) -> Appended:
    """The result of one request; raises it when it is an error."""
    if isinstance(result, QiError):
        raise result
    return result


decode_meta = msgspec.json.Decoder(Meta).decode
"""Who and what caused an event, from its stored text."""



def encode_meta(meta: Meta) -> str:
    """The text that :func:`decode_meta` reads."""
    return msgspec.json.encode(meta).decode()


_data = msgspec.json.Decoder(dict[str, Any])


def event_json(row: tuple[Any, ...]) -> bytes:
    """The JSON of :func:`event_of` `row`, made of the stored texts as they are: nothing is decoded for it."""
    position, event_id, stream, version, kind, schema, occurred_at, recorded_at, meta, data, digest, proof = row
    # No name in it needs escaping: events.sealing lets no other through.
    return (
        f'{{"position":{position},"id":"{event_id}","stream":"{stream}","version":{version},"type":"{kind}",'
        f'"schema":{schema},"occurred_at":{occurred_at},"recorded_at":{recorded_at},"meta":{meta},"data":{data},'
        f'"digest":"{digest.hex()}","hash":"{proof.hex()}"}}'
    ).encode()


def event_of(row: tuple[Any, ...]) -> Event:
    """The event of a stored row (all :data:`COLUMNS`)."""
    position, event_id, stream, version, kind, schema, occurred_at, recorded_at, meta, data, digest, proof = row
    return Event(
        Position(position), event_id, StreamName(stream), Version(version), kind, schema,
        Micros(occurred_at), Micros(recorded_at), decode_meta(meta), _data.decode(data), digest.hex(), proof.hex(),
    )  # fmt: skip

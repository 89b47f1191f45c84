"""A log in memory: the contract without a disk, for tests and throw-away studios. One thread."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from operator import itemgetter
from typing import Any

import msgspec

from events.chain import EMPTY, header
from events.errors import NotFound
from events.record import BEFORE_FIRST, NO_STREAM, Event, Position, StreamName, Version, now
from events.sealing import Known, decide, prepare
from events.store import COLUMNS, Append, Appended, Head, StoredRow, Written, answer, event_of

_COLUMN = {name: index for index, name in enumerate(COLUMNS)}


class MemoryStore:
    """An :class:`events.store.EventStore` that ends with its process."""

    def __init__(self) -> None:
        self._rows: list[StoredRow] = []
        self._streams: dict[str, list[int]] = {}
        self._ids: dict[str, int] = {}
        self._commands: dict[str, tuple[bytes, Appended]] = {}

    def append_batch(self, batch: Sequence[Append]) -> Written:
        events = [event for request in batch for event in request.events]
        known = Known(
            self.head(),
            self.versions({*(event.stream for event in events), *(name for one in batch for name in one.expected)}),
            {event.id for event in events if event.id in self._ids},
            {one.command: self._commands[one.command] for one in batch if one.command in self._commands},
        )
        decided = decide(map(prepare, batch), known, now())
        for row in decided.rows:
            self._ids[row[1]] = row[0]
            self._streams.setdefault(row[2], []).append(row[0])
        self._rows.extend(decided.rows)
        self._commands.update(decided.commands)
        return Written(decided.answers, decided.rows)

    def append(self, one: Append) -> Appended:
        return answer(self.append_batch([one]).answers[0])

    def rows(
        self, after: Position, limit: int, categories: frozenset[str] | None, columns: tuple[str, ...]
    ) -> list[tuple[Any, ...]]:
        pick = itemgetter(*(_COLUMN[name] for name in columns))
        found = list(islice(self._after(after, categories), limit))
        return [(pick(row),) for row in found] if len(columns) == 1 else [pick(row) for row in found]

    def links(self, after: Position, limit: int) -> Iterable[tuple[Any, ...]]:
        for row in self._rows[after : after + limit]:
            yield row[0], header(*row[:9]), row[9].encode(), row[10], row[11]

    def read(self, after: Position, limit: int, categories: frozenset[str] | None = None) -> list[Event]:
        return [event_of(row) for row in islice(self._after(after, categories), limit)]

    def read_stream(self, stream: StreamName, after: Version, limit: int) -> list[Event]:
        positions = self._streams.get(stream, [])[after : after + limit]
        return [event_of(self._rows[position - 1]) for position in positions]

    def event(self, event_id: str) -> Event:
        if event_id not in self._ids:
            raise NotFound(f"the log holds no event with the id '{event_id}'", id=event_id)
        return event_of(self._rows[self._ids[event_id] - 1])

    def at(self, position: Position) -> Event:
        if not BEFORE_FIRST < position <= len(self._rows):
            raise NotFound(f"the log holds no event at position {position}", position=position)
        return event_of(self._rows[position - 1])

    def versions(self, streams: Iterable[StreamName]) -> dict[StreamName, Version]:
        return {name: Version(len(self._streams[name])) if name in self._streams else NO_STREAM for name in streams}

    def head(self) -> Head:
        return Head(Position(len(self._rows)), self._rows[-1][11].hex()) if self._rows else EMPTY

    def appended(self, command: str) -> Appended | None:
        known = self._commands.get(command)
        return msgspec.structs.replace(known[1], repeated=True) if known else None

    def close(self) -> None:
        """Nothing to release."""

    def _after(self, after: Position, categories: frozenset[str] | None) -> Iterator[StoredRow]:
        rows = islice(self._rows, after, None)
        if categories is None:
            return rows
        return (row for row in rows if row[2].partition("-")[0] in categories)

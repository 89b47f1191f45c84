"""`views.db`: projections of the log as tables. It may be deleted at any time; it is rebuilt from the log.

A projection's rows and its checkpoint change in one transaction, so each event counts exactly once whatever kills the
process, and also when two processes keep one file. The checkpoint remembers the hash of its event: over another log, or
after one was restored, it starts again.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from events.chain import EMPTY
from events.errors import Conflict, Invalid, NotFound
from events.record import BEFORE_FIRST, TYPES, Position
from events.store import EventReader, Head
from events.tables import Database

APPLICATION_ID = 0x51695F56
"""`Qi_V`: what makes the file views of Qi."""

BUSY_TIMEOUT_S = 5.0
VIEW_PAGE_EVENTS = 2_000

_MAKE = """CREATE TABLE IF NOT EXISTS projection (
  name TEXT PRIMARY KEY,
  version INTEGER NOT NULL,
  position INTEGER NOT NULL,
  hash TEXT NOT NULL
) STRICT"""


class Projection(Protocol):
    """Tables folded from some categories of the log. `name` and `version` are its identity."""

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> int:
        """Raise it with every change of what the tables hold: they are rebuilt."""
        ...

    @property
    def categories(self) -> frozenset[str] | None:
        """Those it folds, of which it must know every type; None: the whole log, whatever it holds."""
        ...

    @property
    def tables(self) -> tuple[str, ...]:
        """The tables it makes; no other projection uses them."""
        ...

    @property
    def columns(self) -> tuple[str, ...]:
        """What it wants of each event, in order: some of :data:`events.store.COLUMNS`. The fewer, the faster."""
        ...

    def create(self, db: Database) -> None:
        """Make the tables, empty. Inside a transaction: do not commit."""
        ...

    def apply(self, db: Database, page: list[tuple[Any, ...]]) -> None:
        """Fold a page of rows, one tuple of `columns` for each event. Inside a transaction: do not commit."""
        ...


class DamagedViews(Invalid):
    """The file cannot be read any more. Nothing is lost: :func:`discard` it, and it is made anew."""


def discard(path: Path) -> None:
    """Delete the views in a file that nobody has open."""
    for suffix in ("", "-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)


class Views:
    """The file with all projections. Belongs to the thread that made it.

    Raises :class:`Invalid` for a database that is something else, :class:`DamagedViews` here and in every method.
    """

    def __init__(self, path: Path, types: Mapping[str, Any] = TYPES) -> None:
        """`types` are those that projections here know, by name."""
        self._path = path
        self._types = types
        self._connection = sqlite3.connect(path, isolation_level=None, timeout=BUSY_TIMEOUT_S)
        try:
            with self.readable():
                self._prepare(path)
        except BaseException:
            self._connection.close()
            raise
        self.db = Database(self._connection, execute_plugins=False)
        """For queries. In this thread the tables and :meth:`position` always agree."""
        self._trusted: set[str] = set()

    def position(self, projection: Projection) -> Position:
        """The tables hold every event of the projection's categories up to here."""
        found = self._checkpoint(projection)
        return found.position if found else BEFORE_FIRST

    def catch_up(self, projection: Projection, reader: EventReader) -> Position:
        """Bring the tables to the head of the log, page by page; of another version they are made anew.

        Queries by other connections see the old tables until the new ones are complete. Raises what `apply` raises,
        and :class:`NotFound` with `type` and `position` for an event type this process does not know in the
        projection's categories; then the tables stand where they stood at the page before.
        """
        with self.readable():
            checkpoint = self._checkpoint(projection)
            if checkpoint is None or (projection.name not in self._trusted and not _holds(reader, checkpoint)):
                position = self._rebuild(projection, reader)
            else:
                position = checkpoint.position
                while (after := self._page(projection, reader, position)) != position:
                    position = after
        self._trusted.add(projection.name)
        return position

    def rebuild(self, projection: Projection, reader: EventReader) -> Position:
        """Make the tables anew, whatever they hold. Raises as :meth:`catch_up`, and leaves the old tables then."""
        with self.readable():
            position = self._rebuild(projection, reader)
        self._trusted.add(projection.name)
        return position

    @contextmanager
    def readable(self) -> Iterator[None]:
        """For queries of one's own: raises :class:`DamagedViews` for a damaged file."""
        try:
            yield
        except sqlite3.DatabaseError as error:
            broken = getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
            if not broken and "no such table" not in str(error):
                raise
            raise DamagedViews(
                f"'{self._path}' cannot be read: {error}",
                remedy="Stop the studio and delete it: it is made anew.",
                path=str(self._path),
            ) from error

    def close(self) -> None:
        self._connection.close()

    def _rebuild(self, projection: Projection, reader: EventReader) -> Position:
        # One transaction for all: until it commits, readers see the old tables, and a kill leaves them.
        with self.db.atomic():
            for table in projection.tables:
                self._connection.execute(f'DROP TABLE IF EXISTS "{table}"')
            projection.create(self.db)
            self._save(projection, EMPTY)
            position = BEFORE_FIRST
            while (after := self._page(projection, reader, position)) != position:
                position = after
        return position

    def _page(self, projection: Projection, reader: EventReader, position: Position) -> Position:
        """Fold the next page with its checkpoint; the position after it."""
        # The head first: what is committed after it may not be in the page, so the checkpoint must not pass it.
        head = reader.head()
        columns = ("position", "type", *projection.columns)
        rows = reader.rows(position, VIEW_PAGE_EVENTS, projection.categories, columns)
        if not rows and head.position == position:
            return position
        if projection.categories is not None:
            _require_known(rows, self._types)
        full = len(rows) == VIEW_PAGE_EVENTS
        end = _head_at(reader, Position(rows[-1][0])) if full or (rows and rows[-1][0] > head.position) else head
        with self.db.atomic():
            if not self._advance(projection, position, end):
                now = self._checkpoint(projection)
                if now is None:
                    raise Conflict(f"another version of '{projection.name}' is kept in {self._path}")
                return now.position
            if rows:
                projection.apply(self.db, [row[2:] for row in rows])
        return end.position

    def _advance(self, projection: Projection, position: Position, end: Head) -> bool:
        """Whether the tables still stood at `position`; first in its transaction, so that another writer waits."""
        done = self._connection.execute(
            "UPDATE projection SET position = ?, hash = ? WHERE name = ? AND version = ? AND position = ?",
            (end.position, end.hash, projection.name, projection.version, position),
        )
        return done.rowcount == 1

    def _checkpoint(self, projection: Projection) -> Head | None:
        row = self._connection.execute(
            "SELECT position, hash FROM projection WHERE name = ? AND version = ?",
            (projection.name, projection.version),
        ).fetchone()
        return Head(Position(row[0]), row[1]) if row else None

    def _save(self, projection: Projection, head: Head) -> None:
        self._connection.execute(
            "INSERT OR REPLACE INTO projection (name, version, position, hash) VALUES (?, ?, ?, ?)",
            (projection.name, projection.version, head.position, head.hash),
        )

    def _prepare(self, path: Path) -> None:
        db = self._connection
        application = db.execute("PRAGMA application_id").fetchone()[0]
        empty = db.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0] == 0
        if application != APPLICATION_ID and not (empty and application == 0):
            raise Invalid(f"'{path}' does not hold Qi's views", remedy="Check the path.", path=str(path))
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
        db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        db.execute(_MAKE)


def _holds(reader: EventReader, checkpoint: Head) -> bool:
    if checkpoint.position == BEFORE_FIRST:
        return True
    try:
        return reader.at(checkpoint.position).hash == checkpoint.hash
    except NotFound:
        return False


def _head_at(reader: EventReader, position: Position) -> Head:
    return Head(position, reader.at(position).hash)


def _require_known(rows: list[tuple[Any, ...]], types: Mapping[str, Any]) -> None:
    if {row[1] for row in rows} <= types.keys():
        return
    position, kind = next((row[0], row[1]) for row in rows if row[1] not in types)
    raise NotFound(
        f"event {position} has the type '{kind}', which is not known here",
        remedy="Update Qi, or load the addon that defines it.",
        type=kind,
        position=position,
    )

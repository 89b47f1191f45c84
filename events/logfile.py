"""The file that a log is: opening it, making it, telling it from other files, and what its errors mean.

Whatever opens a log in use does so through `apsw`, never :mod:`sqlite3`: two copies of SQLite in one process
undo each other's locks (sqlite.org/howtocorrupt.html, 2.2.1). Any thread; a connection belongs to its own.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import apsw

from events.chain import MEND
from events.disk import sync_folder
from events.errors import Busy, Conflict, CorruptLog, Invalid, NotFound, QiError

APPLICATION_ID = 0x51695F4C
"""`Qi_L`: what makes the file a Qi log."""

FORMAT = 1
"""Kept in `user_version`. A file with a higher one was written by a newer Qi and is refused."""

BUSY_TIMEOUT_MS = 5_000
JOURNAL_SIZE_LIMIT_BYTES = 64 * 1024 * 1024
SCHEMA = (
    """CREATE TABLE event (
  position INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  stream TEXT NOT NULL,
  version INTEGER NOT NULL,
  type TEXT NOT NULL,
  schema INTEGER NOT NULL,
  occurred_at INTEGER NOT NULL,
  recorded_at INTEGER NOT NULL,
  meta TEXT NOT NULL,
  data TEXT NOT NULL,
  digest BLOB NOT NULL,
  hash BLOB NOT NULL,
  category TEXT NOT NULL AS (substr(stream, 1, instr(stream, '-') - 1)) VIRTUAL,
  UNIQUE (stream, version)
) STRICT""",
    "CREATE INDEX event_category ON event (category, position)",
    """CREATE TABLE command (
  id TEXT PRIMARY KEY,
  digest BLOB NOT NULL,
  first INTEGER NOT NULL,
  last INTEGER NOT NULL,
  versions TEXT NOT NULL
) STRICT, WITHOUT ROWID""",
    *(
        f"CREATE TRIGGER {table}_never_{verb.lower()}s BEFORE {verb} ON {table}"
        " BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END"
        for table in ("event", "command")
        for verb in ("UPDATE", "DELETE")
    ),
)


def first(db: apsw.Connection | sqlite3.Connection, sql: str, parameters: tuple[Any, ...] = ()) -> Any:
    """The first row of a query; `None` when it has none."""
    return db.execute(sql, parameters).fetchone()


def open_to_read(path: Path) -> apsw.Connection:
    """A connection that never writes. Raises :class:`apsw.Error`."""
    uri = f"file:{quote(str(path.resolve()))}?mode=ro"
    db = apsw.Connection(uri, flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI)
    db.set_busy_timeout(BUSY_TIMEOUT_MS)
    return db


def open_to_write(path: Path) -> apsw.Connection:
    """A connection whose commits are on the disk when they return. Raises :class:`apsw.Error`."""
    db = apsw.Connection(str(path))
    db.set_busy_timeout(BUSY_TIMEOUT_MS)
    try:
        db.execute("PRAGMA synchronous = FULL")
        # What moves to another page leaves no copy behind, for a redaction to miss.
        db.execute("PRAGMA secure_delete = ON")
        # Without it INSERT OR REPLACE deletes a row and no trigger fires.
        db.execute("PRAGMA recursive_triggers = ON")
        db.execute(f"PRAGMA journal_size_limit = {JOURNAL_SIZE_LIMIT_BYTES}")
    except BaseException:
        db.close()
        raise
    return db


def create(path: Path) -> None:
    """Make an empty file a log; leave any other file as it is."""
    with explained(path):
        db = open_to_write(path)
        try:
            if first(db, "SELECT count(*) FROM sqlite_schema")[0] == 0:
                db.execute("PRAGMA journal_mode = WAL")
                db.execute("BEGIN IMMEDIATE")
                if first(db, "SELECT count(*) FROM sqlite_schema")[0] == 0:
                    make_tables(db)
                db.execute("COMMIT")
        finally:
            db.close()


def make_tables(db: apsw.Connection) -> None:
    for statement in SCHEMA:
        db.execute(statement)
    db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    db.execute(f"PRAGMA user_version = {FORMAT}")


@contextmanager
def made_whole(destination: Path) -> Iterator[Path]:
    """A place to write a new log to. When the block ends well it is durable and gets its name; else it is removed.

    Raises :class:`Conflict` when the destination exists, :class:`NotFound` when its folder does not.
    """
    if destination.exists():
        raise Conflict(f"'{destination}' exists", remedy="Choose another name.", path=str(destination))
    if not destination.parent.is_dir():
        raise NotFound(f"the folder '{destination.parent}' does not exist", path=str(destination.parent))
    partial = destination.with_name(f".{destination.name}.part")
    partial.unlink(missing_ok=True)
    try:
        yield partial
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        partial.rename(destination)
        sync_folder(destination.parent)
    finally:
        partial.unlink(missing_ok=True)


def require_kind(db: apsw.Connection | sqlite3.Connection, path: Path) -> None:
    """Raises :class:`Invalid` for a database that is not a log, or one of a newer Qi."""
    application = first(db, "PRAGMA application_id")[0]
    version = first(db, "PRAGMA user_version")[0]
    if application != APPLICATION_ID:
        raise Invalid(f"'{path}' is a database, but not a Qi log", remedy="Check the path.", path=str(path))
    if version > FORMAT:
        raise Invalid(
            f"'{path}' was written by a newer Qi (format {version}; this one knows {FORMAT})",
            remedy="Update Qi.",
            path=str(path),
            format=version,
        )


def require_log(db: apsw.Connection, path: Path) -> None:
    require_kind(db, path)
    found = {row[0] for row in db.execute("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL")}
    if missing := sorted(statement.partition("\n")[0] for statement in set(SCHEMA) - found):
        raise CorruptLog(
            f"the log at '{path}' was taken apart: {'; '.join(missing)} is not as Qi made it",
            remedy=MEND,
            position=0,
        )


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn SQLite's errors about the file at `path` into Qi's."""
    try:
        yield
    except UnicodeDecodeError as error:
        raise CorruptLog(f"the file of the log is damaged: {error}", remedy=MEND, position=0) from error
    except (apsw.Error, sqlite3.DatabaseError) as error:
        # A copy that is repaired is read by sqlite3.
        code = getattr(error, "result", getattr(error, "sqlite_errorcode", 0)) & 0xFF
        if code in (apsw.SQLITE_BUSY, apsw.SQLITE_LOCKED):
            raise Busy(f"another program holds the log at '{path}'", remedy="Try again.", retry_ms=100) from error
        if code == apsw.SQLITE_NOTADB:
            raise Invalid(f"'{path}' is not a database", remedy="Check the path.", path=str(path)) from error
        if code == apsw.SQLITE_CORRUPT or "decode to UTF-8" in str(error):
            raise CorruptLog(f"the file of the log is damaged: {error}", remedy=MEND, position=0) from error
        if code in (apsw.SQLITE_FULL, apsw.SQLITE_IOERR, apsw.SQLITE_CANTOPEN, apsw.SQLITE_READONLY):
            raise QiError(
                f"the log at '{path}' cannot be used: {error}",
                remedy="Check the disk's space and permissions.",
                path=str(path),
            ) from error
        raise

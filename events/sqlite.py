"""The log in one SQLite file: one writer with group commit, any number of readers.

The file is in WAL mode, so readers never wait for the writer and see only what was committed. It is on a local
disk. Triggers refuse to change or delete an event; :mod:`events.chain` finds it when somebody does so regardless.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Self

import apsw
import msgspec

from events.chain import EMPTY, Verified, verify
from events.disk import require_local
from events.errors import CorruptLog, Invalid, NotFound
from events.logfile import create, explained, first, made_whole, make_tables, open_to_read, open_to_write, require_log
from events.record import NO_STREAM, Event, Position, StreamName, Version, now
from events.sealing import Decided, Known, Prepared, commands_of, decide, prepare
from events.search import Said
from events.store import COLUMNS, Append, Appended, Head, StoredRow, Written, answer, event_of

STREAMS_REMEMBERED = 50_000
"""Of so many streams the writer keeps the version in memory, at most and more or less."""

BACKUP_PAGES = 1_024
"""Pages of the file that a backup copies between two words on how far it is."""

# `||` keeps a NUL inside a text, which printf would cut: a header must cover every byte of every column.
_HEADER = (
    "CAST(id || '\n' || stream || '\n' || type || '\n' || meta || printf('\n%d %d %d %d %d\n',"
    " position, version, schema, occurred_at, recorded_at) AS BLOB)"
)
_LINKS = (
    f"SELECT position, {_HEADER}, CAST(data AS BLOB), CAST(digest AS BLOB), CAST(hash AS BLOB)"  # noqa: S608 - constants only
    " FROM event WHERE position > ? ORDER BY position LIMIT ?"
)
_ALL = ", ".join(COLUMNS)
_STREAM = f"SELECT {_ALL} FROM event WHERE stream = ? AND version > ? ORDER BY version LIMIT ?"  # noqa: S608
_BY_ID = f"SELECT {_ALL} FROM event WHERE id = ?"  # noqa: S608
_BY_POSITION = f"SELECT {_ALL} FROM event WHERE position = ?"  # noqa: S608
_SAID = "SELECT position, stream, type, data FROM event WHERE position IN (SELECT value FROM json_each(?))"
_FIRST = "SELECT position, stream, type, data FROM event WHERE stream = ? AND version = 1"
_VERSIONS = "SELECT value, (SELECT max(version) FROM event WHERE stream = value) FROM json_each(?)"
_TAKEN = "SELECT value FROM json_each(?) WHERE EXISTS (SELECT 1 FROM event WHERE id = value)"
_HEAD = "SELECT position, hash FROM event ORDER BY position DESC LIMIT 1"
_COMMANDS = "SELECT id, digest, first, last, versions FROM command WHERE id IN (SELECT value FROM json_each(?))"
_INSERT = f"INSERT INTO event ({_ALL}) VALUES ({', '.join('?' * len(COLUMNS))})"  # noqa: S608
_INSERT_COMMAND = "INSERT INTO command (id, digest, first, last, versions) VALUES (?, ?, ?, ?, ?)"

_versions = msgspec.json.Decoder(dict[str, int])


class SqliteReader:
    """Reads a log through a read-only connection of its own. Belongs to the thread that made it.

    Raises :class:`NotFound` for no file, :class:`Invalid` for a file that is not a log of this Qi or an older one.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if not path.is_file():
            raise NotFound(f"there is no log at '{path}'", path=str(path))
        with explained(path):
            self._db = open_to_read(path)
            try:
                self._db.execute("PRAGMA query_only = ON")
                require_log(self._db, path)
            except BaseException:
                self._db.close()
                raise

    def rows(
        self, after: Position, limit: int, categories: frozenset[str] | None, columns: tuple[str, ...]
    ) -> list[tuple[Any, ...]]:
        if categories is not None and not categories:
            return []
        with explained(self.path):
            return self._db.execute(*_select(after, limit, categories, columns)).fetchall()

    def links(self, after: Position, limit: int) -> Iterable[tuple[Any, ...]]:
        try:
            with explained(self.path):
                return self._db.execute(_LINKS, (after, limit)).fetchall()
        except CorruptLog as error:
            # A page that cannot be read whole is read in parts, up to the very event.
            if limit > 1:
                return self.links(after, limit // 2)
            raise CorruptLog(error.message, remedy=error.remedy, position=after + 1) from error

    def read(self, after: Position, limit: int, categories: frozenset[str] | None = None) -> list[Event]:
        return [event_of(row) for row in self.rows(after, limit, categories, COLUMNS)]

    def read_stream(self, stream: StreamName, after: Version, limit: int) -> list[Event]:
        with explained(self.path):
            return [event_of(row) for row in self._db.execute(_STREAM, (stream, after, limit)).fetchall()]

    def event(self, event_id: str) -> Event:
        return self._one(_BY_ID, event_id, NotFound(f"the log holds no event with the id '{event_id}'", id=event_id))

    def at(self, position: Position) -> Event:
        missing = NotFound(f"the log holds no event at position {position}", position=position)
        return self._one(_BY_POSITION, position, missing)

    def said(self, positions: Iterable[Position]) -> dict[int, Said]:
        """What the events there say, by position."""
        with explained(self.path):
            rows: list[Any] = self._db.execute(_SAID, (msgspec.json.encode(list(positions)).decode(),)).fetchall()
        return {row[0]: Said(*row) for row in rows}

    def said_first(self, stream: StreamName) -> Said:
        """What the first event of a stream says. Raises :class:`NotFound`."""
        with explained(self.path):
            row = first(self._db, _FIRST, (stream,))
        if row is None:
            raise NotFound(f"the log holds no stream '{stream}'", stream=stream)
        return Said(*row)

    def names(self, digest: str) -> bool:
        """Whether any payload holds this text. Reads the whole log."""
        with explained(self.path):
            sql = "SELECT EXISTS (SELECT 1 FROM event WHERE instr(data, ?))"
            return bool(first(self._db, sql, (digest,))[0])

    def versions(self, streams: Iterable[StreamName]) -> dict[StreamName, Version]:
        with explained(self.path):
            found: list[Any] = self._db.execute(_VERSIONS, (_list(streams),)).fetchall()
        return {StreamName(name): Version(version or NO_STREAM) for name, version in found}

    def head(self) -> Head:
        with explained(self.path):
            row = first(self._db, _HEAD)
        return Head(Position(row[0]), row[1].hex()) if row else EMPTY

    def appended(self, command: str) -> Appended | None:
        with explained(self.path):
            row = first(self._db, _COMMANDS, (_list([command]),))
        return msgspec.structs.replace(_answer_of(row), repeated=True) if row else None

    def backup(self, destination: Path, told: Callable[[str, float], None] = lambda *_: None) -> Verified:
        """Copy the log as it is now, while it is in use, and prove the copy; it is a log as good as this one.

        `told` hears how far it is: `copying` or `proving`, and the share of that from 0 to 1.

        Raises :class:`Conflict` when the destination exists, :class:`CorruptLog` when the copy does not verify:
        then nothing is left there.
        """
        with made_whole(destination) as partial:
            with explained(self.path):
                copy = apsw.Connection(str(partial))
                try:
                    # One moment of the log is held: otherwise every append by another would begin the copy anew.
                    self._db.execute("BEGIN")
                    try:
                        first(self._db, _HEAD)
                        with copy.backup("main", self._db, "main") as copying:
                            while not copying.done:
                                copying.step(BACKUP_PAGES)
                                told("copying", 1 - copying.remaining / max(1, copying.page_count))
                    finally:
                        self._db.execute("COMMIT")
                    # Out of WAL mode the copy is this one file alone.
                    copy.execute("PRAGMA journal_mode = DELETE")
                finally:
                    copy.close()
            with SqliteReader(partial) as reader:
                events = reader.head().position
                verified = verify(reader, told=lambda position: told("proving", position / max(1, events)))
        return verified

    def close(self) -> None:
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _one(self, sql: str, key: str | int, missing: NotFound) -> Event:
        with explained(self.path):
            row = first(self._db, sql, (key,))
        if row is None:
            raise missing
        return event_of(row)


class SqliteStore(SqliteReader):
    """The log for the one who appends to it; made when there is none. Belongs to the thread that made it.

    Every batch is on the disk before its answers are. Raises :class:`Invalid` for a file that is something else, was
    written by a newer Qi, or lies on a network file system.
    """

    def __init__(self, path: Path) -> None:
        require_local(path)
        create(path)
        super().__init__(path)
        # Reads go through the writing connection too: the writer sees its own batch before the commit.
        self._db.close()
        self._db = open_to_write(path)
        # A backup that was put back is not in WAL mode.
        self._db.execute("PRAGMA journal_mode = WAL")
        self._seen = -1
        self._head = EMPTY
        self._versions: dict[StreamName, Version] = {}

    def append_batch(self, batch: Sequence[Append]) -> Written:
        prepared = [prepare(request) for request in batch]
        with explained(self.path):
            decided = self._write(batch, prepared, hoping=True) or self._write(batch, prepared, hoping=False)
        assert decided is not None
        return Written(decided.answers, decided.rows)

    def append(self, one: Append) -> Appended:
        return answer(self.append_batch([one]).answers[0])

    def _write(self, batch: Sequence[Append], prepared: list[Prepared | Invalid], hoping: bool) -> Decided | None:
        """Decide and commit a group. `hoping` that no id and no command of it is in the log, nothing is looked up
        that the unique indexes tell by themselves; None, and nothing written, when that hope was wrong."""
        db = self._db
        db.execute("BEGIN IMMEDIATE")
        try:
            known = self._known(batch, hoping)
            decided = decide(prepared, known, now())
            # A repeat may look like a conflict, and a repeat of nothing leaves no trace.
            if hoping and not all(isinstance(one, Appended) and one.versions for one in decided.answers):
                return None
            db.executemany(_INSERT, decided.rows)
            db.executemany(_INSERT_COMMAND, map(_command_row, decided.commands.items()))
            db.execute("COMMIT")
            self._remember(known.versions, decided.rows)
            return decided
        except apsw.ConstraintError:
            if not hoping:
                raise
            return None
        finally:
            if db.in_transaction:
                db.execute("ROLLBACK")

    def _known(self, batch: Sequence[Append], hoping: bool) -> Known:
        streams = {event.stream for request in batch for event in request.events}
        streams.update(name for request in batch for name in request.expected)
        self._forget_unless_alone()
        if unknown := streams - self._versions.keys():
            self._versions.update(self.versions(unknown))
        known = Known(self._head, {stream: self._versions[stream] for stream in streams}, set(), {})
        if not hoping:
            ids = [event.id for request in batch for event in request.events]
            commands = [request.command for request in batch if request.command]
            known.ids.update(row[0] for row in self._db.execute(_TAKEN, (_list(ids),)))
            for row in self._db.execute(_COMMANDS, (_list(commands),)):
                known.commands[row[0]] = row[1], _answer_of(row)
        return known

    def _forget_unless_alone(self) -> None:
        """Head and versions are looked up anew when somebody else has written; inside a transaction."""
        seen = first(self._db, "PRAGMA data_version")[0]
        if seen != self._seen:
            self._seen, self._head = seen, self.head()
            self._versions.clear()
        elif len(self._versions) > STREAMS_REMEMBERED:
            self._versions.clear()

    def _remember(self, versions: dict[StreamName, Version], rows: list[StoredRow]) -> None:
        self._versions.update(versions)
        if rows:
            self._head = Head(Position(rows[-1][0]), rows[-1][11].hex())


def _select(
    after: Position, limit: int, categories: frozenset[str] | None, columns: tuple[str, ...]
) -> tuple[str, tuple[Any, ...]]:
    if unknown := set(columns).difference(COLUMNS):
        raise KeyError(f"an event has no column {', '.join(sorted(unknown))}")
    names = ", ".join(columns)
    if categories is None:
        return f"SELECT {names} FROM event WHERE position > ? ORDER BY position LIMIT ?", (after, limit)  # noqa: S608
    parameters = [value for category in sorted(categories) for value in (category, after)]
    if len(categories) == 1:
        sql = f"SELECT {names} FROM event WHERE category = ? AND position > ? ORDER BY position LIMIT ?"  # noqa: S608
        return sql, (*parameters, limit)
    search = f"SELECT {names}, position AS place FROM event WHERE category = ? AND position > ?"  # noqa: S608
    # One index search for each category, merged in order: IN (…) would sort all that follow for every page.
    union = " UNION ALL ".join([search] * len(categories))
    return f"SELECT {names} FROM ({union} ORDER BY place LIMIT ?)", (*parameters, limit)  # noqa: S608


def _answer_of(row: tuple[Any, ...]) -> Appended:
    _, _, first, last, versions = row
    named = {StreamName(name): Version(version) for name, version in _versions.decode(versions).items()}
    return Appended(Position(first), Position(last), named)


def _command_row(command: tuple[str, tuple[bytes, Appended]]) -> tuple[Any, ...]:
    name, (digest, first) = command
    return name, digest, first.first, first.last, msgspec.json.encode(first.versions).decode()


def _list(texts: Iterable[str]) -> str:
    """A list of any length as one parameter of a query."""
    return msgspec.json.encode(list(texts)).decode()


def write_anew(path: Path, rows: Iterable[StoredRow]) -> None:
    """Make a log of rows that belong to the chain, in order; what is known of commands is worked out from them.

    There must be no file at `path`. Not durable by itself: see :func:`made_whole`. Any thread.
    """
    with explained(path), closing(apsw.Connection(str(path))) as db:
        db.execute("PRAGMA journal_mode = OFF")
        db.execute("BEGIN")
        make_tables(db)
        db.executemany(_INSERT, rows)
        kept = db.execute(f"SELECT {_ALL} FROM event ORDER BY position")  # noqa: S608 - constants only
        db.executemany(_INSERT_COMMAND, map(_command_row, commands_of(kept)))
        db.execute("COMMIT")

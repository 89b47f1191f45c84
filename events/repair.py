"""Saving what is good of a damaged log: its longest prefix that proves itself, copied to a new file.

The damaged file is only ever read: it is copied, with its WAL, and the copy is searched. Any thread.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

import msgspec

from events.chain import (
    GENESIS,
    MEND,
    REDACTED,
    broken,
    chained,
    cut_off,
    header,
    note_redaction,
    other_than_signed,
    verify,
)
from events.errors import CorruptLog, NotFound
from events.logfile import explained, made_whole, open_to_read, require_kind
from events.record import Micros, NewEvent, Position, StreamName
from events.sqlite import SqliteReader, SqliteStore, write_anew
from events.store import COLUMNS, PAGE_EVENTS, Append, Head, StoredRow, decode_meta

_ROWS = f"SELECT {', '.join(COLUMNS)} FROM event WHERE position > ? ORDER BY position LIMIT ?"  # noqa: S608 - constants only
_TOLD = f"SELECT {', '.join(COLUMNS)} FROM event WHERE CAST(type AS BLOB) = ? ORDER BY position"  # noqa: S608 - constants only
_SHAPE = (int, str, str, int, str, int, int, int, str, str, bytes, bytes)


@dataclass(frozen=True, slots=True)
class Repaired:
    """What a repair kept, and where the damage begins."""

    events: int
    """How many are in the new file: positions 1 to `events`; redactions told again among them."""
    hash: str
    """Of the last of them."""
    first_bad: Position | None
    """The first position that does not prove itself or is missing; None when no damage was found. Beyond `events` + 1
    when the events before it are a part of an append whose rest is lost: an append is kept whole or not at all."""
    why: str
    """What is wrong there; empty when nothing is."""


@dataclass(frozen=True, slots=True)
class _Prefix:
    proved: int
    whole: int
    """The last position of the last append that is there whole, as far as its command tells."""
    signed: bytes
    """The hash at the signed position; empty when the prefix does not come that far."""
    damage: CorruptLog | None


def repair(damaged: Path, new: Path, signed: Head | None = None) -> Repaired:
    """Copy the good prefix of the log at `damaged` to the new file `new`, and prove the copy.

    `signed` is the head that was signed for it, where there is one. Needs the room of the log twice, beside `new`.
    Raises :class:`NotFound` for no log or no folder, :class:`Conflict` when `new` exists, :class:`Invalid` for a file
    that is no log or a newer Qi's, :class:`CorruptLog` when nothing in it is good.
    """
    if not damaged.is_file():
        raise NotFound(f"there is no log at '{damaged}'", path=str(damaged))
    with made_whole(new) as partial, _copied(damaged, new.parent) as db:
        found = _search(db, signed)
        damage = found.damage
        if signed is not None and 0 < signed.position <= found.proved and found.signed.hex() != signed.hash:
            raise other_than_signed(signed.position)
        if found.whole == 0:
            raise CorruptLog(
                f"nothing in '{damaged}' is good: {damage.message if damage else 'it holds no events'}",
                remedy="Restore a backup with `qi log adopt`.",
                position=1,
            )
        if damage is None and signed is not None and found.proved < signed.position:
            damage = cut_off(found.proved, signed.position)
        write_anew(partial, islice(_good(db), found.whole))
        _tell_again(partial, db, found.whole)
        with SqliteReader(partial) as reader:
            proof = verify(reader)
    first_bad = Position(int(damage.data["position"])) if damage else None
    return Repaired(proof.events, proof.hash, first_bad, damage.message if damage else "")


@contextmanager
def _copied(damaged: Path, folder: Path) -> Iterator[sqlite3.Connection]:
    """A connection to a copy: merely opening a database may write into it and its WAL."""
    with TemporaryDirectory(prefix=".repair-", dir=folder) as scratch:
        copy = Path(scratch) / "log.db"
        shutil.copyfile(damaged, copy)
        wal = Path(f"{damaged}-wal")
        if wal.exists():
            shutil.copyfile(wal, f"{copy}-wal")
        with explained(damaged), closing(sqlite3.connect(copy, isolation_level=None)) as db:
            # Else SQLite refuses a file that is shorter than its header says, before a single row is read.
            db.execute("PRAGMA writable_schema = ON")
            db.text_factory = bytes
            require_kind(db, damaged)
            yield db


def _search(db: sqlite3.Connection, signed: Head | None) -> _Prefix:
    proved, command, began, at_signed = 0, "", 0, b""
    damage: CorruptLog | None = None
    try:
        for row in _good(db):
            proved = row[0]
            own = decode_meta(row[8]).command
            if own != command:
                command, began = own, proved
            if signed is not None and proved == signed.position:
                at_signed = row[11]
    except CorruptLog as error:
        damage = error
    whole = began - 1 if command and _goes_on(db, command, began, proved) else proved
    return _Prefix(proved, whole, at_signed, damage)


def _goes_on(db: sqlite3.Connection, command: str, began: int, proved: int) -> bool:
    """Whether the command that begins at `began` appended events beyond `proved`. No, where its entry is lost too."""
    try:
        entry = db.execute("SELECT first, last FROM command WHERE id = ?", (command,)).fetchone()
    except sqlite3.DatabaseError:
        return False
    return entry is not None and entry[0] == began and isinstance(entry[1], int) and entry[1] > proved


def _good(db: sqlite3.Connection) -> Iterator[StoredRow]:
    """Every row from the first on that proves itself. Raises :class:`CorruptLog` at the first that does not."""
    position, previous = 0, GENESIS
    blanked = {place: left for place, (left, _) in _redactions(db).items()}
    while page := _page(db, position, PAGE_EVENTS):
        for found in page:
            wanted = position + 1
            row = _typed(found)
            if row is None:
                raise broken(wanted, wanted, payload=False)
            digest = sha256(row[9].encode()).digest()
            is_other = digest not in (row[10], blanked.get(wanted))
            if row[0] != wanted or is_other:
                raise broken(wanted, row[0], is_other)
            previous = chained(previous, header(*row[:9]), row[10])
            if previous != row[11]:
                raise broken(wanted, wanted, payload=False)
            position = wanted
            yield row


def _redactions(db: sqlite3.Connection) -> dict[int, tuple[bytes, StoredRow]]:
    """Position of each event that was blanked → digest of what was left of it, and the event that says so; as far as
    they can be read, also from behind the damage."""
    found: dict[int, tuple[bytes, StoredRow]] = {}
    try:
        for read in db.execute(_TOLD, (REDACTED.encode(),)):
            row = _typed(read)
            if row is not None and sha256(row[9].encode()).digest() == row[10]:
                noted: dict[int, bytes] = {}
                note_redaction(noted, row[0], row[9])
                found |= {place: (left, row) for place, left in noted.items()}
    except sqlite3.DatabaseError:
        return found
    return found


def _tell_again(made: Path, db: sqlite3.Connection, whole: int) -> None:
    """Of events that were kept as they were blanked, while the event that says so lies behind the damage."""
    rows = {row[0]: row for place, (_, row) in _redactions(db).items() if place <= whole < row[0]}
    if rows:
        with closing(SqliteStore(made)) as store:
            for _, row in sorted(rows.items()):
                said = msgspec.json.decode(row[9])
                again = NewEvent(StreamName(row[2]), row[4], said, row[5], row[1], Micros(row[6]))
                store.append(Append((again,), meta=decode_meta(row[8])))


def _page(db: sqlite3.Connection, after: int, limit: int) -> list[tuple[object, ...]]:
    """Up to `limit` rows after a position; fewer, where those behind them cannot be read."""
    try:
        return db.execute(_ROWS, (after, limit)).fetchall()
    except sqlite3.DatabaseError as error:
        if limit > 1:
            return _page(db, after, limit // 2)
        raise CorruptLog(
            f"event {after + 1} cannot be read from the file: {error}", remedy=MEND, position=after + 1
        ) from error


def _typed(found: tuple[object, ...]) -> StoredRow | None:
    """The row, its columns of the types that were written; None when they cannot be."""
    # A flipped bit makes a text a blob with the same bytes, which prove themselves; or a number, which does not.
    try:
        row = tuple(
            value.decode() if kind is str and isinstance(value, bytes) else value
            for value, kind in zip(found, _SHAPE, strict=True)
        )
    except UnicodeDecodeError:
        return None
    return cast(StoredRow, row) if tuple(map(type, row)) == _SHAPE else None


def check_file(path: Path) -> None:
    """Look for damage that the chain does not cover, such as in an index. Reads the whole file; the log may be in use.

    Raises :class:`CorruptLog` with position 0, and as :class:`events.sqlite.SqliteReader`.
    """
    SqliteReader(path).close()
    with explained(path), closing(open_to_read(path)) as db:
        said = next(iter(db.execute("PRAGMA quick_check(1)")))[0]
    if said != "ok":
        raise CorruptLog(f"the file of the log is damaged: {said}", remedy=MEND, position=0)

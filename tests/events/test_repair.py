"""Real damage: a repair keeps exactly what proves itself, in a new file, and never touches the damaged one."""

from __future__ import annotations

import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from events import logfile
from events.chain import verify
from events.errors import Conflict, CorruptLog, Invalid, NotFound, QiError
from events.record import Event, Meta, NewEvent, Position
from events.repair import check_file, repair
from events.sqlite import SqliteReader, SqliteStore
from events.store import Append, Head
from qi.testing.store_contract import ONE, TWO, everything, noted

APPENDS = 120
EVENTS = 2 * APPENDS
PAGE_BYTES = 4096

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is POSIX")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log of appends with two events and a command each, in one file without a WAL."""
    folder = tmp_path_factory.mktemp("whole")
    with closing(SqliteStore(folder / "events.db")) as store:
        for n in range(APPENDS):
            two = (noted(ONE, n=n, text="x" * (n % 90)), noted(TWO, n=n))
            store.append(Append(two, meta=Meta(user="ada"), command=f"c{n}"))
        store.backup(folder / "log.db")
    return folder / "log.db"


@pytest.fixture
def log(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(whole, tmp_path / "log.db"))


def events_of(path: Path) -> list[Event]:
    with SqliteReader(path) as reader:
        return everything(reader, 500)


def commands_in(path: Path) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as db:
        return db.execute("SELECT * FROM command ORDER BY first").fetchall()


def tamper(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        triggers = [statement for statement in logfile.SCHEMA if statement.startswith("CREATE TRIGGER")]
        for trigger in triggers:
            db.execute(f"DROP TRIGGER {trigger.split()[2]}")
        for statement in statements:
            db.execute(statement)
        for trigger in triggers:
            db.execute(trigger)


def refused_at(path: Path) -> int | None:
    """The position at which the log is refused, 0 for one whose file cannot be read at all; None for a good one."""
    try:
        with SqliteReader(path) as reader:
            verify(reader)
    except CorruptLog as error:
        return int(error.data["position"])
    return None


def require_exact(whole: Path, damaged: Path, new: Path) -> int:
    """Repair, and check that exactly the good appends are kept; returns how many events that is."""
    before = damaged.read_bytes()
    refused = refused_at(damaged)
    done = repair(damaged, new)

    assert damaged.read_bytes() == before, "the damaged file is never written"
    original = events_of(whole)
    assert events_of(new) == original[: done.events]
    assert commands_in(new) == commands_in(whole)[: done.events // 2]
    assert done.hash == original[done.events - 1].hash
    if done.first_bad is None:
        assert (done.events, done.why) == (EVENTS, "")
    else:
        # Of an append of two events whose second is bad, the first is not kept.
        assert done.first_bad - 1 - done.events in (0, 1)
        assert done.events % 2 == 0
        assert done.why
    # A file that SQLite refuses as a whole has position 0; else both find the same place.
    assert refused in (done.first_bad, 0)
    return done.events


def test_a_good_log_is_copied_whole(whole: Path, log: Path, tmp_path: Path) -> None:
    assert require_exact(whole, log, tmp_path / "new.db") == EVENTS
    with closing(SqliteStore(tmp_path / "new.db")) as store:
        again = Append((noted(ONE, n=5, text="x" * 5), noted(TWO, n=5)), meta=Meta(user="ada"), command="c5")
        assert store.append(again).repeated, "a command that is kept is not carried out again"
        assert store.append(Append((noted(ONE),))).first == EVENTS + 1
        assert store._db.execute("PRAGMA journal_mode").fetchone()[0] == "wal"


@pytest.mark.parametrize("part", [0.9, 0.6, 0.35])
def test_of_a_truncated_file_the_readable_beginning_is_kept(
    whole: Path, log: Path, tmp_path: Path, part: float
) -> None:
    # Inside a page, as a copy that was cut off leaves it.
    os.truncate(log, int(log.stat().st_size * part) // PAGE_BYTES * PAGE_BYTES + 77)
    assert refused_at(log) is not None
    assert 0 < require_exact(whole, log, tmp_path / "new.db") < EVENTS


def test_nothing_behind_a_torn_page_is_kept(whole: Path, log: Path, tmp_path: Path) -> None:
    # Behind its id stands its stream in the table, not in the index of ids.
    marker = f"{events_of(whole)[150].id}{ONE}".encode()
    place = log.read_bytes().find(marker) // PAGE_BYTES * PAGE_BYTES
    with log.open("r+b") as file:
        file.seek(place)
        file.write(bytes(PAGE_BYTES))
    assert 0 < require_exact(whole, log, tmp_path / "new.db") <= 150


def test_a_flipped_bit_anywhere_costs_what_it_must(whole: Path, tmp_path: Path) -> None:
    chance = random.Random(20)
    content = whole.read_bytes()
    kept: list[int] = []
    refused = 0
    for turn in range(60):
        place = chance.randrange(PAGE_BYTES, len(content))  # the first page says what the file is
        bit = 1 << chance.randrange(8)
        damaged, new = tmp_path / f"{turn}.db", tmp_path / f"{turn}.new.db"
        damaged.write_bytes(content[:place] + bytes([content[place] ^ bit]) + content[place + 1 :])
        try:
            kept.append(require_exact(whole, damaged, new))
        except CorruptLog:  # what was hit is the first append, or the way to it
            assert not new.exists()
            refused += 1
    assert any(count < EVENTS for count in kept), "some of the flips hit events"
    assert EVENTS in kept, "others hit what a repair makes anew"
    assert refused < 10


@pytest.mark.parametrize(("position", "kept"), [(1, 0), (2, 0), (77, 76), (78, 76), (EVENTS, EVENTS - 2)])
def test_an_append_is_kept_whole_or_not_at_all(
    whole: Path, log: Path, tmp_path: Path, position: int, kept: int
) -> None:
    tamper(log, f"UPDATE event SET data = '{{}}' WHERE position = {position}")
    assert refused_at(log) == position
    if kept:
        assert require_exact(whole, log, tmp_path / "new.db") == kept
    else:
        with pytest.raises(CorruptLog, match="nothing in"):
            repair(log, tmp_path / "new.db")


def test_reordered_rows_end_the_good_prefix(whole: Path, log: Path, tmp_path: Path) -> None:
    tamper(
        log,
        "UPDATE event SET position = -1 WHERE position = 51",
        "UPDATE event SET position = 51 WHERE position = 91",
        "UPDATE event SET position = 91 WHERE position = -1",
    )
    assert refused_at(log) == 51
    assert require_exact(whole, log, tmp_path / "new.db") == 50


def test_a_missing_row_ends_the_good_prefix(whole: Path, log: Path, tmp_path: Path) -> None:
    tamper(log, "DELETE FROM event WHERE position = 31")
    assert refused_at(log) == 31
    assert require_exact(whole, log, tmp_path / "new.db") == 30


def test_a_tail_that_was_cut_off_is_told_by_the_signed_head(whole: Path, log: Path, tmp_path: Path) -> None:
    with SqliteReader(whole) as reader:
        signed = reader.head()
    tamper(log, "DELETE FROM event WHERE position > 200", "DELETE FROM command WHERE last > 200")
    done = repair(log, tmp_path / "new.db", signed)
    assert (done.events, done.first_bad) == (200, 201)
    assert "cut off" in done.why


def test_a_log_that_was_rewritten_has_no_good_prefix(log: Path, tmp_path: Path) -> None:
    with pytest.raises(CorruptLog, match="rewritten"):
        repair(log, tmp_path / "new.db", Head(Position(9), "ab" * 32))
    assert not (tmp_path / "new.db").exists()


def test_a_damaged_table_of_commands_is_worked_out_from_the_events(whole: Path, log: Path, tmp_path: Path) -> None:
    tamper(log, "DELETE FROM command WHERE first % 3 = 0", "UPDATE command SET digest = zeroblob(32)")
    assert require_exact(whole, log, tmp_path / "new.db") == EVENTS


def test_a_damaged_index_is_found_and_made_anew(whole: Path, log: Path, tmp_path: Path) -> None:
    check_file(log)
    event = events_of(whole)[150]
    content = log.read_bytes()
    in_table = content.find(f"{event.id}{ONE}".encode())
    place = content.find(event.id.encode())
    assert place != in_table
    start = place // PAGE_BYTES * PAGE_BYTES
    log.write_bytes(content[:start] + bytes(PAGE_BYTES) + content[start + PAGE_BYTES :])
    assert refused_at(log) is None, "the chain covers events, not the ways to find them"
    with pytest.raises(CorruptLog):
        check_file(log)
    assert require_exact(whole, log, tmp_path / "new.db") == EVENTS
    check_file(tmp_path / "new.db")


def test_a_text_that_became_a_blob_proves_itself(whole: Path, log: Path, tmp_path: Path) -> None:
    # What one flipped bit in a row's header does; the table is STRICT, so the schema looks away for it.
    strict = logfile.SCHEMA[0]
    with closing(sqlite3.connect(log, isolation_level=None)) as db:
        db.execute("DROP TRIGGER event_never_updates")
        db.execute("PRAGMA writable_schema = ON")
        db.execute("UPDATE sqlite_schema SET sql = replace(sql, ') STRICT', ')') WHERE name = 'event'")
    with closing(sqlite3.connect(log, isolation_level=None)) as db:
        db.execute("UPDATE event SET data = CAST(data AS BLOB) WHERE position = 9")
        db.execute("PRAGMA writable_schema = ON")
        db.execute("UPDATE sqlite_schema SET sql = ? WHERE name = 'event'", (strict,))
        db.execute(next(statement for statement in logfile.SCHEMA if "event_never_updates" in statement))
    with pytest.raises(CorruptLog, match="TEXT"):
        check_file(log)
    assert require_exact(whole, log, tmp_path / "new.db") == EVENTS
    check_file(tmp_path / "new.db")


def test_a_log_without_its_triggers_is_put_together_again(whole: Path, log: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(log)) as db:
        db.execute("DROP TRIGGER event_never_updates")
    assert refused_at(log) == 0
    repair(log, tmp_path / "new.db")
    assert events_of(tmp_path / "new.db") == events_of(whole)


CHILD = """
import sys
from pathlib import Path
from events.sqlite import SqliteStore
from qi.testing.store_contract import noted, request
store = SqliteStore(Path(sys.argv[1]))
n = 0
while True:
    sys.stdout.write(f"{store.append(request(noted(n=n), command=f'c{n}')).last}\\n")
    sys.stdout.flush()
    n += 1
"""


def test_what_a_kill_left_in_the_wal_is_kept(tmp_path: Path) -> None:
    log, wal = tmp_path / "events.db", tmp_path / "events.db-wal"
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(log)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    for _ in range(150):
        acknowledged = int(child.stdout.readline())
    os.kill(child.pid, signal.SIGKILL)
    child.stdout.read()
    child.wait(30)
    child.stdout.close()
    before = {file.name: file.read_bytes() for file in (log, wal)}

    done = repair(log, tmp_path / "new.db")

    assert done.events >= acknowledged
    assert done.first_bad is None
    assert {file.name: file.read_bytes() for file in (log, wal)} == before
    # A WAL that is torn ends where it is torn: what was committed before is good.
    os.truncate(wal, wal.stat().st_size // 2)
    torn = repair(log, tmp_path / "torn.db")
    assert 0 < torn.events < done.events
    assert events_of(tmp_path / "torn.db") == events_of(tmp_path / "new.db")[: torn.events]


def foreign(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE theirs (x)")


def newer(path: Path) -> None:
    with closing(SqliteStore(path)) as store:
        store.append(Append((NewEvent(ONE, "test.noted", {}),)))
        store._db.execute(f"PRAGMA user_version = {logfile.FORMAT + 1}")


def no_database(path: Path) -> None:
    path.write_bytes(b"shopping list " * 1000)


def empty(path: Path) -> None:
    SqliteStore(path).close()


@pytest.mark.parametrize(
    ("make", "kind", "words"),
    [
        (foreign, Invalid, "not a Qi log"),
        (newer, Invalid, "newer Qi"),
        (no_database, Invalid, "not a database"),
        (empty, CorruptLog, "no events"),
        (lambda path: None, NotFound, "no log"),
    ],
)
def test_what_is_no_log_to_repair_is_refused_and_left_alone(
    tmp_path: Path, make: Callable[[Path], None], kind: type[QiError], words: str
) -> None:
    make(tmp_path / "it.db")
    before = sorted((file.name, file.read_bytes()) for file in tmp_path.iterdir())
    with pytest.raises(kind, match=words):
        repair(tmp_path / "it.db", tmp_path / "new.db")
    assert sorted((file.name, file.read_bytes()) for file in tmp_path.iterdir()) == before


def test_a_repair_never_overwrites(log: Path, tmp_path: Path) -> None:
    (tmp_path / "new.db").write_text("kept")
    with pytest.raises(Conflict):
        repair(log, tmp_path / "new.db")
    with pytest.raises(Conflict):
        repair(log, log)
    with pytest.raises(NotFound):
        repair(log, tmp_path / "nowhere" / "new.db")
    assert (tmp_path / "new.db").read_text() == "kept"

"""What the SQLite store promises beyond the contract: the file, its readers, its indexes, its durability."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from events import logfile, sqlite
from events.chain import verify
from events.errors import Busy, Conflict, CorruptLog, Invalid, NotFound
from events.record import BEFORE_FIRST, NO_STREAM, Position, StreamName, Version
from events.sqlite import SqliteReader, SqliteStore
from events.store import COLUMNS, Append, Appended
from qi.testing.store_contract import ONE, TWO, everything, noted, request

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL and modes are POSIX")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "events.db"


@pytest.fixture
def store(path: Path) -> Iterator[SqliteStore]:
    with closing(SqliteStore(path)) as store:
        yield store


def tampering(path: Path) -> apsw.Connection:
    return apsw.Connection(str(path))


def test_a_log_is_there_again_after_a_restart(path: Path) -> None:
    with closing(SqliteStore(path)) as store:
        store.append(request(noted(n=1), command="c1"))
    with closing(SqliteStore(path)) as store:
        assert store.append(request(noted(n=1), command="c1")).repeated
        assert store.append(request(noted(n=2), one=1)).first == 2
        assert verify(store).events == 2


def test_the_file_is_as_durable_as_it_should_be(store: SqliteStore) -> None:
    ask = {name: store._db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")}
    assert ask == {"journal_mode": "wal", "synchronous": 2}


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE event SET data = '{}'",
        "DELETE FROM event",
        "DELETE FROM event WHERE position = 1",
        f"INSERT OR REPLACE INTO event ({', '.join(COLUMNS)}) SELECT {', '.join(COLUMNS)} FROM event",
        "UPDATE command SET last = 9",
        "DELETE FROM command",
        "INSERT OR REPLACE INTO command SELECT id, digest, 7, 7, versions FROM command",
    ],
)
def test_nothing_in_the_log_can_be_changed(store: SqliteStore, sql: str) -> None:
    store.append(request(noted(n=1), command="c1"))
    with pytest.raises(apsw.ConstraintError, match="append-only"):
        store._db.execute(sql)
    assert store.at(Position(1)).data == {"n": 1}


def test_a_reader_cannot_write(store: SqliteStore, path: Path) -> None:
    with SqliteReader(path) as reader, pytest.raises(apsw.ReadOnlyError, match="readonly"):
        reader._db.execute("INSERT INTO command VALUES ('c', x'00', 1, 1, '{}')")


def test_a_reader_sees_what_was_committed(store: SqliteStore, path: Path) -> None:
    with SqliteReader(path) as reader:
        assert reader.head().position == 0
        store.append(request(noted(n=1), noted(TWO, n=2), command="c1"))
        assert reader.read(BEFORE_FIRST, 1000) == everything(store)
        assert reader.appended("c1") == store.appended("c1")


def test_readers_in_other_threads_never_see_a_gap(store: SqliteStore, path: Path) -> None:
    total, failures = 600, []
    store.append(request(noted(n=0)))

    def follow() -> None:
        try:
            with SqliteReader(path) as reader:
                seen = 0
                while seen < total:
                    for event in reader.read(Position(seen), 50):
                        seen += 1
                        if event.position != seen:
                            raise AssertionError(f"{event.position} after {seen - 1}")
        except BaseException as error:  # noqa: BLE001 - handed to the test's thread
            failures.append(error)

    threads = [threading.Thread(target=follow) for _ in range(2)]
    for thread in threads:
        thread.start()
    for start in range(1, total, 20):
        store.append_batch([request(noted(n=n)) for n in range(start, min(start + 20, total))])
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()
    assert failures == []


def test_two_writers_on_one_file_keep_one_order(path: Path) -> None:
    with closing(SqliteStore(path)) as one, closing(SqliteStore(path)) as other:
        one.append(request(noted(), one=0))
        with pytest.raises(Conflict):
            other.append(request(noted(), one=0))
        other.append(request(noted(), one=1))
        one.append(request(noted(), one=2))
        assert verify(other).events == 3


def test_two_writers_at_the_same_time_wait_for_each_other(store: SqliteStore, path: Path) -> None:
    each, failures = 60, []
    ready = threading.Barrier(2, timeout=30)

    def write(stream: StreamName) -> None:
        try:
            with closing(SqliteStore(path)) as own:
                ready.wait()
                for n in range(each):
                    own.append(Append((noted(stream),), {stream: Version(n)}))
        except BaseException as error:  # noqa: BLE001 - handed to the test's thread
            failures.append(error)

    threads = [threading.Thread(target=write, args=(stream,)) for stream in (ONE, TWO)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()
    assert failures == []
    assert verify(store).events == 2 * each
    assert store.versions([ONE, TWO]) == {ONE: each, TWO: each}


def test_a_log_that_another_program_holds_is_busy(store: SqliteStore, path: Path) -> None:
    store._db.execute("PRAGMA busy_timeout = 1")
    with closing(tampering(path)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Busy):
            store.append(request(noted()))
        other.execute("ROLLBACK")
    assert store.append(request(noted())).first == 1


def test_a_missing_log_is_not_made_by_a_reader(path: Path) -> None:
    with pytest.raises(NotFound):
        SqliteReader(path)
    assert not path.exists()


def test_a_foreign_database_is_refused_and_left_alone(path: Path) -> None:
    with closing(tampering(path)) as db:
        db.execute("CREATE TABLE theirs (x)")
    before = path.read_bytes()
    for opened in (SqliteStore, SqliteReader):
        with pytest.raises(Invalid, match="not a Qi log"):
            opened(path)
    assert path.read_bytes() == before


def test_a_file_that_is_no_database_is_refused_and_left_alone(path: Path) -> None:
    path.write_bytes(b"shopping list " * 100)
    for opened in (SqliteStore, SqliteReader):
        with pytest.raises(Invalid, match="not a database"):
            opened(path)
    assert path.read_bytes() == b"shopping list " * 100


def test_a_log_of_a_newer_qi_is_refused(store: SqliteStore, path: Path) -> None:
    store._db.execute(f"PRAGMA user_version = {logfile.FORMAT + 1}")
    with pytest.raises(Invalid, match="newer Qi") as caught:
        SqliteReader(path)
    assert caught.value.remedy == "Update Qi."


def test_a_log_without_its_triggers_is_refused(store: SqliteStore, path: Path) -> None:
    store._db.execute("DROP TRIGGER event_never_updates")
    with pytest.raises(CorruptLog, match="event_never_updates"):
        SqliteReader(path)


def plan(store: SqliteStore, sql: str, parameters: tuple[object, ...]) -> str:
    return "\n".join(row[3] for row in store._db.execute(f"EXPLAIN QUERY PLAN {sql}", parameters))


def test_every_hot_read_searches_an_index(store: SqliteStore) -> None:
    two = frozenset({"bundle", "publish"})
    queries = {
        "a page": sqlite._select(BEFORE_FIRST, 9, None, ("position", "data")),
        "a page of a category": sqlite._select(BEFORE_FIRST, 9, frozenset({"bundle"}), ("position", "data")),
        "a page of two categories": sqlite._select(BEFORE_FIRST, 9, two, ("position", "data")),
        "a stream": (sqlite._STREAM, (ONE, 0, 9)),
        "an id": (sqlite._BY_ID, ("x",)),
        "a position": (sqlite._BY_POSITION, (1,)),
        "links": (sqlite._LINKS, (0, 9)),
        "versions": (sqlite._VERSIONS, ("[]",)),
        "taken ids": (sqlite._TAKEN, ("[]",)),
        "commands": (sqlite._COMMANDS, ("[]",)),
    }
    for name, query in queries.items():
        steps = plan(store, *query)
        tables = [line for line in steps.splitlines() if " event" in line or " command" in line]
        assert tables, name
        assert all(line.lstrip().startswith("SEARCH") for line in tables), (name, steps)
        assert "TEMP B-TREE" not in steps, (name, steps)
    assert "TEMP B-TREE" not in plan(store, sqlite._HEAD, ())


def test_a_backup_is_a_log_as_good_as_the_first(store: SqliteStore, path: Path, tmp_path: Path) -> None:
    store.append_batch([request(noted(n=n)) for n in range(50)])
    copy = tmp_path / "copy.db"
    with SqliteReader(path) as reader:
        assert reader.backup(copy).events == 50
    assert sorted(file.name for file in tmp_path.iterdir() if "copy" in file.name) == ["copy.db"]
    with closing(SqliteStore(copy)) as restored:
        assert everything(restored) == everything(store)
        assert restored.append(request(noted(n=50), one=50)).first == 51
    with pytest.raises(Conflict):
        store.backup(copy)


def test_a_backup_tells_how_far_it_is_and_what_is_appended_meanwhile_does_not_begin_it_anew(
    store: SqliteStore, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.append_batch([request(noted(n=n)) for n in range(50)])
    monkeypatch.setattr(sqlite, "BACKUP_PAGES", 1)
    heard: list[tuple[str, float]] = []

    def told(stage: str, share: float) -> None:
        heard.append((stage, share))
        store.append(request(noted(n=49 + len(heard)), one=49 + len(heard)))

    with SqliteReader(path) as reader:
        assert reader.backup(tmp_path / "copy.db", told).events == 50
    assert len(heard) > 3
    assert heard == sorted(set(heard))
    assert (heard[-2], heard[-1]) == (("copying", 1.0), ("proving", 1.0))


def test_a_backup_of_a_changed_log_is_not_kept(store: SqliteStore, path: Path, tmp_path: Path) -> None:
    store.append_batch([request(noted(n=n)) for n in range(5)])
    trigger = next(statement for statement in logfile.SCHEMA if "event_never_updates" in statement)
    store._db.execute("DROP TRIGGER event_never_updates")
    store._db.execute("UPDATE event SET data = '{}' WHERE position = 3")
    store._db.execute(trigger)
    with pytest.raises(CorruptLog) as caught:
        store.backup(tmp_path / "copy.db")
    assert caught.value.data["position"] == 3
    assert sorted(file.name for file in tmp_path.iterdir() if "copy" in file.name) == []


CHILD = """
import sys
from pathlib import Path
from events.sqlite import SqliteStore
from qi.testing.store_contract import noted, request
store = SqliteStore(Path(sys.argv[1]))
n = store.head().position
while True:
    batch = [request(noted(n=n + i), command=f"c{n + i}") for i in range(8)]
    for answer in store.append_batch(batch).answers:
        sys.stdout.write(f"{answer.last}\\n")
    sys.stdout.flush()
    n += 8
"""


def test_what_was_acknowledged_survives_sigkill(path: Path) -> None:
    chance = random.Random(7)
    acknowledged = 0
    for _ in range(4):
        child = subprocess.Popen([sys.executable, "-c", CHILD, str(path)], stdout=subprocess.PIPE, text=True)
        assert child.stdout is not None
        # Read some answers, so that the kill falls into the middle of the work, anywhere within a batch.
        for _ in range(chance.randint(1, 400)):
            acknowledged = int(child.stdout.readline())
        os.kill(child.pid, signal.SIGKILL)
        rest = child.stdout.read().splitlines(keepends=True)
        child.wait(30)
        child.stdout.close()
        whole = [line for line in rest if line.endswith("\n")]
        acknowledged = int(whole[-1]) if whole else acknowledged
        with SqliteReader(path) as reader:
            proved = verify(reader)
            assert proved.events >= acknowledged
            assert proved.events % 8 == 0, "a batch is there whole or not at all"
            last = reader.read_stream(ONE, Version(proved.events - 1), 10)
            assert [(e.position, e.version, e.data["n"]) for e in last] == [
                (proved.events, proved.events, proved.events - 1)
            ]
            known = reader.appended(f"c{acknowledged - 1}")
            assert known == Appended(Position(acknowledged), Position(acknowledged), {ONE: Version(acknowledged)}, True)
    assert acknowledged > 8


def test_an_append_of_many_streams_is_whole_or_absent(store: SqliteStore) -> None:
    streams = [StreamName(f"publish-s{n}") for n in range(300)]
    store.append(Append(tuple(noted(stream) for stream in streams), dict.fromkeys(streams, NO_STREAM)))
    with pytest.raises(Conflict):
        store.append(Append(tuple(noted(stream) for stream in streams), {streams[-1]: NO_STREAM}))
    assert store.head().position == 300
    assert set(store.versions(streams).values()) == {1}

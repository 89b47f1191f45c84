"""Tables and checkpoint agree, whatever happens between; views can always be made anew."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from events import views
from events.errors import Invalid, NotFound
from events.memory import MemoryStore
from events.record import TYPES, NewEvent, StreamName, event
from events.sqlite import SqliteStore
from events.store import Append, EventStore
from events.tables import Database
from events.views import Views

A, B = StreamName("tally-a"), StreamName("tally-b")


@dataclass
class Tallies:
    """The sum of each stream, and how often each event was applied."""

    version: int = 1
    factor: int = 1
    name: str = "tallies"
    categories: frozenset[str] = frozenset({"tally"})
    tables: tuple[str, ...] = ("tally", "tally_seen")
    columns: tuple[str, ...] = ("position", "stream", "data")
    fail_at: int = 0

    def create(self, db: Database) -> None:
        db.table("tally").create({"stream": str, "total": int}, pk="stream", strict=True)
        db.table("tally_seen").create({"position": int}, pk="position")
        db.table("tally_seen").create_index(["position"])

    def apply(self, db: Database, page: list[tuple[Any, ...]]) -> None:
        for position, stream, data in page:
            if position == self.fail_at:
                raise Invalid("not this one", position=position)
            db.table("tally_seen").insert({"position": position})
            db.execute(
                "INSERT INTO tally VALUES (?, ? * (? ->> 'n'))"
                " ON CONFLICT DO UPDATE SET total = total + excluded.total",
                (stream, self.factor, data),
            )


@pytest.fixture(autouse=True)
def _known_type() -> Iterator[None]:
    @event("tally.counted")
    class Counted:
        n: int

    yield
    TYPES.pop("tally.counted")


@pytest.fixture(autouse=True)
def _small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views, "VIEW_PAGE_EVENTS", 3)


@pytest.fixture
def store() -> MemoryStore:
    store = MemoryStore()
    count(store, *range(1, 9))
    return store


def count(store: EventStore, *numbers: int, stream: StreamName = A) -> None:
    store.append(Append(tuple(NewEvent(stream, "tally.counted", {"n": n}) for n in numbers)))


@contextmanager
def opened(folder: Path) -> Iterator[Views]:
    with closing(Views(folder / "views.db")) as opened:
        yield opened


def totals(db: Database | sqlite3.Connection) -> dict[str, int]:
    return dict(db.execute("SELECT stream, total FROM tally").fetchall())


def test_the_tables_follow_the_log(store: MemoryStore, tmp_path: Path) -> None:
    with opened(tmp_path) as found:
        assert found.position(Tallies()) == 0
        assert found.catch_up(Tallies(), store) == 8
        assert totals(found.db) == {A: 36}
        count(store, 4, stream=B)
        assert found.catch_up(Tallies(), store) == 9
        assert found.catch_up(Tallies(), store) == 9
        assert found.position(Tallies()) == 9
        assert totals(found.db) == {A: 36, B: 4}


def test_a_restart_goes_on_without_counting_twice(store: MemoryStore, tmp_path: Path) -> None:
    with opened(tmp_path) as found:
        found.catch_up(Tallies(), store)
    count(store, 1)
    with opened(tmp_path) as found:
        found.catch_up(Tallies(), store)
        assert totals(found.db) == {A: 37}


def test_the_position_passes_what_the_projection_does_not_fold(store: MemoryStore, tmp_path: Path) -> None:
    store.append(Append((NewEvent(StreamName("other-x"), "other.unheard", {}),)))
    with opened(tmp_path) as found:
        assert found.catch_up(Tallies(), store) == 9


def test_another_version_is_made_anew(store: MemoryStore, tmp_path: Path) -> None:
    with opened(tmp_path) as found:
        found.catch_up(Tallies(), store)
        for version in (2, 3, 2):
            found.catch_up(Tallies(version=version, factor=version), store)
            assert totals(found.db) == {A: 36 * version}


def test_deleted_views_are_made_anew(store: MemoryStore, tmp_path: Path) -> None:
    with opened(tmp_path) as found:
        found.catch_up(Tallies(), store)
    for file in tmp_path.iterdir():
        file.unlink()
    with opened(tmp_path) as found:
        found.catch_up(Tallies(), store)
        assert totals(found.db) == {A: 36}


def test_views_over_another_log_are_made_anew(store: MemoryStore, tmp_path: Path) -> None:
    with opened(tmp_path) as found:
        found.catch_up(Tallies(), store)
    for numbers in ([1] * 10, [5]):
        other = MemoryStore()
        count(other, *numbers)
        with opened(tmp_path) as found:
            found.catch_up(Tallies(), other)
            assert totals(found.db) == {A: sum(numbers)}


def test_a_failing_page_leaves_the_page_before(store: MemoryStore, tmp_path: Path) -> None:
    with opened(tmp_path) as found:
        found.catch_up(Tallies(), store)
        count(store, *range(9, 17))
        with pytest.raises(Invalid):
            found.catch_up(Tallies(fail_at=13), store)
        assert found.position(Tallies()) == 11
        assert totals(found.db) == {A: sum(range(1, 12))}
        found.catch_up(Tallies(), store)
        assert totals(found.db) == {A: sum(range(1, 17))}


def test_a_failing_rebuild_leaves_the_old_tables(store: MemoryStore, tmp_path: Path) -> None:
    with opened(tmp_path) as found:
        found.catch_up(Tallies(), store)
        with pytest.raises(Invalid):
            found.rebuild(Tallies(fail_at=7, factor=2), store)
        assert (totals(found.db), found.position(Tallies())) == ({A: 36}, 8)


def test_readers_see_the_old_tables_until_the_new_ones_are_complete(store: MemoryStore, tmp_path: Path) -> None:
    seen = []

    @dataclass
    class Watched(Tallies):
        def apply(self, db: Database, page: list[tuple[Any, ...]]) -> None:
            super().apply(db, page)
            seen.append(totals(reader))

    with opened(tmp_path) as found, closing(sqlite3.connect(tmp_path / "views.db")) as reader:
        found.catch_up(Tallies(), store)
        found.catch_up(Watched(version=2, factor=2), store)
        assert seen == [{A: 36}] * 3
        assert totals(reader) == {A: 72}


def test_an_unknown_type_stops_only_those_who_fold_its_category(store: MemoryStore, tmp_path: Path) -> None:
    store.append(Append((NewEvent(A, "tally.unheard", {}),)))
    other = Tallies(name="others", categories=frozenset({"other"}), tables=())
    with opened(tmp_path) as found:
        with pytest.raises(NotFound) as caught:
            found.catch_up(Tallies(), store)
        assert caught.value.data == {"type": "tally.unheard", "position": 9}
        other.create = lambda db: None  # type: ignore[method-assign]
        assert found.catch_up(other, store) == 9


def test_a_database_of_somebody_else_is_refused(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "views.db")) as db:
        db.execute("CREATE TABLE theirs (x)")
    with pytest.raises(Invalid):
        Views(tmp_path / "views.db")
    (tmp_path / "views.db").write_bytes(b"shopping list " * 100)
    with pytest.raises(Invalid, match="cannot be read"):
        Views(tmp_path / "views.db")


CHILD = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from test_views import Tallies, views
from events.record import event
from events.sqlite import SqliteReader
@event("tally.counted")
class Counted:
    n: int
views.VIEW_PAGE_EVENTS = 2
folder = Path(sys.argv[1])
found = views.Views(folder / "views.db")
class Telling(Tallies):
    def apply(self, db, page):
        super().apply(db, page)
        print(page[-1][0], flush=True)
with SqliteReader(folder / "events.db") as reader:
    found.catch_up(Telling(), reader)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is POSIX")
@pytest.mark.parametrize("built", [False, True])
def test_sigkill_never_tears_rows_from_their_checkpoint(tmp_path: Path, built: bool) -> None:
    with closing(SqliteStore(tmp_path / "events.db")) as store:
        count(store, *range(1, 4))
        if built:
            with opened(tmp_path) as found:
                found.catch_up(Tallies(), store)
        count(store, *range(4, 301))
        command = [sys.executable, "-c", CHILD, str(tmp_path), str(Path(__file__).parent)]
        child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert child.stdout is not None
        for _ in range(20):
            assert child.stdout.readline()
        os.kill(child.pid, signal.SIGKILL)
        child.wait(30)
        child.stdout.close()
        with opened(tmp_path) as found:
            position = found.position(Tallies())
            assert (position > 3) == built
            if built:
                assert totals(found.db) == {A: sum(range(1, position + 1))}
            found.catch_up(Tallies(), store)
            assert totals(found.db) == {A: sum(range(1, 301))}
            assert found.db.table("tally_seen").count == 300


def test_two_that_keep_one_file_count_each_event_once(tmp_path: Path, store: MemoryStore) -> None:
    """As two versions of an addon do while one takes over: the second page of one is the other's already."""
    with opened(tmp_path) as one, opened(tmp_path) as two:
        one.catch_up(Tallies(), store)
        count(store, *range(9, 20))
        rows = store.rows

        def rows_then_the_other(*asked: Any) -> Any:
            found = rows(*asked)
            store.rows = rows  # type: ignore[method-assign]
            two.catch_up(Tallies(), store)
            return found

        store.rows = rows_then_the_other  # type: ignore[method-assign]
        assert one.catch_up(Tallies(), store) == store.head().position
        assert one.db.execute("SELECT total FROM tally").fetchone()[0] == sum(range(1, 20))

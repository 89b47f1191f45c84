"""Folding, proving and searching a log of a million events."""

from __future__ import annotations

import atexit
import hashlib
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import apsw

from bench.eventsourced import SECTION, Note, application
from bench.payload import STREAMS, Noted, body, new_event
from bench.row import Row, Samples, Size
from events.catalog import Decoders
from events.chain import verify
from events.decider import Fact, Known
from events.ids import new_id
from events.record import Meta
from events.sqlite import SqliteReader, SqliteStore
from events.store import Append
from events.tables import Database
from events.views import Views
from qi.deciding import follow

APPEND_EVENTS = 4
"""Most decisions record few events."""

APPENDS_A_COMMIT = 250
PEER_SAVE_EVENTS = 100
PEER_SHARE = 0.2
"""The peer's log is this much of Qi's: both read in pages, so their rates do not depend on the length."""

ROUNDS_MOST = 3


@cache
def big_log(events: int) -> Path:
    """A log with so many events in 997 streams, made once a run and removed at its end."""
    folder = Path(tempfile.mkdtemp(prefix="qi-bench-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    store = SqliteStore(folder / "events.db")
    group: list[Append] = []
    for start in range(0, events, APPEND_EVENTS):
        made = tuple(map(new_event, range(start, min(start + APPEND_EVENTS, events))))
        group.append(Append(made, meta=Meta("adaline.k", new_id(), "ws-0417", new_id(), new_id())))
        if len(group) == APPENDS_A_COMMIT:
            store.append_batch(group)
            group = []
    store.append_batch(group)
    store.close()
    return folder / "events.db"


@cache
def peer_log(events: int) -> Any:
    """The peer's application with so many events in 997 aggregates."""
    folder = Path(tempfile.mkdtemp(prefix="qi-bench-"))
    app = application(folder)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    atexit.register(app.close)
    notes = [Note(body(number)) for number in range(min(STREAMS, events))]
    for number in range(events - len(notes)):
        note = notes[number % len(notes)]
        note.note(body(number))
        if len(note.pending_events) > PEER_SAVE_EVENTS:
            app.save(note)
    app.save(*notes)
    return app


def _rate(count: int, work: Callable[[], None]) -> float:
    began = time.perf_counter()
    work()
    return count / (time.perf_counter() - began)


def _peer_size(size: Size) -> int:
    return max(1, int(size.events * PEER_SHARE))


def _each_of_peer(events: int, see: Callable[[Any], None]) -> None:
    app = peer_log(events)
    start = 1
    while found := app.notification_log.select(start=start, limit=SECTION):
        for one in found:
            see(app.mapper.to_domain_event(one))
        start = found[-1].id + 1


def _noted(state: tuple[int, str] | None, fact: Fact) -> tuple[int, str]:
    note = fact.event
    assert isinstance(note, Noted)
    return (state[0] + 1 if state else 1), note.path


def in_memory(size: Size) -> Samples:
    path, peer_events = big_log(size.events), _peer_size(size)
    peer_log(peer_events)

    def ours() -> None:
        known = Known({"bench": _noted})
        with SqliteReader(path) as reader:
            follow(known, reader)
        assert known.position == size.events

    def theirs() -> None:
        states: dict[Any, tuple[int, str]] = {}

        def see(event: Any) -> None:
            state = states.get(event.originator_id)
            states[event.originator_id] = (state[0] + 1 if state else 1), event.body["path"]

        _each_of_peer(peer_events, see)

    made = Samples([], [])
    for _ in range(min(size.rounds, ROUNDS_MOST)):
        made.qi.append(_rate(size.events, ours))
        made.peer.append(_rate(peer_events, theirs))
    return made


UPSERT = "INSERT INTO note VALUES (?, 1, ?) ON CONFLICT (stream) DO UPDATE SET count = count + 1, path = excluded.path"


class NoteTable:
    """How many notes each stream holds, and the path of the last."""

    name = "bench"
    version = 1
    categories = frozenset({"bench"})
    tables = ("note",)
    columns = ("stream", "type", "schema", "data")

    def __init__(self) -> None:
        self._decoders = Decoders()

    def create(self, db: Database) -> None:
        db.conn.execute("CREATE TABLE note (stream TEXT PRIMARY KEY, count INTEGER, path TEXT) WITHOUT ROWID")

    def apply(self, db: Database, page: list[tuple[Any, ...]]) -> None:
        decoders = self._decoders
        rows = [(stream, decoders[kind, schema](data).path) for stream, kind, schema, data in page]
        db.conn.executemany(UPSERT, rows)


def into_views(size: Size) -> Samples:
    path, peer_events = big_log(size.events), _peer_size(size)
    peer_log(peer_events)

    def ours() -> None:
        with tempfile.TemporaryDirectory() as folder, SqliteReader(path) as reader:
            views = Views(Path(folder, "views.db"))
            assert views.catch_up(NoteTable(), reader) == size.events
            views.close()

    def theirs() -> None:
        with tempfile.TemporaryDirectory() as folder:
            db = sqlite3.connect(Path(folder, "views.db"), isolation_level=None)
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = NORMAL")
            db.execute("CREATE TABLE note (stream TEXT PRIMARY KEY, count INTEGER, path TEXT) WITHOUT ROWID")
            rows: list[tuple[str, str]] = []
            db.execute("BEGIN")
            _each_of_peer(peer_events, lambda event: rows.append((event.originator_id.hex, event.body["path"])))
            for start in range(0, len(rows), SECTION):
                db.executemany(UPSERT, rows[start : start + SECTION])
            db.execute("COMMIT")
            db.close()

    made = Samples([], [])
    for _ in range(min(size.rounds, ROUNDS_MOST)):
        made.qi.append(_rate(size.events, ours))
        made.peer.append(_rate(peer_events, theirs))
    return made


BARE_READ = "SELECT * FROM event ORDER BY position"


def proof(size: Size) -> Samples:
    path = big_log(size.events)

    def bare() -> None:
        db = apsw.Connection(str(path))
        digest_of = hashlib.sha256
        for row in db.execute(BARE_READ):
            digest_of(row[9].encode()).digest()
        db.close()

    made = Samples([], [])
    for _ in range(min(size.rounds, ROUNDS_MOST)):
        began = time.perf_counter()
        with SqliteReader(path) as reader:
            assert verify(reader).events == size.events
        made.qi.append(time.perf_counter() - began)
        began = time.perf_counter()
        bare()
        made.peer.append(time.perf_counter() - began)
    return made


NOTIFICATIONS = (
    f"`eventsourcing` notification log, sections of {SECTION:,}, mapped to domain events and folded alike; its log "
    "has a fifth of the length"
)

ROWS = (
    Row(
        "rebuild-memory", "rebuild from 1 M events, in memory", NOTIFICATIONS, "events/s", 3.5, 7.0, "more", in_memory
    ),
    Row(
        "rebuild-views", "rebuild from 1 M events, into views.db", f"{NOTIFICATIONS}, into the same table",
        "events/s", 2.0, 3.0, "more", into_views,
    ),
    Row(
        "proof", "proof of the hash chain, 1 M events",
        "one cursor over all columns, SHA-256 of each payload", "s", 2.0, 1.2, "less", proof,
    ),
)  # fmt: skip

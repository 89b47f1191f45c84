"""History: the log as people ask for it. An index in `views.db` finds events, the log itself tells them."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from sqlite_utils import Database

from events.chain import verify
from events.head import HeadFile
from events.publishes import publish_stream
from events.record import Event, Position
from events.views import DamagedViews, Views, discard
from qi.actor import Actor, handles
from qi.bus import Bus
from qi.contracts.history import CauseTree, QueryHistory
from qi.contracts.log import EventPage, GetLogStats, LogProof, LogStats, ReadLog, VerifyLog
from qi.errors import Invalid
from qi.home import Home
from qi.reading import open_reader

log = logging.getLogger("qi.history")

T = TypeVar("T")

REPLY_MOST_BYTES = 180 * 1024


class HistoryIndex:
    """One row for each event of the log: what it can be found by."""

    name = "history"
    version = 1
    categories = None
    tables = ("history",)
    columns = ("position", "stream", "type", "recorded_at", "meta")

    def create(self, db: Database) -> None:
        table = db.table("history")
        table.create(
            {
                "position": int,
                "stream": str,
                "category": str,
                "type": str,
                "recorded_at": int,
                "user": str,
                "trace": str,
            },
            pk="position",
        )
        for column in ("stream", "category", "type", "recorded_at", "user", "trace"):
            table.create_index([column, "position"])

    def apply(self, db: Database, page: list[tuple[Any, ...]]) -> None:
        rows = []
        for position, stream, kind, recorded_at, meta in page:
            said = msgspec.json.decode(meta)
            category = stream.partition("-")[0]
            rows.append((position, stream, category, kind, recorded_at, said.get("user", ""), said.get("trace", "")))
        db.conn.executemany("INSERT INTO history VALUES (?, ?, ?, ?, ?, ?, ?)", rows)


class History(Actor):
    """Answers questions about the log; never writes to it."""

    name = "history"

    def __init__(self, bus: Bus, *, home: str) -> None:
        super().__init__(bus)
        self._home = Home(Path(home))

    def setup(self) -> None:
        self._reader = open_reader(self._home)
        self._index = HistoryIndex()
        self._proofs = ThreadPoolExecutor(1, thread_name_prefix="qi-proof")
        self._views = self._opened()
        self._healed(self._follow)

    def teardown(self) -> None:
        self._proofs.shutdown(cancel_futures=True)
        self._views.close()
        self._reader.close()

    def figures(self) -> dict[str, Any]:
        return {"projection": f"{self._index.name} {self._index.version}"}

    def _opened(self) -> Views:
        try:
            return Views(self._home.views)
        except DamagedViews as error:
            log.warning("%s; it is made anew", error.message)
            discard(self._home.views)
            return Views(self._home.views)

    def _healed(self, work: Callable[[], T]) -> T:
        """What `work` returns; when it finds the views damaged, they are made anew first."""
        try:
            return work()
        except DamagedViews as error:
            log.warning("%s; it is made anew", error.message)
            self._views.close()
            discard(self._home.views)
            self._views = Views(self._home.views)
            return work()

    def _follow(self) -> Position:
        return self._views.catch_up(self._index, self._reader)

    @handles(ReadLog)
    def read(self, message: ReadLog) -> EventPage:
        return self._healed(lambda: self._read(message))

    @handles(QueryHistory)
    def tree(self, message: QueryHistory) -> CauseTree:
        return self._healed(lambda: self._tree(message))

    @handles(GetLogStats)
    def stats(self, _: GetLogStats) -> LogStats:
        return self._healed(self._stats_of_log)

    def _read(self, message: ReadLog) -> EventPage:
        head = self._follow()
        where, values = _filters(message)
        order = "DESC" if message.newest else "ASC"
        found = self._positions(
            f"SELECT position FROM history WHERE {where} ORDER BY position {order} LIMIT ?",  # noqa: S608 - fixed text
            [*values, message.limit + 1],
        )
        more = len(found) > message.limit
        events, cut = self._events(sorted(found[: message.limit]))
        return EventPage(events=events, head=head, more=more or cut)

    def _tree(self, message: QueryHistory) -> CauseTree:
        head = self._follow()
        if message.publish:
            stream = publish_stream(message.publish)
            which = "trace IN (SELECT DISTINCT trace FROM history WHERE stream = ? AND trace <> '')"
            values: list[Any] = [stream]
        elif message.trace:
            which, values = "trace = ?", [message.trace]
        else:
            raise Invalid("the history of what? name a publish or a trace")
        found = self._positions(
            f"SELECT position FROM history WHERE {which} AND position > ? ORDER BY position LIMIT ?",  # noqa: S608
            [*values, message.after, message.limit + 1],
        )
        events, cut = self._events(found[: message.limit])
        return CauseTree(events=events, position=head, more=cut or len(found) > message.limit)

    def _stats_of_log(self) -> LogStats:
        self._follow()
        head = self._reader.head()
        with self._views.readable():
            rows = self._views.db.query("SELECT type, count(*) AS n FROM history GROUP BY type ORDER BY type")
            types = {row["type"]: row["n"] for row in rows}
            streams = self._views.db.execute("SELECT count(DISTINCT stream) FROM history").fetchone()[0]
        wal = Path(f"{self._home.events}-wal")
        signed = HeadFile(self._home.keys).read()
        return LogStats(
            events=sum(types.values()),
            head=head.position,
            head_hash=head.hash,
            streams=streams,
            bytes=self._home.events.stat().st_size,
            wal_bytes=wal.stat().st_size if wal.exists() else 0,
            signed_position=signed.position if signed else 0,
            types=types,
        )

    @handles(VerifyLog)
    def verify(self, _: VerifyLog) -> Future[LogProof]:
        """On a thread of its own: a long proof must not keep questions waiting."""
        return self._proofs.submit(self._prove)

    def _prove(self) -> LogProof:
        began = time.perf_counter()
        reader = open_reader(self._home)
        try:
            signed = HeadFile(self._home.keys).read()
            proved = verify(reader, signed)
        finally:
            reader.close()
        return LogProof(
            events=proved.events,
            head=proved.position,
            hash=proved.hash,
            signed_position=signed.position if signed else 0,
            seconds=round(time.perf_counter() - began, 3),
        )

    def _positions(self, sql: str, values: list[Any]) -> list[Position]:
        with self._views.readable():
            return [Position(row[0]) for row in self._views.db.execute(sql, values).fetchall()]

    def _events(self, positions: list[Position]) -> tuple[tuple[Event, ...], bool]:
        """The events there, as many as one reply can hold; whether some had to be left out."""
        events: list[Event] = []
        size = 0
        for position in positions:
            event = self._reader.at(position)
            size += len(self._bus.codec.encode(event))
            if events and size > REPLY_MOST_BYTES:
                return tuple(events), True
            events.append(event)
        return tuple(events), False


def _filters(message: ReadLog) -> tuple[str, list[Any]]:
    clauses: list[str] = ["position > ?"]
    values: list[Any] = [message.after]
    exact = {"stream": message.stream, "category": message.category, "user": message.user, "trace": message.trace}
    for column, value in exact.items():
        if value:
            clauses.append(f"{column} = ?")
            values.append(value)
    if message.type.endswith("*"):
        # A range rather than LIKE, so that the index is used; the next character after the last one ends it.
        beginning = message.type[:-1]
        clauses.append("type >= ? AND type < ?")
        values += [beginning, beginning + "\U0010ffff"]
    elif message.type:
        clauses.append("type = ?")
        values.append(message.type)
    if message.since:
        clauses.append("recorded_at >= ?")
        values.append(message.since)
    if message.until:
        clauses.append("recorded_at < ?")
        values.append(message.until)
    return " AND ".join(clauses), values

"""History: the log as people ask for it. An index in `views.db` finds events, the log itself tells them."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, replace
from pathlib import Path
from queue import SimpleQueue
from typing import Any, TypeVar

import msgspec
from pykka import ActorDeadError

from actors.history.entities import Entities
from events.chain import verify
from events.head import HeadFile
from events.publishes import publish_stream
from events.record import Event, Position
from events.search import Sought
from events.tables import Database
from events.views import DamagedViews, Views, discard
from qi.actor import Actor, handles
from qi.bus import Bus
from qi.codec import Codec
from qi.contracts.db import GetProject, ListEntities
from qi.contracts.history import CauseTree, QueryHistory
from qi.contracts.log import EventPage, GetLogStats, LogProof, LogStats, ProjectionInfo, ReadLog, VerifyLog
from qi.endpoints import Tick
from qi.errors import Invalid, Unavailable
from qi.home import Home
from qi.reading import open_reader

log = logging.getLogger("qi.history")

T = TypeVar("T")

REPLY_MOST_BYTES = 180 * 1024
LOOKS_S = 0.05
"""So long, and a little more, one request may look through the log; then it says how far it came."""
ASKED_AT_ONCE = 2
LOOKED_AT_ONCE = 500
"""Events, between two looks at the clock."""


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
    requests = (GetProject, ListEntities)

    def __init__(self, bus: Bus, *, home: str) -> None:
        super().__init__(bus)
        self._home = Home(Path(home))

    def setup(self) -> None:
        self._reader = open_reader(self._home)
        self._index = HistoryIndex()
        self._entities = Entities(self._reader, self.request)
        self._proofs = ThreadPoolExecutor(1, thread_name_prefix="qi-proof")
        self._asking = ThreadPoolExecutor(ASKED_AT_ONCE, thread_name_prefix="qi-tracker")
        self._answered_by_tracker: SimpleQueue[_Named] = SimpleQueue()
        self._views = self._opened()
        self._healed(self._follow)

    def teardown(self) -> None:
        self._asking.shutdown(wait=False, cancel_futures=True)
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
    def read(self, message: ReadLog) -> EventPage | Future[EventPage]:
        user = self.caller.user
        sought = self._entities.sought(message.text, message.entity, user)
        if sought is not None or not message.entity:
            return self._healed(lambda: self._read(message, sought))
        # The tracker is asked apart: one that hangs keeps nobody waiting but who asked for what it knows.
        answer: Future[EventPage] = Future()
        names = self._asking.submit(copy_context().run, self._entities.of_tracker, message.entity)
        names.add_done_callback(lambda done: self._named(_Named(message, user, done, answer)))
        return answer

    def _named(self, named: _Named) -> None:
        """On a thread that asked."""
        self._answered_by_tracker.put(named)
        try:
            self.actor_ref.tell(Tick("go_on"))
        except ActorDeadError:
            named.answer.set_exception(Unavailable("'history' is stopping"))

    def go_on(self) -> None:
        """With what the tracker has said."""
        named = self._answered_by_tracker.get()
        asked = named.message
        try:
            sought = self._entities.settle(asked.text, asked.entity, named.user, named.names.result())
            named.answer.set_result(self._healed(lambda: self._read(asked, sought)))
        except Exception as error:  # noqa: BLE001 - whoever asked is told
            named.answer.set_exception(error)

    @handles(QueryHistory)
    def tree(self, message: QueryHistory) -> CauseTree:
        return self._healed(lambda: self._tree(message))

    @handles(GetLogStats)
    def stats(self, _: GetLogStats) -> LogStats:
        return self._healed(self._stats_of_log)

    def _read(self, message: ReadLog, sought: Sought | None) -> EventPage:
        head = self._follow()
        ends_at = time.monotonic() + LOOKS_S
        at_once = LOOKED_AT_ONCE if sought else message.limit + 1
        page = _Page(self._bus.codec, message.limit)
        here = message
        while True:
            found = self._positions(*_question(here, at_once))
            said = self._reader.said(found) if sought else {}
            for position in found:
                fits = sought is None or sought.fits(said[position])
                if fits and not page.take(self._reader.at(position)):
                    return page.told(head, more=True, newest=message.newest)
                page.reached = position
            if len(found) < at_once:
                page.reached = message.after if message.newest else head
                return page.told(head, more=False, newest=message.newest)
            if sought and time.monotonic() > ends_at:
                return page.told(head, more=True, newest=message.newest)
            here = replace(here, before=page.reached) if message.newest else replace(here, after=page.reached)

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
        page = _Page(self._bus.codec, message.limit)
        full = not all(page.take(self._reader.at(position)) for position in found)
        return CauseTree(events=tuple(page.events), position=head, more=full)

    def _stats_of_log(self) -> LogStats:
        reached = self._follow()
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
            projections=(ProjectionInfo(name=self._index.name, version=self._index.version, position=reached),),
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


@dataclass(frozen=True, slots=True)
class _Named:
    """A question whose words the tracker was asked to explain."""

    message: ReadLog
    user: str
    names: Future[list[str]]
    answer: Future[EventPage]


class _Page:
    """Events of one reply: as many as were asked for, or as one message holds."""

    def __init__(self, codec: Codec, most: int) -> None:
        self.events: list[Event] = []
        self.reached = 0
        self._codec = codec
        self._most = most
        self._bytes = 0

    def take(self, event: Event) -> bool:
        """Whether there was room. There always is for one."""
        self._bytes += len(self._codec.encode(event))
        if self.events and (len(self.events) >= self._most or self._bytes > REPLY_MOST_BYTES):
            return False
        self.events.append(event)
        return True

    def told(self, head: Position, *, more: bool, newest: bool) -> EventPage:
        events = tuple(reversed(self.events) if newest else self.events)
        return EventPage(events=events, head=head, more=more, reached=self.reached)


def _question(message: ReadLog, most: int) -> tuple[str, list[Any]]:
    """SQL and its values: the positions of the next `most` events that fit what the index knows."""
    clauses: list[str] = ["position > ?"]
    values: list[Any] = [message.after]
    if message.before:
        clauses.append("position < ?")
        values.append(message.before)
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
    where, order = " AND ".join(clauses), "DESC" if message.newest else "ASC"
    sql = f"SELECT position FROM history WHERE {where} ORDER BY position {order} LIMIT ?"  # noqa: S608 - fixed text
    return sql, [*values, most]

"""Durable appends over the mesh, against saves of `eventsourcing` in its own process."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.eventsourced import Note, application
from bench.payload import body, new_event
from bench.row import Row, Samples, Size
from events.ids import new_id
from qi import context
from qi.app.broker import Broker
from qi.bus import Bus
from qi.checked import Checked
from qi.child import InProcess
from qi.context import STUDIO
from qi.contracts.log import AppendEvents
from qi.home import Home
from qi.supervisor import Spec

APPENDS = 8_000
SAVES = 2_000
IN_FLIGHT = 64
STOP_LIMIT_S = 10.0


@contextmanager
def journal(folder: Path) -> Iterator[Bus]:
    """A journal in a process of its own, as the studio runs it, and a client's bus."""
    home = Home(folder)
    home.make()
    broker = Broker()
    broker.start()
    try:
        child = InProcess(Spec("journal", "actors.journal:Journal", {"home": str(folder)}), broker.service, STUDIO)
        try:
            bus = Bus(broker.service, session=STUDIO, codec=Checked())
            bus.start()
            try:
                yield bus
            finally:
                bus.stop()
        finally:
            child.stop(STOP_LIMIT_S)
    finally:
        broker.stop()


def _append(bus: Bus, count: int) -> float:
    """Appends a second: one event and a command id each, 64 in flight on as many streams, answered when durable."""
    messages = iter(
        [AppendEvents(events=(new_event(number, IN_FLIGHT),), expected={}, command=new_id()) for number in range(count)]
    )

    async def caller() -> None:
        context.enter(context.Context(trace=new_id(), user="adaline.k", session="bench", host="ws-0417"))
        for message in messages:
            await bus.call(message)

    async def all_callers() -> float:
        began = time.perf_counter()
        await asyncio.gather(*(caller() for _ in range(IN_FLIGHT)))
        return time.perf_counter() - began

    return count / float(bus._on_loop(all_callers(), 600.0))


def _save(folder: Path, count: int) -> float:
    app = application(folder)
    note = Note(body(0))
    app.save(note)
    bodies = [body(number) for number in range(count)]
    began = time.perf_counter()
    for one in bodies:
        note.note(one)
        app.save(note)
    took = time.perf_counter() - began
    app.close()
    return count / took


def appends(size: Size) -> Samples:
    made = Samples([], [])
    with tempfile.TemporaryDirectory() as folder, journal(Path(folder, "home")) as bus:
        _append(bus, size.of(500, IN_FLIGHT))
        for number in range(size.rounds):
            made.qi.append(_append(bus, size.of(APPENDS, IN_FLIGHT)))
            peer = Path(folder, f"peer{number}")
            peer.mkdir()
            made.peer.append(_save(peer, size.of(SAVES)))
    return made


ROWS = (
    Row(
        "appends", "durable appends over NATS, 64 in flight",
        "`eventsourcing` saves on SQLite, in process; both synchronous=FULL, one event of 465 bytes each",
        "events/s", 4.0, 8.0, "more", appends,
    ),
)  # fmt: skip

"""Durable appends over the mesh, against saves of `eventsourcing` in its own process."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvloop

from bench.eventsourced import Note, application
from bench.payload import body, new_event
from bench.row import Row, Samples, Size
from events.ids import new_id
from events.sqlite import SqliteReader
from qi.app.broker import Broker
from qi.bus import Credentials
from qi.checked import Checked
from qi.child import InProcess
from qi.context import STUDIO, Context
from qi.contracts.log import AppendEvents
from qi.home import Home
from qi.messages import SERVICE
from qi.supervisor import Spec
from qi.wire import Message, Wire, frame

APPENDS = 8_000
SAVES = 2_000
IN_FLIGHT = 64
STOP_LIMIT_S = 10.0
LIMIT_S = 600.0


@contextmanager
def journal(folder: Path) -> Iterator[Credentials]:
    """A journal in a process of its own, as the studio runs it; what its clients log in with."""
    home = Home(folder)
    home.make()
    broker = Broker()
    broker.start()
    try:
        child = InProcess(Spec("journal", "actors.journal:Journal", {"home": str(folder)}), broker.service, STUDIO)
        try:
            yield broker.service
        finally:
            child.stop(STOP_LIMIT_S)
    finally:
        broker.stop()


class Load:
    """So many requests under way that the journal is what is measured: what Qi's own client would send, framed ahead.

    A client that frames them as it goes takes as much of the second core as the journal has of the first.
    """

    def __init__(self, count: int) -> None:
        self._inbox = f"_INBOX.{new_id()}"
        self._frames = iter([self._request(number) for number in range(count)])
        self._waiting: list[bytes] = []
        self._left = count
        self._wire = Wire()

    def _request(self, number: int) -> bytes:
        """One event and a command id, in one of as many streams as are under way."""
        message = AppendEvents(events=(new_event(number, IN_FLIGHT),), expected={}, command=new_id())
        deadline = time.monotonic() + LIMIT_S
        context = Context(new_id(), "", message.command, deadline, (), "bench", "adaline.k", "ws-0417")
        subject = SERVICE.subject(STUDIO, message.topic)
        return frame(subject, Checked().encode(message), f"{self._inbox}.{number}", context.headers())

    async def run(self, credentials: Credentials) -> float:
        """Seconds from the first request to the last reply. Raises for a reply that is an error."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()

        def send() -> None:
            self._wire.send(self._waiting)
            self._waiting.clear()

        def more() -> None:
            following = next(self._frames, None)
            if following is not None:
                if not self._waiting:
                    loop.call_soon(send)
                self._waiting.append(following)

        def replied(msg: Message) -> None:
            self._left -= 1
            if msg.head and not done.done():
                done.set_exception(RuntimeError(f"an append was refused: {msg.data.decode()}"))
            elif self._left == 0:
                done.set_result(None)
            more()

        await self._wire.connect(credentials.url, user=credentials.user, password=credentials.password)
        try:
            self._wire.listen(f"{self._inbox}.*", "", replied)
            await self._wire.round_trip(2)
            began = time.perf_counter()
            for _ in range(IN_FLIGHT):
                more()
            await asyncio.wait_for(done, LIMIT_S)
            return time.perf_counter() - began
        finally:
            await self._wire.close()


def _append(credentials: Credentials, count: int) -> float:
    """Appends a second: each request has one event and a command id, and is answered when it is durable."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return count / runner.run(Load(count).run(credentials))


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
    warm, count = size.of(500, IN_FLIGHT), size.of(APPENDS, IN_FLIGHT)
    with tempfile.TemporaryDirectory() as folder, journal(Path(folder, "home")) as credentials:
        _append(credentials, warm)
        for number in range(size.rounds):
            made.qi.append(_append(credentials, count))
            peer = Path(folder, f"peer{number}")
            peer.mkdir()
            made.peer.append(_save(peer, size.of(SAVES)))
        with SqliteReader(Home(Path(folder, "home")).events) as reader:
            assert reader.head().position == warm + size.rounds * count
    return made


ROWS = (
    Row(
        "appends", "durable appends over NATS, 64 in flight",
        "`eventsourcing` saves on SQLite, in process; both synchronous=FULL, one event of 465 bytes each",
        "events/s", 4.0, 8.0, "more", appends,
    ),
)  # fmt: skip

"""Messages on their way to the broker: any thread leaves them here, one wake-up of the loop sends all that wait.

An actor that waited for its own publish would lose four fifths of its rate. But where nothing waits, and whoever sends
has nothing else to do than to wait for the answer, the wake-up is most of the way: such a message goes out at once.
Pure standard library and nats-py.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, NamedTuple

from qi.context import Context
from qi.errors import BadRequest, Busy
from qi.messages import MAX_MESSAGE_BYTES
from qi.wire import Wire, frame

log = logging.getLogger("qi.bus")

LIMIT_BYTES = 32 * 1024 * 1024


class Outgoing(NamedTuple):
    subject: str
    data: bytes
    reply: str
    headers: dict[str, str] | None
    context: Context | None
    """Of a request: its headers are written when it leaves, because they hold the remaining time."""


class Outbox:
    """Bounded. While the broker is away what waits stays; :meth:`drain` is called again when it is back."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        wire: Callable[[], Wire],
        spawn: Callable[[Coroutine[Any, Any, None]], None],
        complain: Callable[[str], None],
    ) -> None:
        """`wire` is the connection of now; `spawn` begins a coroutine on the loop."""
        self._loop = loop
        self._wire = wire
        self._spawn = spawn
        self._complain = complain
        self._items: deque[Outgoing] = deque()
        self._bytes = 0
        self._draining = False
        """The loop will be at it."""
        self._sending = False
        """The loop is at it."""
        self._lock = threading.Lock()
        self.dropped = 0

    def __bool__(self) -> bool:
        """Whether something waits."""
        return bool(self._items)

    def put(self, item: Outgoing, *, lossy: bool = False, at_once: bool = False, on_loop: bool) -> None:
        """Any thread, never blocks; `on_loop` says that it is the bus thread, `at_once` that nothing else will soon be
        sent with it.

        Raises :class:`BadRequest` for what is too big or has no subject, and :class:`Busy` when the outbox is full (a
        `lossy` one is dropped and counted instead)."""
        size = len(item.data)
        if size > MAX_MESSAGE_BYTES:
            raise BadRequest(
                f"a message of {size} bytes exceeds {MAX_MESSAGE_BYTES}",
                remedy="bigger things go to the content store and are named by digest",
                subject=item.subject,
                size=size,
            )
        if not item.subject.isprintable() or " " in item.subject or not item.subject:
            raise BadRequest(f"{item.subject!r} is no subject")
        # What this thread left here before must leave before; what others leave meanwhile has no order with it.
        if at_once and not (self._items or self._draining or self._sending):
            sent = _frame(item, time.monotonic())
            if sent is None or self._wire().send_at_once(sent):
                return
        with self._lock:
            if self._bytes + size > LIMIT_BYTES:
                if lossy:
                    self.dropped += 1
                    return
                raise Busy("the broker takes no messages at the moment", retry_ms=1000)
            self._items.append(item)
            self._bytes += size
            if self._draining:
                return
            self._draining = True
        try:
            if on_loop:
                self._loop.call_soon(self.drain)
            else:
                self._loop.call_soon_threadsafe(self.drain)
        except RuntimeError:
            log.debug("a message to %s came after the end", item.subject)

    def put_again(self, items: Iterable[Outgoing]) -> None:
        """Requests that were under way when the connection broke, unless they wait here still."""
        with self._lock:
            unsent = {item.reply for item in self._items}
            for item in items:
                if item.reply not in unsent:
                    self._items.append(item)
                    self._bytes += len(item.data)

    def drain(self) -> None:
        """Send all that waits; bus thread."""
        wire = self._wire()
        with self._lock:
            self._draining = False
            if not self._items or not wire.is_connected:
                return
            items, self._items = self._items, deque()
            self._bytes = 0
            self._sending = True
        now = time.monotonic()
        try:
            room = wire.send([sent for item in items if (sent := _frame(item, now)) is not None])
        finally:
            self._sending = False
        if not room:
            with self._lock:
                self._draining = True
            self._spawn(self._let_settle(wire))

    async def _let_settle(self, wire: Wire) -> None:
        try:
            await wire.settle()
        except OSError as error:
            self._complain(f"send: {type(error).__name__}: {error}")
        self.drain()


def _frame(item: Outgoing, now: float) -> bytes | None:
    """None for a request whose caller has given up."""
    subject, data, reply, headers, carried = item
    if carried is not None:
        if carried.deadline is not None and carried.deadline <= now:
            return None
        headers = carried.headers()
    return frame(subject, data, reply, headers)

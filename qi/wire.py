"""The NATS client as the bus uses it: messages go straight from the reader to their callback, and out in batches.

nats-py's public subscribe gives each subscription a queue and a task, and its publish wakes a flusher for each
message; a callback that does O(1) work needs neither. Everything here runs on the bus thread, unless it says more.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from typing import Any

import nats.errors
from nats.aio.client import DEFAULT_BUFFER_SIZE, Client
from nats.aio.subscription import Subscription

from qi.line import Line

log = logging.getLogger("qi.wire")

HIGH_WATER_BYTES = 4 * 1024 * 1024
"""Above this the bus waits for the socket before it sends more."""


class Message:
    """One message as it came in. Any thread."""

    __slots__ = ("data", "head", "reply", "subject")

    def __init__(self, subject: str, reply: str, data: bytes, head: bytes | None) -> None:
        self.subject = subject
        self.reply = reply
        self.data = data
        self.head = head
        """The header block as it travelled; None for most replies."""

    @property
    def headers(self) -> dict[str, str]:
        """Parsed anew at each look. A status line of the server stands under `Status`."""
        if not self.head:
            return {}
        first, *lines = self.head.decode("utf-8", "replace").split("\r\n")
        found = {"Status": first[9:12]} if len(first) > 9 else {}
        for line in lines:
            name, colon, value = line.partition(":")
            if colon:
                found[name] = value.strip()
        return found


Callback = Callable[[Message], None]


def frame(subject: str, data: bytes, reply: str, headers: dict[str, str] | None) -> bytes:
    """A message as it travels. The caller has checked that `subject` and `reply` hold no white space."""
    if not headers:
        return b"PUB %b %b %d\r\n%b\r\n" % (subject.encode(), reply.encode(), len(data), data)
    lines = "".join([f"{name}: {_one_line(value)}\r\n" for name, value in headers.items()])
    head = f"NATS/1.0\r\n{lines}\r\n".encode()
    size = len(head)
    return b"HPUB %b %b %d %d\r\n%b%b\r\n" % (subject.encode(), reply.encode(), size, size + len(data), head, data)


def _one_line(value: str) -> str:
    return value if value.isprintable() else "".join(c if c.isprintable() else " " for c in value)


class Wire(Client):
    """One connection."""

    def __init__(self) -> None:
        super().__init__()
        self._callbacks: dict[int, Callback] = {}
        self._over = False

    def listen(self, subject: str, queue: str, callback: Callback) -> int:
        """Register a callback; returns the number to :meth:`forget` it by.

        Without a connection it takes effect with the next one.
        """
        self._sid += 1
        self._subs[self._sid] = Subscription(self, self._sid, subject, queue=queue)
        self._callbacks[self._sid] = callback
        if self.is_connected:
            self._line.write(f"SUB {subject} {queue} {self._sid}\r\n".encode())
        return self._sid

    async def forget(self, sid: int, timeout_s: int) -> None:
        """Stop listening; what the server had sent until then is still delivered. Raises like :meth:`round_trip`."""
        try:
            if self.is_connected and sid in self._subs:
                self._line.write(f"UNSUB {sid}\r\n".encode())
                await self.round_trip(timeout_s)
        finally:
            self._subs.pop(sid, None)
            self._callbacks.pop(sid, None)

    def send(self, frames: Iterable[bytes]) -> bool:
        """Hand frames to the socket, all in one; False when the caller should :meth:`settle` before it sends more."""
        self._line.writelines(frames)
        return self._line.waiting_bytes < HIGH_WATER_BYTES

    def send_at_once(self, sent: bytes) -> bool:
        """Hand one frame to the socket; any thread. False when it is for the bus thread to send it."""
        line = self._transport
        return bool(self.is_connected) and isinstance(line, Line) and line.send_at_once(sent)

    async def settle(self) -> None:
        """Wait until the socket takes more. Raises OSError when the connection is lost."""
        await self._line.drain()

    async def round_trip(self, timeout_s: int) -> None:
        """Return when the server has answered a ping. Raises :class:`nats.errors.Error` or OSError.

        Unlike flush() it does not report success without a connection or with a dead reader.
        """
        if not self.is_connected:
            raise nats.errors.ConnectionClosedError
        if self._reading_task is None or self._reading_task.done():
            raise nats.errors.Error("nats: the reader is dead")
        await self.flush(timeout_s)

    async def close(self) -> None:
        """For good: nats-py's own, amid a reconnection, may come back all the same, and nobody would know of it."""
        self._over = True
        await super().close()

    def abort(self) -> None:
        """Let go of the socket, and of what it did not take."""
        if isinstance(self._transport, Line):
            self._transport.abort()

    @property
    def _line(self) -> Line:
        assert isinstance(self._transport, Line)
        return self._transport

    async def _process_msg(self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: bytes) -> None:
        callback = self._callbacks.get(sid)
        if callback is not None:
            try:
                callback(Message(subject.decode(), reply.decode(), data, headers))
            except Exception:
                # Whatever leaves this method ends nats-py's reader without a word.
                log.exception("callback failed", extra={"subject": subject.decode()})

    async def _connect_to_server(self, s: Any) -> None:
        if self._over:
            raise asyncio.CancelledError
        s.last_attempt = time.monotonic()
        # A log-in that failed leaves its socket open, and nobody would close it any more.
        if self._transport is not None:
            self._transport.close()  # type: ignore[no-untyped-call]
        self._transport = line = Line()
        await line.connect(s.uri, DEFAULT_BUFFER_SIZE, self.options["connect_timeout"])

    async def _process_pong(self) -> None:
        # nats-py answers a ping that was given up, too, and its reader dies of the error.
        if self._pongs and self._pongs[0].done():
            self._pongs.pop(0)
            self._pings_outstanding = 0
            return
        await super()._process_pong()

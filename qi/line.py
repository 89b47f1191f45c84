"""The socket to the broker, written to by any thread: what the socket takes goes out at once, the rest when it can.

An event loop lets only its own thread write, and waking that thread costs an answer more than the answer itself. Two
writers may share a socket as long as one lock keeps their bytes apart; so on a plain connection everything the client
sends, too, goes this way. Under TLS, and where a loop cannot watch a descriptor, the loop writes alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import threading
from collections import deque
from collections.abc import Iterable
from typing import Any

from nats.aio.transport import TcpTransport

log = logging.getLogger("qi.line")


class Sender:
    """The sending half of a connected socket, on a descriptor of its own: the loop's may be closed at any moment."""

    def __init__(self, descriptor: int) -> None:
        """Bus thread."""
        self._loop = asyncio.get_running_loop()
        self._socket = socket.socket(fileno=os.dup(descriptor))
        self._socket.setblocking(False)
        self._lock = threading.Lock()
        self._backlog: deque[memoryview] = deque()
        self._closed = False
        self._lost: OSError | None = None
        self._settled: set[asyncio.Future[None]] = set()
        self.waiting_bytes = 0
        """What the socket did not take yet."""

    def send(self, data: bytes) -> None:
        """Any thread, never blocks. What is sent on a connection that is lost is lost; :meth:`settle` tells."""
        with self._lock:
            if self._closed or self._lost is not None:
                return
            taken = 0 if self._backlog else self._give(data)
            if taken == len(data) or self._lost is not None:
                return
            watched = bool(self._backlog)
            self._backlog.append(memoryview(data)[taken:])
            self.waiting_bytes += len(data) - taken
        if not watched:
            with contextlib.suppress(RuntimeError):  # the loop has ended, and the connection with it
                self._loop.call_soon_threadsafe(self._watch)

    async def settle(self) -> None:
        """Return when the socket has taken everything; bus thread. Raises OSError when the connection is lost."""
        while self.waiting_bytes and self._lost is None and not self._closed:
            settled = self._loop.create_future()
            self._settled.add(settled)
            try:
                await settled
            finally:
                self._settled.discard(settled)
        if self._lost is not None:
            raise self._lost

    def close(self) -> None:
        """Let go of the socket and of what it did not take; bus thread."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._backlog.clear()
            self.waiting_bytes = 0
            self._loop.remove_writer(self._socket)
            self._socket.close()
        self._wake()

    def _give(self, data: bytes | memoryview) -> int:
        """How much of it the socket took; under the lock."""
        try:
            return self._socket.send(data)
        except (BlockingIOError, InterruptedError):
            return 0
        except OSError as error:
            log.debug("the connection is lost: %s", error)
            self._lost = error
            return 0

    def _watch(self) -> None:
        with self._lock:
            if not self._closed:
                self._loop.add_writer(self._socket, self._go_on)

    def _go_on(self) -> None:
        with self._lock:
            while self._backlog and self._lost is None:
                piece = self._backlog[0]
                taken = self._give(piece)
                self.waiting_bytes -= taken
                if taken < len(piece):
                    self._backlog[0] = piece[taken:]
                    break
                self._backlog.popleft()
            if self._lost is not None:
                self._backlog.clear()
            if not self._backlog:
                self._loop.remove_writer(self._socket)
        if not self._backlog:
            self._wake()

    def _wake(self) -> None:
        for settled in self._settled:
            if not settled.done():
                settled.set_result(None)


class Line(TcpTransport):
    """nats-py's transport with a :class:`Sender` where there can be one. Bus thread, except :meth:`send_at_once`."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._sender: Sender | None = None
        self._over = False

    async def connect(self, uri: Any, buffer_size: int, connect_timeout: int) -> None:
        """Raises OSError, also when it was closed meanwhile: then there is no connection."""
        await super().connect(uri, buffer_size, connect_timeout)
        if self._over:
            self.abort()
            raise ConnectionAbortedError("the connection was given up while it was made")
        if os.name != "nt":
            self._sender = Sender(self._writer.get_extra_info("socket").fileno())

    async def connect_tls(self, *arguments: Any, **named: Any) -> None:
        # Nothing has been sent so far: the broker speaks first.
        self._drop_sender()
        await super().connect_tls(*arguments, **named)

    def send_at_once(self, data: bytes) -> bool:
        """Any thread. False when that cannot be done here, or when others wait: then it is for the bus thread."""
        sender = self._sender
        if sender is None or sender.waiting_bytes:
            return False
        sender.send(data)
        return True

    def write(self, payload: bytes) -> None:
        if self._sender is not None:
            self._sender.send(payload)
        else:
            self._writer.write(payload)

    def writelines(self, payload: Iterable[bytes]) -> None:
        self.write(b"".join(payload))

    async def drain(self) -> None:
        """Raises OSError when the connection is lost."""
        if self._sender is not None:
            await self._sender.settle()
        else:
            await self._writer.drain()

    @property
    def waiting_bytes(self) -> int:
        """What the socket has not taken yet."""
        sender = self._sender
        return sender.waiting_bytes if sender is not None else self._writer.transport.get_write_buffer_size()

    def close(self) -> None:
        self._over = True
        self._drop_sender()
        super().close()  # type: ignore[no-untyped-call]

    async def wait_closed(self) -> None:
        # The client waits for the end in two places, and calling the one off would call off what the other waits for.
        if self._io_writer is not None:
            await asyncio.shield(self._io_writer.wait_closed())

    def abort(self) -> None:
        """Let go of the socket, and of what it did not take: a peer that reads no more would keep both for ever."""
        self._over = True
        self._drop_sender()
        if self._io_writer is not None:
            self._io_writer.transport.abort()

    def _drop_sender(self) -> None:
        sender, self._sender = self._sender, None
        if sender is not None:
            sender.close()

    @property
    def _writer(self) -> asyncio.StreamWriter:
        assert self._io_writer is not None
        return self._io_writer

"""A bad line between a client and the broker: it delays, throttles, and stops reading when it is told to."""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
import time
from collections import deque
from typing import Any

PIECE = 16 * 1024


class SlowLink:
    """A TCP proxy on a thread of its own: each piece arrives `delay_s` late, at most `rate` bytes a second pass."""

    def __init__(self, port: int, *, delay_s: float = 0.0, rate: float = 1e12) -> None:
        self._target, self.delay_s, self.rate = ("127.0.0.1", port), delay_s, rate
        self.stalled = False
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        self._pairs: list[socket.socket] = []
        self._ended = threading.Event()
        self._threads: list[threading.Thread] = []
        self._begin(self._accept)

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    def close(self) -> None:
        self._ended.set()
        for end in (self._server, *self._pairs):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        for thread in self._threads:
            thread.join(5)

    def __enter__(self) -> SlowLink:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _begin(self, work: Any, *arguments: Any) -> None:
        self._threads.append(threading.Thread(target=work, args=arguments, daemon=True))
        self._threads[-1].start()

    def _accept(self) -> None:
        while not self._ended.is_set():
            try:
                near, _ = self._server.accept()
                far = socket.create_connection(self._target)
            except OSError:
                return
            self._pairs += [near, far]
            self._begin(self._pump, near, far)
            self._begin(self._pump, far, near)

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        """Read as long as little waits; send each piece when it is due."""
        waiting: deque[tuple[float, bytes]] = deque()
        with selectors.DefaultSelector() as selector, contextlib.suppress(OSError, ValueError):
            selector.register(source, selectors.EVENT_READ)
            while not self._ended.is_set():
                pause = max(0.0, min(0.05, waiting[0][0] - time.monotonic())) if waiting else 0.05
                if len(waiting) < 8 and not self.stalled:
                    if selector.select(pause):
                        piece = source.recv(PIECE)
                        if not piece:
                            break
                        waiting.append((time.monotonic() + self.delay_s, piece))
                else:
                    self._ended.wait(pause or 0.001)
                while waiting and waiting[0][0] <= time.monotonic():
                    piece = waiting.popleft()[1]
                    target.sendall(piece)
                    self._ended.wait(len(piece) / self.rate)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)

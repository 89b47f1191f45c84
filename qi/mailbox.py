"""An actor's inbox: what Pykka asks of a queue, plus a count of the bytes that wait and a look ahead.

One side is written by the bus thread, the other by the actor thread; each counts only its own, so no lock is needed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any


class Mailbox:
    def __init__(self) -> None:
        self._queue: SimpleQueue[Any] = SimpleQueue()
        self._ahead: deque[Any] = deque()
        self._bytes_in = 0
        self._bytes_out = 0
        self.deepest = 0
        """Most requests that ever waited at once; bus thread."""

    def put(self, envelope: Any) -> None:
        """Any thread; Pykka's own messages come this way."""
        self._queue.put(envelope)

    def put_sized(self, envelope: Any, size: int) -> None:
        """Bus thread."""
        self._bytes_in += size
        # Before it is put: a moment later the actor may have taken it.
        depth = self.qsize() + 1
        if depth > self.deepest:
            self.deepest = depth
        self._queue.put(envelope)

    def get(self) -> Any:
        """Actor thread; waits."""
        return self._ahead.popleft() if self._ahead else self._queue.get()

    def empty(self) -> bool:
        return not self._ahead and self._queue.empty()

    def qsize(self) -> int:
        return len(self._ahead) + self._queue.qsize()

    def take_while(self, wanted: Callable[[Any], bool], most: int) -> list[Any]:
        """Actor thread: up to `most` messages that wait already, oldest first, as long as they are `wanted`."""
        found: list[Any] = []
        while len(found) < most:
            try:
                envelope = self._ahead.popleft() if self._ahead else self._queue.get_nowait()
            except Empty:
                break
            if not wanted(envelope.message):
                self._ahead.appendleft(envelope)
                break
            found.append(envelope.message)
        return found

    def took(self, size: int) -> None:
        """Actor thread: `size` bytes are being handled and wait no longer."""
        self._bytes_out += size

    @property
    def waiting_bytes(self) -> int:
        return self._bytes_in - self._bytes_out

    def empty_out(self) -> list[Any]:
        """Actor thread: everything that waits, as messages, leaving Pykka's own control messages in place."""
        kept: list[Any] = []
        messages: list[Any] = []
        while not self.empty():
            envelope = self.get()
            if type(envelope.message).__module__.startswith("pykka"):
                kept.append(envelope)
            else:
                messages.append(envelope.message)
        self._ahead.extend(kept)
        return messages

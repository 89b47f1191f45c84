"""The end of this process: asked for by a signal or by any thread, waited for by the main thread or by one of its own.

Not an event: the system may give a signal to a thread other than the main one, which then sleeps on in a lock while
the handler waits for it, and a handler that comes at the moment its own thread holds the event's lock waits for ever.
The interpreter itself writes a byte for each signal, whichever thread takes it, and a read of that byte wakes.
"""

from __future__ import annotations

import contextlib
import signal
import socket
from typing import Self


class Ending:
    """A block on the main thread in which `signals` ask for the end instead of doing what they do by default."""

    def __init__(self, *signals: signal.Signals) -> None:
        self._signals = signals
        self._told, self._tell = socket.socketpair()
        self._tell.setblocking(False)

    def __enter__(self) -> Self:
        signal.set_wakeup_fd(self._tell.fileno(), warn_on_full_buffer=False)
        for number in self._signals:
            signal.signal(number, lambda *_: None)
        return self

    def __exit__(self, *_: object) -> None:
        # The handlers stay: a second signal must not cut the stopping off.
        signal.set_wakeup_fd(-1)
        self._told.close()
        self._tell.close()

    def now(self) -> None:
        """End; any thread."""
        # Full, when it was told more often than anybody could count; closed, when the end has come.
        with contextlib.suppress(OSError):
            self._tell.send(b"\0")

    def wait(self) -> None:
        """Block until the end is asked for; one thread."""
        self._told.recv(1)

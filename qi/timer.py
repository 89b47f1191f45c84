"""Something that is done again and again on the bus thread."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Timer:
    """A repeated call on the bus thread, until it is cancelled. Any thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop, seconds: float, callback: Callable[[], None]) -> None:
        self._loop, self._seconds, self._callback = loop, seconds, callback
        self._cancelled = False
        loop.call_soon_threadsafe(self._next)

    def _next(self) -> None:
        if not self._cancelled:
            self._loop.call_later(self._seconds, self._due)

    def _due(self) -> None:
        if not self._cancelled:
            self._callback()
            self._next()

    def cancel(self) -> None:
        self._cancelled = True

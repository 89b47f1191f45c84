"""One thread with an event loop of its own, for a whole process: what the connection to the broker lives on."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, cast

from qi.errors import Unavailable

CANCEL_LIMIT_S = 0.5


class LoopThread:
    """Methods are for any thread but its own, unless they say more."""

    def __init__(self, name: str) -> None:
        self.loop = new_loop()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        self._thread.start()

    def is_alive(self) -> bool:
        """Whether it runs; any thread."""
        return self._thread.is_alive()

    def is_here(self) -> bool:
        """Whether this is the thread; any thread."""
        return threading.get_ident() == self._thread.ident

    def wait(self, work: Coroutine[Any, Any, Any], timeout_s: float) -> Any:
        """Run a coroutine on the loop and wait for what it returns or raises; cancels it at the limit.

        Raises TimeoutError then, and :class:`Unavailable` when the thread has ended.
        """
        if self.is_here():
            work.close()
            raise RuntimeError("the bus thread must not wait for itself")
        if self.loop.is_closed() or not self.is_alive():
            work.close()
            raise Unavailable("this process has left the mesh")
        done = asyncio.run_coroutine_threadsafe(work, self.loop)
        try:
            return done.result(timeout_s)
        except TimeoutError:
            done.cancel()
            raise

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Begin a coroutine; its own thread."""
        task = self.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def cancel_spawned(self) -> None:
        """Its own thread."""
        for task in list(self._tasks):
            task.cancel()

    def end(self, timeout_s: float) -> None:
        """Stop the loop and wait for the thread, no longer than the limit. Also when it never started."""
        if self.is_alive():
            self.loop.call_soon_threadsafe(self.loop.stop)
            self._thread.join(timeout_s)

    def close(self) -> None:
        """Let go of the loop, once nobody waits for anything on it. One that hangs is left alone."""
        if not self.loop.is_running():
            self.loop.close()

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()
        # A client that was replaced while it connected again may have left tasks; the loop must not be closed on them.
        left = asyncio.all_tasks(self.loop)
        for task in left:
            task.cancel()
        if left:
            self.loop.run_until_complete(asyncio.wait(left, timeout=CANCEL_LIMIT_S))


def new_loop() -> asyncio.AbstractEventLoop:
    """The quickest that there is here; any thread."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return cast(asyncio.AbstractEventLoop, uvloop.new_event_loop())

"""How much may be held open at once: by everybody, and by one user. Event-loop thread."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator, Iterator
from contextlib import ExitStack, aclosing, contextmanager
from typing import Any

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from qi.errors import Busy


class Places:
    """Of one kind of thing; so no user leaves the others without."""

    def __init__(self, what: str, *, most: int, each: int) -> None:
        """`what` they are, for people; `most` of them in all, and `each` user's."""
        self._what = what
        self._most = most
        self._each = each
        self._held: Counter[str] = Counter()

    @contextmanager
    def held(self, user: str) -> Iterator[None]:
        """One of them, for the length of a block. Raises :class:`Busy` at once when there is none."""
        if self._held[user] >= self._each:
            raise Busy(
                f"'{user}' has {self._each} {self._what} open, and may have no more",
                remedy="close one of them", retry_ms=5000,
            )  # fmt: skip
        if self._held.total() >= self._most:
            raise Busy(f"all {self._most} {self._what} are taken", remedy="try again in a moment", retry_ms=5000)
        self._held[user] += 1
        try:
            yield
        finally:
            self._held[user] -= 1
            if not self._held[user]:
                del self._held[user]


class Held(StreamingResponse):
    """An answer that holds something for as long as it lasts, however it ends."""

    def __init__(self, body: AsyncGenerator[str], held: ExitStack, **more: Any) -> None:
        super().__init__(body, **more)
        self._body = body
        self._held = held

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # A body that is left in the middle would otherwise end only when it is collected.
        with self._held:
            async with aclosing(self._body):
                await super().__call__(scope, receive, send)

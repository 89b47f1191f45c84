"""Progress, logs, and what is said to one session: passed on as it comes, never the only record of anything.

Event-loop thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from qi.app.server.logins import Login
from qi.bus import Bus, Subscription
from qi.wire import Message

Take = Callable[[str, str], None]
"""Subject, JSON."""


@dataclass(eq=False, slots=True)
class _Heard:
    bus: Bus
    takers: dict[object, Take]
    beginning: asyncio.Task[Subscription] = field(init=False)
    """Ended by whoever leaves last: also when that is before the broker has answered."""


class Feeds:
    """One subscription a subject and session, however many windows listen: as that session, so the broker decides."""

    def __init__(self) -> None:
        self._heard: dict[tuple[str, str], _Heard] = {}
        self._loop = asyncio.get_running_loop()

    async def listen(self, key: object, login: Login, patterns: tuple[str, ...], take: Take) -> None:
        """All or none. Raises :class:`Forbidden` for what this session may not hear, and :class:`Unavailable`."""
        try:
            for pattern in patterns:
                at = (login.info.id, pattern)
                heard = self._heard.get(at)
                if heard is None:
                    heard = self._heard[at] = self._begun(at, login.participant.bus, pattern)
                heard.takers[key] = take
                # It is everybody's who listens: one who gives up leaves it to the others.
                await asyncio.shield(heard.beginning)
        except BaseException:
            self.leave(key)
            raise

    def leave(self, key: object) -> None:
        for at, heard in list(self._heard.items()):
            if heard.takers.pop(key, None) is not None and not heard.takers:
                del self._heard[at]
                heard.beginning.add_done_callback(partial(self._end, heard.bus))

    def _begun(self, at: tuple[str, str], bus: Bus, pattern: str) -> _Heard:
        heard = _Heard(bus, {})
        heard.beginning = asyncio.create_task(asyncio.to_thread(bus.subscribe, pattern, self._arriving(heard)))
        heard.beginning.add_done_callback(partial(self._refused, at, heard))
        return heard

    def _refused(self, at: tuple[str, str], heard: _Heard, done: asyncio.Task[Subscription]) -> None:
        """Whoever waits is told; the next one asks anew."""
        if (done.cancelled() or done.exception()) and self._heard.get(at) is heard:
            del self._heard[at]

    def _end(self, bus: Bus, done: asyncio.Task[Subscription]) -> None:
        if not done.cancelled() and not done.exception():
            self._loop.run_in_executor(None, bus.unsubscribe, done.result())

    def _arriving(self, heard: _Heard) -> Callable[[Message], None]:
        def arrive(msg: Message) -> None:  # bus thread
            self._loop.call_soon_threadsafe(pass_on, msg.subject, msg.data)

        def pass_on(subject: str, data: bytes) -> None:
            text = data.decode("utf-8", "replace") or "null"
            for take in list(heard.takers.values()):
                take(subject, text)

        return arrive

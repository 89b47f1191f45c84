"""Progress, logs, and what is said to one session: passed on as it comes, never the only record of anything.

Event-loop thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from qi.app.server.logins import Login
from qi.bus import Bus, Subscription
from qi.wire import Message

Take = Callable[[str, str], None]
"""Subject, JSON."""


@dataclass(slots=True)
class _Heard:
    bus: Bus
    entry: Subscription | None = None
    takers: dict[object, Take] = field(default_factory=dict)


class Feeds:
    """One subscription a subject and session, however many windows listen: as that session, so the broker decides."""

    def __init__(self) -> None:
        self._heard: dict[tuple[str, str], _Heard] = {}
        self._loop = asyncio.get_running_loop()

    async def listen(self, key: object, login: Login, patterns: tuple[str, ...], take: Take) -> None:
        """Raises :class:`Forbidden` for what this session may not hear, and :class:`Unavailable`."""
        for pattern in patterns:
            at = (login.info.id, pattern)
            if at in self._heard:
                self._heard[at].takers[key] = take
                continue
            heard = self._heard[at] = _Heard(login.participant.bus, takers={key: take})
            try:
                heard.entry = await asyncio.to_thread(heard.bus.subscribe, pattern, self._arriving(heard))
            except BaseException:
                self._heard.pop(at, None)
                raise

    def leave(self, key: object) -> None:
        for at, heard in list(self._heard.items()):
            if heard.takers.pop(key, None) is not None and not heard.takers:
                del self._heard[at]
                if heard.entry is not None:
                    self._loop.run_in_executor(None, heard.bus.unsubscribe, heard.entry)

    def _arriving(self, heard: _Heard) -> Callable[[Message], None]:
        def arrive(msg: Message) -> None:  # bus thread
            self._loop.call_soon_threadsafe(pass_on, msg.subject, msg.data)

        def pass_on(subject: str, data: bytes) -> None:
            text = data.decode("utf-8", "replace") or "null"
            for take in list(heard.takers.values()):
                take(subject, text)

        return arrive

"""The log, followed: every fact once and in order, for as many listeners as there are.

One subscription of the server's own serves them all. Announcements can be lost with a connection, so a gap between two
positions is filled from the log. Event-loop thread, except :meth:`Facts.heard`.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any
from weakref import WeakValueDictionary

from qi.app.server.asking import asked
from qi.app.server.logins import Login
from qi.bus import Bus
from qi.checked import Checked
from qi.contracts.log import EventPage, ReadLog
from qi.errors import BadRequest, Busy, QiError
from qi.wire import Message

log = logging.getLogger("qi.server")

PAGE = 500
READ_AT_ONCE = 2
"""Pages for one user's replays: the log answers one question after another, and others ask it, too."""
LOOK_EVERY_S = 2.0
BACKLOG_MOST = 100_000
SUBJECT = re.compile(r"[A-Za-z0-9_\-]+(\.([A-Za-z0-9_\-]+|\*))*(\.>)?")
"""What goes to the broker as it is must hold no white space and nothing else of its protocol."""


@dataclass(frozen=True, slots=True)
class Fact:
    position: int
    subject: str
    """`qi.event.<category>.<id>.<type>`."""
    json: str


Take = Callable[[Fact], None]


class Facts:
    """Follows the log from where it was when this began."""

    def __init__(self, bus: Bus) -> None:
        self.bus = bus
        self.position = 0
        self._takers: dict[object, Take] = {}
        self._turns: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()
        self._heard: deque[Fact] = deque(maxlen=BACKLOG_MOST)
        self._wake = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    async def begin(self) -> None:
        """Raises QiError."""
        page = await self._read(ReadLog(limit=1, newest=True))
        self.position = page.head
        await asyncio.to_thread(self.bus.subscribe, "qi.event.>", self.heard)

    def heard(self, msg: Message) -> None:
        """Bus thread."""
        self._loop.call_soon_threadsafe(self._arrived, msg.subject, msg.data)

    async def follow(self) -> None:
        """For ever: passes on what comes, and looks for what did not."""
        while True:
            try:
                await self._follow()
            except Exception:
                log.exception("following the log failed")
                await asyncio.sleep(LOOK_EVERY_S)

    async def _follow(self) -> None:
        try:
            async with asyncio.timeout(LOOK_EVERY_S):
                await self._wake.wait()
        except TimeoutError:
            await self._fill()
            return
        self._wake.clear()
        while self._heard:
            fact = self._heard.popleft()
            if fact.position > self.position + 1:
                await self._fill(fact.position)
            if fact.position == self.position + 1:
                self._pass_on(fact)

    def listen(self, key: object, take: Take) -> None:
        """From now on every fact, on this thread; `take` does little."""
        self._takers[key] = take

    def leave(self, key: object) -> None:
        self._takers.pop(key, None)

    async def since(self, login: Login, after: int, patterns: tuple[str, ...]) -> AsyncIterator[Fact]:
        """What the log holds after a position, until it is level with :attr:`position`: then, without a pause in
        between, the caller may :meth:`listen`. Each page is asked as this log-in, so the studio decides anew whether
        it may, and waits for its turn among those of this user. Raises QiError."""
        at, category = after, _category(patterns)
        while at < self.position:
            page = await self._page(login, ReadLog(after=at, limit=PAGE, category=category))
            for event in page.events:
                if event.position > self.position:
                    at = self.position  # the rest comes by itself
                    break
                fact = _fact(event)
                if matches(fact.subject, patterns):
                    yield fact
            else:
                if page.reached <= at:
                    return
                at = page.reached

    # -- inside -------------------------------------------------------------------------------------------------

    def _arrived(self, subject: str, data: bytes) -> None:
        text = data.decode("utf-8", "replace")
        self._heard.append(Fact(_position(text), subject, text))
        self._wake.set()

    def _pass_on(self, fact: Fact) -> None:
        self.position = fact.position
        for take in list(self._takers.values()):
            take(fact)

    async def _fill(self, upto: int = 0) -> None:
        """From the log, what was not heard; up to a position, or all."""
        try:
            while not upto or self.position + 1 < upto:
                page = await self._read(ReadLog(after=self.position, limit=PAGE))
                for event in page.events:
                    if event.position > self.position:
                        self._pass_on(_fact(event))
                if not page.more:
                    return
        except QiError as error:
            log.debug("the log cannot be read at the moment: %s", error.message)

    async def _page(self, login: Login, question: ReadLog) -> EventPage:
        user = login.info.user
        async with self._turns.setdefault(user, asyncio.Semaphore(READ_AT_ONCE)):
            while True:
                try:
                    return await asked(login, question)
                except Busy as error:  # this user asks much, or the log is asked much: there is no hurry
                    wait_ms = float(error.data.get("retry_ms", 1000))
                await asyncio.sleep(wait_ms / 1000)

    async def _read(self, question: ReadLog) -> EventPage:
        future = self.bus.ask(question)
        (ended,), _ = await asyncio.wait([asyncio.wrap_future(future)])
        if not ended.cancelled():
            ended.exception()  # the loop complains of one that nobody looked at
        return self.bus.answer(question, future)


def _fact(event: Any) -> Fact:
    category, _, token = str(event.stream).partition("-")
    text = Checked().encode(event).decode()
    return Fact(int(event.position), f"qi.event.{category}.{token}.{event.type}", text)


def _category(patterns: tuple[str, ...]) -> str:
    """That all of them are of; empty when there is none."""
    named = {pattern.split(".")[2] for pattern in patterns}
    return named.pop() if len(named) == 1 and not named & {"*", ">"} else ""


def _position(text: str) -> int:
    """Of an announcement, which begins with it; else by reading it whole."""
    head, _, rest = text.partition(":")
    digits = rest.lstrip().partition(",")[0] if head == '{"position"' else ""
    return int(digits) if digits.isdecimal() else int(json.loads(text)["position"])


def checked(patterns: Any, session: str) -> tuple[str, ...]:
    """Subjects a page may listen to. Raises :class:`BadRequest`."""
    if not isinstance(patterns, list) or not 0 < len(patterns) <= 50:
        raise BadRequest("name between one and fifty subjects")
    for one in patterns:
        fits = isinstance(one, str) and len(one) <= 300 and SUBJECT.fullmatch(one)
        if not fits or not one.startswith(("qi.event.", "qi.feed.", f"qi.session.{session}.")):
            raise BadRequest(f"'{str(one)[:100]}' is no subject that a page may listen to")
    return tuple(patterns)


def matches(subject: str, patterns: tuple[str, ...]) -> bool:
    """As the broker does it: `*` stands for one token, `>` for the rest."""
    tokens = subject.split(".")
    return any(_matches(tokens, pattern.split(".")) for pattern in patterns)


def _matches(tokens: list[str], pattern: list[str]) -> bool:
    for at, part in enumerate(pattern):
        if part == ">":
            return len(tokens) > at
        if at >= len(tokens) or part not in ("*", tokens[at]):
            return False
    return len(tokens) == len(pattern)

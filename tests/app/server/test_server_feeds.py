"""Feeds: one subscription for all who listen, whoever of them comes and goes while the broker is being asked."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest

from qi.app.server.feeds import Feeds
from qi.app.server.logins import Login
from qi.bus import Bus, Subscription
from qi.errors import Forbidden
from qi.testing.server import RunningServer
from qi.wire import Message

pytestmark = pytest.mark.xdist_group("server")

LIMIT_S = 60.0


class Slow:
    """The studio's bus; the broker answers when the test says so."""

    def __init__(self, bus: Bus) -> None:
        self.bus = bus
        self.asked = self.ended = 0
        self.live: list[Subscription] = []
        self.answer = threading.Event()
        self.refuse = False

    def subscribe(self, pattern: str, take: Callable[[Message], None]) -> Subscription:
        self.asked += 1
        assert self.answer.wait(LIMIT_S)
        if self.refuse:
            raise Forbidden("not this")
        made = self.bus.subscribe(pattern, take)
        self.live.append(made)
        return made

    def unsubscribe(self, entry: Subscription) -> None:
        self.bus.unsubscribe(entry)
        self.live.remove(entry)
        self.ended += 1

    @property
    def login(self) -> Login:
        return cast(Any, SimpleNamespace(info=SimpleNamespace(id="S"), participant=SimpleNamespace(bus=self)))


async def until(look: Callable[[], object]) -> None:
    async with asyncio.timeout(LIMIT_S):
        while not look():
            await asyncio.sleep(0.005)


@pytest.fixture
def slow(server: RunningServer) -> Iterator[Slow]:
    participant = server.studio.join()
    yield Slow(participant.bus)
    participant.leave()


@pytest.fixture
def subject(server: RunningServer) -> str:
    return f"qi.feed.progress.{server.studio.bus.session}"


def test_who_gives_up_while_the_broker_is_asked_leaves_nothing_behind(slow: Slow, subject: str) -> None:
    async def work() -> None:
        feeds = Feeds()
        first = asyncio.create_task(feeds.listen("a", slow.login, (subject,), lambda *_: None))
        await until(lambda: slow.asked)
        feeds.leave("a")
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        slow.answer.set()
        await until(lambda: slow.ended == 1)
        assert not slow.live

    asyncio.run(work())


def test_who_joins_hears_also_when_the_first_one_gives_up(server: RunningServer, slow: Slow, subject: str) -> None:
    async def work() -> None:
        feeds, heard = Feeds(), list[str]()
        first = asyncio.create_task(feeds.listen("a", slow.login, (subject,), lambda *_: None))
        await until(lambda: slow.asked)
        second = asyncio.create_task(feeds.listen("b", slow.login, (subject,), lambda _, text: heard.append(text)))
        await asyncio.sleep(0)
        first.cancel()
        feeds.leave("a")
        await asyncio.gather(first, return_exceptions=True)
        assert not second.done()  # nobody is told before the broker has answered
        slow.answer.set()
        await second
        slow.bus.flush()
        server.studio.bus.publish(subject, b'"word"', lossy=True)
        await until(lambda: heard == ['"word"'])
        assert slow.asked == 1
        feeds.leave("b")
        await until(lambda: not slow.live)

    asyncio.run(work())


def test_who_joins_one_that_is_refused_is_refused_too_and_the_next_one_asks_anew(slow: Slow, subject: str) -> None:
    async def work() -> None:
        feeds = Feeds()
        slow.refuse = True
        both = [asyncio.create_task(feeds.listen(key, slow.login, (subject,), lambda *_: None)) for key in "ab"]
        await until(lambda: slow.asked)
        slow.answer.set()
        told = await asyncio.gather(*both, return_exceptions=True)
        assert [type(one) for one in told] == [Forbidden, Forbidden]
        slow.refuse = False
        await feeds.listen("c", slow.login, (subject,), lambda *_: None)
        assert len(slow.live) == 1
        feeds.leave("c")
        await until(lambda: not slow.live)

    asyncio.run(work())

"""`/events`: the log as Server-Sent Events, for scripts; goes on where `Last-Event-ID` says. Event-loop thread."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import ExitStack
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Header, Query
from fastapi import Request as HttpRequest
from starlette.responses import StreamingResponse

from qi.app.server import facts
from qi.app.server.facts import Fact
from qi.app.server.logins import Login
from qi.app.server.places import Held, Places
from qi.app.server.reach import Reach
from qi.app.server.stalled import abort
from qi.errors import BadRequest, Forbidden, QiError

log = logging.getLogger("qi.server")

QUIET_S = 15.0
WAITING_BYTES = 8 * 1024 * 1024
"""Of one reader; one who is slower still is let go."""
STREAMS_MOST, STREAMS_A_USER = 1000, 100


def router(reach: Reach) -> APIRouter:
    """The route of one server."""
    routes = APIRouter(tags=["events"])
    places = Places("streams of events", most=STREAMS_MOST, each=STREAMS_A_USER)

    @routes.get("/events", response_class=StreamingResponse)
    async def events(
        request: HttpRequest,
        subject: Annotated[str, Query(max_length=300, description="`*` and `>` as on the mesh.")] = "qi.event.>",
        after: Annotated[int | None, Query(ge=0, description="Position of the log; the head when not given.")] = None,
        last_event_id: Annotated[str, Header(max_length=30)] = "",
    ) -> StreamingResponse:
        """Facts in order of position, none missed and none twice. Needs the permission `history.read`."""
        login = await reach.login(request)
        if not login.may("history.read"):
            raise Forbidden("following the log needs the permission 'history.read'", permission="history.read")
        if last_event_id and not last_event_id.isdecimal():
            raise BadRequest("Last-Event-ID is a position of the log")
        patterns = facts.checked([subject], login.info.id)
        if not subject.startswith("qi.event."):
            raise BadRequest("a stream holds facts: qi.event.…")
        begin = int(last_event_id) if last_event_id else after
        start = reach.facts.position if begin is None else begin
        follower = _Follower(reach, login, patterns, partial(abort, request.scope))
        with ExitStack() as held:
            held.enter_context(places.held(login.info.user))
            return Held(
                follower.told(start), held.pop_all(), media_type="text/event-stream",
                headers={"cache-control": "no-store", "x-accel-buffering": "no"},
            )  # fmt: skip

    return routes


class _Follower:
    """One reader of the stream: what it has not taken yet waits, bounded by bytes."""

    def __init__(self, reach: Reach, login: Login, patterns: tuple[str, ...], give_up: Callable[[], None]) -> None:
        """`give_up` ends the connection, also one that takes nothing."""
        self._reach = reach
        self._login = login
        self._patterns = patterns
        self._give_up = give_up
        self._waiting: asyncio.Queue[str | None] = asyncio.Queue()
        self._bytes = 0
        self._over = False

    async def told(self, start: int) -> AsyncGenerator[str]:
        facts_, login = self._reach.facts, self._login
        login.ended.append(self._ended)
        try:
            yield f"retry: 1000\n: from position {start}\n\n"
            async for fact in facts_.since(login, start, self._patterns):
                if self._over:
                    return
                yield _frame(fact)
            facts_.listen(self, self._take)
            while not self._over:
                try:
                    async with asyncio.timeout(QUIET_S):
                        frame = await self._waiting.get()
                except TimeoutError:
                    if not login.may("history.read"):
                        return
                    yield ": still here\n\n"
                    continue
                if frame is None or not login.may("history.read"):
                    return
                self._bytes -= len(frame)
                yield frame
        except QiError as error:  # it asks again, and is told then
            log.info("a stream ends: %s", error.message)
        finally:
            facts_.leave(self)
            login.ended.remove(self._ended)

    def _take(self, fact: Fact) -> None:
        if not facts.matches(fact.subject, self._patterns):
            return
        frame = _frame(fact)
        self._bytes += len(frame)
        if self._bytes > WAITING_BYTES:  # it comes back with Last-Event-ID
            log.info("a stream that takes nothing was let go")
            self._ended()
            self._give_up()
        else:
            self._waiting.put_nowait(frame)

    def _ended(self, _: QiError | None = None) -> None:
        self._over = True
        self._reach.facts.leave(self)
        self._waiting.put_nowait(None)


def _frame(fact: Fact) -> str:
    kind = fact.subject.split(".", 4)[-1]
    return f"id: {fact.position}\nevent: {kind}\ndata: {fact.json}\n\n"

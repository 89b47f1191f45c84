"""`/events`: the log as Server-Sent Events, for scripts; goes on where `Last-Event-ID` says. Event-loop thread."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Header, Query
from fastapi import Request as HttpRequest
from starlette.responses import StreamingResponse

from qi.app.server import facts
from qi.app.server.facts import Fact
from qi.app.server.logins import Login
from qi.app.server.reach import Reach
from qi.errors import BadRequest, Forbidden, QiError

QUIET_S = 15.0
WAITING_MOST = 5_000


def router(reach: Reach) -> APIRouter:
    """The route of one server."""
    routes = APIRouter(tags=["events"])

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
        start = int(last_event_id) if last_event_id else after
        return StreamingResponse(
            _told(reach, login, patterns, reach.facts.position if start is None else start),
            media_type="text/event-stream",
            headers={"cache-control": "no-store", "x-accel-buffering": "no"},
        )

    return routes


async def _told(reach: Reach, login: Login, patterns: tuple[str, ...], start: int) -> AsyncIterator[str]:
    waiting: asyncio.Queue[Fact | None] = asyncio.Queue(WAITING_MOST)
    key = object()

    def end(_: QiError | None = None) -> None:
        reach.facts.leave(key)
        if waiting.full():
            waiting.get_nowait()
        waiting.put_nowait(None)

    def take(fact: Fact) -> None:
        if facts.matches(fact.subject, patterns):
            if waiting.full():  # a reader too slow is let go; it comes back with Last-Event-ID
                end()
            else:
                waiting.put_nowait(fact)

    login.ended.append(end)
    try:
        yield f"retry: 1000\n: from position {start}\n\n"
        async for fact in reach.facts.since(start, patterns):
            if not waiting.empty():  # the log-in ended
                return
            yield _frame(fact)
        reach.facts.listen(key, take)
        while True:
            try:
                async with asyncio.timeout(QUIET_S):
                    heard = await waiting.get()
            except TimeoutError:
                yield ": still here\n\n"
                continue
            if heard is None or not login.may("history.read"):
                return
            yield _frame(heard)
    finally:
        reach.facts.leave(key)
        login.ended.remove(end)


def _frame(fact: Fact) -> str:
    kind = fact.subject.split(".", 4)[-1]
    return f"id: {fact.position}\nevent: {kind}\ndata: {fact.json}\n\n"

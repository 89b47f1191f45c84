"""`/export/history`: everything of the log that fits a filter, as a file, page by page. Event-loop thread."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from fastapi import Request as HttpRequest
from starlette.responses import StreamingResponse

from events.record import Event
from qi.app.server.asking import asked
from qi.app.server.logins import Login
from qi.app.server.places import Held, Places
from qi.app.server.reach import Reach
from qi.codec import as_json
from qi.contracts.log import EventPage, ReadLog

EXPORTS_MOST, EXPORTS_A_USER = 4, 2
"""At once; each keeps the history busy for as long as it lasts."""
PAGE = 1000
COLUMNS = ("position", "recorded_at", "user", "type", "stream", "version", "trace", "data")
RUN_BY_SHEETS = ("=", "+", "-", "@", "\t", "\r")

Format = Literal["jsonl", "csv"]
Told = Callable[[tuple[Event, ...]], str]


def router(reach: Reach) -> APIRouter:
    """The route of one server."""
    routes = APIRouter(tags=["events"])
    places = Places("exports", most=EXPORTS_MOST, each=EXPORTS_A_USER)

    @routes.get("/export/history", response_class=StreamingResponse)
    async def history(
        request: HttpRequest,
        stream: Annotated[str, Query(max_length=200)] = "",
        category: Annotated[str, Query(max_length=100)] = "",
        type: Annotated[str, Query(max_length=100, description="Or its beginning and `*`.")] = "",  # noqa: A002
        user: Annotated[str, Query(max_length=200)] = "",
        trace: Annotated[str, Query(max_length=64)] = "",
        text: Annotated[str, Query(max_length=200)] = "",
        entity: Annotated[str, Query(max_length=500)] = "",
        since: Annotated[int, Query(ge=0, le=2**62)] = 0,
        until: Annotated[int, Query(ge=0, le=2**62)] = 0,
        format: Annotated[Format, Query()] = "jsonl",  # noqa: A002
    ) -> StreamingResponse:
        """Every event up to now that `log.read` finds with this filter, oldest first: one JSON object a line, or a
        table. Needs the permission `history.read`, of which each page is asked. A file that breaks off is not whole."""
        login = await reach.viewer(request)
        question = ReadLog(
            limit=PAGE, stream=stream, category=category, type=type, user=user, trace=trace, text=text, entity=entity,
            since=since, until=until,
        )  # fmt: skip
        told, media_type = (_table, "text/csv") if format == "csv" else (_lines, "application/x-ndjson")
        headers = {"content-disposition": f'attachment; filename="history.{format}"', "cache-control": "no-store"}

        async def body(first: EventPage) -> AsyncGenerator[str]:
            if format == "csv":
                yield ",".join(COLUMNS) + "\r\n"
            async for page in _pages(login, question, first):
                yield told(page.events)

        with ExitStack() as held:
            held.enter_context(places.held(login.info.user))
            first = await asked(login, question)
            return Held(body(first), held.pop_all(), media_type=media_type, headers=headers)

    return routes


async def _pages(login: Login, question: ReadLog, first: EventPage) -> AsyncIterator[EventPage]:
    """What is recorded meanwhile is left to the next export, or none would end."""
    page, question = first, replace(question, before=first.head + 1)
    yield page
    while page.more:
        page = await asked(login, replace(question, after=page.reached))
        yield page


def _lines(events: tuple[Event, ...]) -> str:
    return "".join(f"{json.dumps(one, default=as_json, ensure_ascii=False, separators=(',', ':'))}\n" for one in events)


def _table(events: tuple[Event, ...]) -> str:
    written = io.StringIO()
    rows = csv.writer(written)
    for one in events:
        at = datetime.fromtimestamp(one.recorded_at / 1e6, UTC).isoformat()
        data = json.dumps(one.data, ensure_ascii=False, separators=(",", ":"))
        cells = (one.position, at, one.meta.user, one.type, one.stream, one.version, one.meta.trace, data)
        rows.writerow(_harmless(cell) if isinstance(cell, str) else cell for cell in cells)
    return written.getvalue()


def _harmless(cell: str) -> str:
    """A spreadsheet takes what begins so for a formula, and runs it."""
    return f"'{cell}" if cell.startswith(RUN_BY_SHEETS) else cell

"""What every answer carries, and what no request passes: headers, sizes, times, origins. Event-loop thread."""

from __future__ import annotations

import asyncio
import json
import logging
import math
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from qi import context
from qi.app.server.admission import Admission
from qi.app.server.doors import Doors
from qi.app.server.pages import policy
from qi.errors import BadRequest, Busy, DeadlineExceeded, QiError
from qi.messages import TOPICS

log = logging.getLogger("qi.server")

BODY_MOST_BYTES = 1024 * 1024
REQUEST_LIMIT_S = 120.0
BODY_SILENCE_S = 30.0
"""So long the next piece of a body may take, also of one that may be as long as it is."""
NOT_ADMITTED = 4403
LOOPBACK = ("127.0.0.1", "::1")
UNHURRIED = ("/events", "/uploads", "/media/", "/export/")
"""Streams: they are as long as they are."""
API = "/api/"
FAILED = "the server failed at this request"

UNCOUNTED = ("/_app/immutable/", "/uploads/")
"""Files of the pages: a window asks for dozens of them when it opens, and browsers keep them; if they counted, a few
people behind one address would find blank pages. And files of a publish: a dropped sequence is thousands of them, whose
bounds are their own."""

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class Guard:
    """Around the whole application."""

    def __init__(
        self,
        app: Callable[[Scope, Receive, Send], Awaitable[None]],
        *,
        doors: Doors,
        admission: Admission,
    ) -> None:
        self._app = app
        self._doors = doors
        self._admission = admission
        self._headers = [
            (b"content-security-policy", policy().encode()),
            (b"x-content-type-options", b"nosniff"),
            (b"referrer-policy", b"no-referrer"),
            (b"x-frame-options", b"DENY"),
            (b"cross-origin-opener-policy", b"same-origin"),
            (b"permissions-policy", b"camera=(), microphone=(), geolocation=()"),
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await self._open(scope, receive, send)
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path, began, finished = str(scope["path"]), False, False
        # The trace of whoever asks, or a new one.
        given = next((value for name, value in scope["headers"] if name == b"traceparent"), b"")
        asks = context.from_headers({"traceparent": given.decode("latin-1")}, 0.0)
        context.enter(context.Context(asks.trace))
        unhurried = path.startswith(UNHURRIED)
        left, whole = BODY_MOST_BYTES, False

        async def guarded_receive() -> MutableMapping[str, Any]:
            nonlocal left, whole
            # Behind the body only the end of the connection is waited for.
            async with asyncio.timeout(None if whole else BODY_SILENCE_S):
                message = await receive()
            whole = not message.get("more_body", False)
            left -= len(message.get("body", b""))
            if left < 0 and not unhurried:
                raise BadRequest(f"a request has at most {BODY_MOST_BYTES} bytes")
            return message

        async def guarded_send(message: MutableMapping[str, Any]) -> None:
            nonlocal began, finished
            if message["type"] == "http.response.start":
                began = True
                headers = list(message.get("headers", []))
                own = {name.lower() for name, _ in headers}
                message["headers"] = [*headers, *(one for one in self._headers if one[0] not in own)]
                if b"cache-control" not in own:
                    message["headers"].append((b"cache-control", b"no-store"))
                message["headers"].append((b"x-trace", asks.trace.encode()))
            finished = message["type"] == "http.response.body" and not message.get("more_body", False)
            await send(message)

        try:
            self._admission.require(scope, client_of(scope))
            if not path.startswith(UNCOUNTED):
                self._doors.knock(client_of(scope))
            async with asyncio.timeout(None if unhurried else _limit_s(path)):
                await self._app(scope, guarded_receive, guarded_send)
        except QiError as error:
            if not began:
                await _refuse(guarded_send, error)
        except TimeoutError:
            if not began:
                await _refuse(guarded_send, DeadlineExceeded("the request took too long"))
        except (Exception, SystemExit) as error:  # an addon's route may exit, which would end the loop
            log.exception("a request to %s failed", path)
            if not began:
                await _refuse(guarded_send, QiError(FAILED))
            elif not finished:
                raise ConnectionError(f"an answer to {path} broke off") from error

    async def _open(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            self._admission.require(scope, client_of(scope))
        except QiError as error:
            log.info("a socket is refused: %s", error.message)
            await send({"type": "websocket.close", "code": NOT_ADMITTED})
            return
        await self._app(scope, receive, send)


def _limit_s(path: str) -> float:
    """What the studio may take long for has that time here, too."""
    kind = TOPICS.get(path.removeprefix(API).replace("/", ".")) if path.startswith(API) else None
    return max(REQUEST_LIMIT_S, kind.timeout_s if kind else 0.0)


async def _refuse(send: Send, error: QiError) -> None:
    body = json.dumps({"error": error.as_reply()}, default=str).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    headers += [(name.encode(), value.encode()) for name, value in come_again(error).items()]
    await send({"type": "http.response.start", "status": status_of(error), "headers": headers})
    await send({"type": "http.response.body", "body": body})


def come_again(error: QiError) -> dict[str, str]:
    """The header that says when to, in whole seconds: whoever keeps to it is not refused once more."""
    return {"retry-after": str(math.ceil(error.data.get("retry_ms", 1000) / 1000))} if isinstance(error, Busy) else {}


def status_of(error: QiError) -> int:
    """The number of the error family is already in the spirit of HTTP."""
    return error.code if 400 <= error.code < 600 else 500


def client_of(scope: Scope) -> str:
    """Address of whoever asks, as the socket has it: no header is believed."""
    client = scope.get("client")
    return str(client[0]) if client else ""


def host_of(scope: Scope) -> str:
    """What events name as the host: where the client is; empty when that is this very machine."""
    address = client_of(scope)
    return "" if address in LOOPBACK else address


def is_own_origin(scope: Scope) -> bool:
    """Whether a page of this very server asks, or something that is no browser and so sends no origin."""
    headers = dict(scope["headers"])
    origin, host = headers.get(b"origin", b"").decode("latin-1"), headers.get(b"host", b"").decode("latin-1")
    if not origin:
        return True
    return origin.partition("://")[2].casefold() == host.casefold() and bool(host)

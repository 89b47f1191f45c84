"""The application: its routes, and what is around them. Event-loop thread."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence

from fastapi import Request as HttpRequest
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.websockets import WebSocket

from qi.app.server import addon_files, addon_routes, auth, export, media, settings_routes, stream, topics, uploads
from qi.app.server.admission import Admission
from qi.app.server.asking import asked
from qi.app.server.description import Described
from qi.app.server.guard import (
    FAILED,
    Guard,
    Receive,
    Scope,
    Send,
    client_of,
    come_again,
    host_of,
    is_own_origin,
    status_of,
)
from qi.app.server.pages import Pages
from qi.app.server.places import Places
from qi.app.server.reach import Reach
from qi.app.server.socket import REFUSED, Socket
from qi.contracts.hosting import AddonRun
from qi.errors import Busy, Invalid, NotFound, QiError
from qi.web import asker

log = logging.getLogger("qi.server")

SOCKETS_MOST, SOCKETS_A_USER = 1000, 100
STRANGERS_MOST = 200
"""Sockets that did not say yet whose they are: they have seconds for that."""
SHARED = ("/settings", "/bundles")
"""Addresses that scripts and people share: a browser that goes there says so, and gets the page."""


class Application:
    """One server's application: an ASGI callable."""

    def __init__(
        self, reach: Reach, studio: dict[str, str], addons: Sequence[AddonRun], admission: Admission
    ) -> None:
        """`studio` holds its `name` and `version`, for people."""
        self._reach = reach
        self._studio = studio
        self._doors = reach.logins.doors
        self._sockets = 0
        self._windows = Places("windows", most=SOCKETS_MOST, each=SOCKETS_A_USER)
        self._pages = pages = Pages()
        self.fastapi = Described(studio["version"])
        self._errors()
        self.fastapi.add_api_websocket_route("/ws", self._socket)
        self.fastapi.get("/healthz", tags=["health"])(_alive)
        self.fastapi.get("/readyz", tags=["health"])(self._ready)
        self.fastapi.include_router(auth.router(reach.logins, self._doors, studio["name"], _provider(addons)))
        for module in (settings_routes, stream, export, addon_files, media, uploads, topics):
            self.fastapi.include_router(module.router(reach))
        addon_routes.mount(self.fastapi, reach, addons)

        @self.fastapi.get("/{path:path}", include_in_schema=False)
        async def page(path: str) -> Response:
            if path.startswith(("api/", "auth/", "addons/")):
                raise NotFound(f"there is no /{path}")
            return pages.answer(f"/{path}")

        self.asgi = Guard(self._entered, doors=self._doors, admission=admission)

    async def _entered(self, scope: Scope, receive: Receive, send: Send) -> None:
        """In the task of the connection: whatever is raised below reaches the guard."""
        if scope["type"] == "http":
            asker.set(asked)
            goes_there = (b"sec-fetch-mode", b"navigate") in scope["headers"]
            if goes_there and scope["path"].startswith(SHARED):
                scope["path"] = "/"
        await self.fastapi(scope, receive, send)

    async def _ready(self) -> Response:
        """Whether the studio answers."""
        bus = self._reach.facts.bus
        ready = bus.connected and not bus.refused
        return JSONResponse({"ready": ready, "position": self._reach.facts.position}, 200 if ready else 503)

    async def _socket(self, ws: WebSocket) -> None:
        if not is_own_origin(ws.scope):
            await ws.close(REFUSED)
            return
        try:
            self._doors.knock(client_of(ws.scope))
        except Busy:
            await ws.close(REFUSED)
            return
        if self._sockets >= SOCKETS_MOST + STRANGERS_MOST:
            await ws.close(1013)
            return
        self._sockets += 1
        try:
            reach, places, host = self._reach, self._windows, host_of(ws.scope)
            await Socket(ws, places, reach.logins, reach.facts, reach.feeds, self._studio, host).run()
        finally:
            self._sockets -= 1

    def _errors(self) -> None:
        app = self.fastapi

        @app.exception_handler(QiError)
        async def refused(_: HttpRequest, error: QiError) -> Response:
            return _answer(error)

        @app.exception_handler(RequestValidationError)
        async def invalid(_: HttpRequest, error: RequestValidationError) -> Response:
            fields = {".".join(map(str, one["loc"])): str(one["msg"]) for one in error.errors()}
            said = "; ".join(f"{path}: {what}" for path, what in fields.items())
            return _answer(Invalid(f"the request is not valid: {said}"[:2000], fields=fields))

        @app.exception_handler(HTTPException)
        async def other(_: HttpRequest, error: HTTPException) -> Response:
            reply = {"code": error.status_code, "kind": "HTTP", "message": str(error.detail), "remedy": "", "data": {}}
            return JSONResponse({"error": reply}, error.status_code, headers=dict(error.headers or {}))

        @app.exception_handler(Exception)
        async def failed(_: HttpRequest, __: Exception) -> Response:
            # The guard, which meets it next, tells the log.
            return _answer(QiError(FAILED))


def _provider(addons: Sequence[AddonRun]) -> str:
    """Who knows the passwords, in words for the log-in page."""
    return next((one.title or one.name for one in addons if "auth" in one.roles and one.status == "enabled"), "")


async def _alive() -> dict[str, bool]:
    """Whether this process answers."""
    return {"alive": True}


def _answer(error: QiError) -> Response:
    # In ASCII: what somebody sent may be no text that can be encoded.
    body = json.dumps({"error": error.as_reply()}, default=str)
    return Response(body, status_of(error), headers=come_again(error), media_type="application/json")

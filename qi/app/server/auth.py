"""`/auth`: logging in and out, and the codes that open one more window. Event-loop thread."""

from __future__ import annotations

import logging
import secrets
from typing import Annotated

from fastapi import APIRouter, Body, Request, Response
from pydantic import BaseModel

from qi.app.server.doors import Doors
from qi.app.server.guard import client_of, host_of, is_own_origin
from qi.app.server.logins import ACCESS_S, CODE_S, REFRESH_S, Entered, Logins
from qi.errors import Forbidden, Unauthenticated

log = logging.getLogger("qi.server")

REFRESH_COOKIE, VIEW_COOKIE = "qi_refresh", "qi_view"
"""The second one opens pictures, movies and exports, which a page names by their address alone."""
VIEWED = ("/media", "/export")


class User(BaseModel):
    name: str
    roles: list[str]
    permissions: list[str]


class LoggedIn(BaseModel):
    """What a page is given. The refresh token travels as a cookie."""

    access: str
    expires_in: int
    """Seconds."""
    user: User
    session: str
    bundle: str
    studio: str


class Form(BaseModel):
    """What the log-in page shows."""

    studio: str
    provider: str
    fields: list[str]


class Code(BaseModel):
    code: str
    expires_in: int


class Out(BaseModel):
    done: bool = True


Name = Annotated[str, Body(min_length=1, max_length=200)]
Password = Annotated[str, Body(min_length=1, max_length=1024)]


def router(logins: Logins, doors: Doors, studio: str, provider: str) -> APIRouter:
    """The routes of one server; `studio` and `provider` are names for people."""
    routes = APIRouter(prefix="/auth", tags=["auth"])

    def entered(request: Request, response: Response, done: Entered) -> LoggedIn:
        secure = request.url.scheme == "https"
        response.set_cookie(
            REFRESH_COOKIE, done.refresh, max_age=int(REFRESH_S), path="/auth", httponly=True, secure=secure,
            samesite="strict",
        )  # fmt: skip
        for path in VIEWED:
            response.set_cookie(
                VIEW_COOKIE, done.access, max_age=ACCESS_S, path=path, httponly=True, secure=secure, samesite="strict"
            )
        info = done.login.info
        user = User(name=info.user, roles=list(info.roles), permissions=list(info.permissions))
        return LoggedIn(
            access=done.access, expires_in=ACCESS_S, user=user, session=info.id, bundle=info.bundle, studio=studio
        )

    @routes.get("/form")
    async def form() -> Form:
        return Form(studio=studio, provider=provider, fields=["user", "password"])

    @routes.post("/login")
    async def login(request: Request, response: Response, user: Name, password: Password) -> LoggedIn:
        _require_own(request)
        client = client_of(request.scope)
        doors.log_in(client)
        async with doors.turn(user):
            doors.require_open(user, client)
            try:
                done = await logins.by_password(user, password, host_of(request.scope))
            except Unauthenticated:
                doors.failed(user, client)
                raise
            doors.succeeded(user, client)
        return entered(request, response, done)

    @routes.post("/refresh")
    async def refresh(request: Request, response: Response) -> LoggedIn:
        _require_own(request)
        token = request.cookies.get(REFRESH_COOKIE, "")
        return entered(request, response, await logins.by_refresh(token, host_of(request.scope)))

    @routes.post("/redeem")
    async def redeem(
        request: Request, response: Response, code: Annotated[str, Body(embed=True, max_length=200)]
    ) -> LoggedIn:
        _require_own(request)
        doors.log_in(client_of(request.scope))
        return entered(request, response, await logins.by_code(code, host_of(request.scope)))

    @routes.post("/code")
    async def code(request: Request) -> Code:
        """For one more window: of whoever is logged in, or of the owner, who can read the home's file."""
        kind, _, secret = request.headers.get("authorization", "").partition(" ")
        if kind.casefold() == "qi-key":
            if not secrets.compare_digest(secret.encode(), logins.owner_key.encode()):
                raise Unauthenticated("this is not the key of this server")
            return Code(code=logins.code(), expires_in=int(CODE_S))
        login = await logins.of_access(bearer(request), host_of(request.scope))
        return Code(code=logins.code(login.id), expires_in=int(CODE_S))

    @routes.post("/logout")
    async def logout(request: Request, response: Response) -> Out:
        _require_own(request)
        try:
            token = request.cookies.get(REFRESH_COOKIE, "")
            done = await logins.by_refresh(token, host_of(request.scope))
            await logins.end(done.login.id, "you logged out")
        except Unauthenticated as error:
            log.debug("nobody was logged in: %s", error.message)
        response.delete_cookie(REFRESH_COOKIE, path="/auth")
        for path in VIEWED:
            response.delete_cookie(VIEW_COOKIE, path=path)
        return Out()

    return routes


def bearer(request: Request) -> str:
    """The access token of a request. Raises :class:`Unauthenticated` without one."""
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    if kind.casefold() != "bearer" or not token:
        raise Unauthenticated("this needs an access token", remedy="POST /auth/login gives one")
    return token


def _require_own(request: Request) -> None:
    """A cookie travels with every request of a browser; another site's page may not use it."""
    if not is_own_origin(request.scope):
        raise Forbidden("a page of another site may not ask this")

"""For the routes of addons (`api/public.py`, `api/private.py`): asking the studio as whoever asks the route.

::

    from fastapi import APIRouter, Request
    from qi.web import ask

    router = APIRouter()

    @router.get("/sheets")
    async def sheets(request: Request) -> list[str]:
        return list((await ask(request, ListSheets(), addon="contact_sheet")).names)

Event-loop thread of the server.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any, TypeVar

from qi.errors import Unauthenticated, Unavailable
from qi.messages import Request

R = TypeVar("R")

Asker = Callable[[Any, Request[Any], str], Awaitable[Any]]

asker: ContextVar[Asker | None] = ContextVar("qi_web_asker", default=None)
"""Set by the server for each request: log-in, message, addon → reply."""


async def ask(http: Any, message: Request[R], *, addon: str = "") -> R:
    """The reply of a service, or of an addon as the caller's bundle pins it. Raises QiError; 401 where nobody is logged
    in, which a public route must expect."""
    login, by = getattr(http.state, "qi_login", None), asker.get()
    if login is None:
        raise Unauthenticated("nobody is logged in", remedy="send an access token: POST /auth/login gives one")
    if by is None:
        raise Unavailable("this is no request to a server of Qi")
    reply: R = await by(login, message, addon)
    return reply

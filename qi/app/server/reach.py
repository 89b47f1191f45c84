"""What every route needs of the server: who asks, and the studio's answer as HTTP. Event-loop thread."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

from fastapi import Request as HttpRequest

from qi.app.server.asking import asked
from qi.app.server.auth import VIEW_COOKIE, bearer
from qi.app.server.facts import Facts
from qi.app.server.feeds import Feeds
from qi.app.server.guard import host_of
from qi.app.server.logins import Login, Logins
from qi.home import Home
from qi.messages import Request

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Reach:
    """One server's parts."""

    home: Home
    logins: Logins
    facts: Facts
    feeds: Feeds

    async def login(self, request: HttpRequest) -> Login:
        """Whose request this is. Raises :class:`Unauthenticated`."""
        return await self.logins.of_access(bearer(request), host_of(request.scope))

    async def viewer(self, request: HttpRequest) -> Login:
        """Whose picture this is going to be: by the cookie that pages cannot read, or like any request."""
        token = request.cookies.get(VIEW_COOKIE, "")
        return await self.logins.of_access(token, host_of(request.scope)) if token else await self.login(request)

    async def ask(self, request: HttpRequest, message: Request[R]) -> R:
        """Ask the studio as whoever is logged in. Raises QiError."""
        return await asked(await self.login(request), message)

"""Sessions: the participants of the mesh."""

from __future__ import annotations

from typing import Annotated

from qi.limits import Name, Text, Token
from qi.messages import PUBLIC, STUDIO_ONLY, Done, Request, message


@message
class SessionInfo:
    """One participant."""

    id: str
    kind: str
    """`cli`, `desktop`, `dcc`, `worker` or `studio`."""
    user: str
    roles: tuple[str, ...] = ()
    permissions: tuple[str, ...] = ()
    parent: str = ""
    host: str = ""
    pid: int = 0
    state: str = "open"
    """`open`, `detached` (an interactive one whose studio went away) or `ended`."""
    opened_at: int = 0
    """Microseconds since the epoch."""


@message
class OpenSession(Request[SessionInfo], topic="session.open", needs=PUBLIC):
    """Join. With the token of an earlier log-in the session is that user's; without one it is the owner's, who alone
    can read the credentials this mesh was reached with."""

    kind: Annotated[str, Text(20, "^[a-z]+$")]
    token: Annotated[str, Text(200)] = ""
    parent: Token = ""
    host: Name = ""
    pid: int = 0
    os_user: Name = ""


@message
class StartSession(Request[SessionInfo], topic="session.start", needs=STUDIO_ONLY):
    """The studio opens a session for a process it is about to start, as the user of `parent`."""

    id: Token
    kind: Annotated[str, Text(20, "^[a-z]+$")]
    user: Name
    parent: Token = ""
    host: Name = ""


@message
class Bound:
    session: SessionInfo
    token: str
    """Opens later sessions of the same user."""


@message
class BindSession(Request[Bound], topic="session.bind", needs=STUDIO_ONLY):
    """After a log-in: from now on the session `id` is `user`'s."""

    id: Token
    user: Name


@message
class ForgetToken(Request[Done], topic="session.forget", needs=STUDIO_ONLY):
    """After a log-out: the token opens nothing any more, and `session` ends."""

    token: Annotated[str, Text(200)]
    session: Token


@message
class Identify(Request[SessionInfo], topic="session.identify", needs=STUDIO_ONLY):
    """Who is behind a session."""

    id: Token


@message
class Beat(Request[Done], topic="session.beat", needs=PUBLIC):
    """Still here."""


@message
class EndSession(Request[Done], topic="session.end", needs=PUBLIC):
    """Leave: the caller's own session, or one it started."""

    id: Token = ""


@message
class SessionList:
    sessions: tuple[SessionInfo, ...]


@message
class ListSessions(Request[SessionList], topic="session.list", needs="read"):
    """All open and detached sessions."""

"""Sessions: the participants of the mesh."""

from __future__ import annotations

from typing import Annotated

from qi.limits import Items, Name, PathText, Text, Token
from qi.messages import PUBLIC, STUDIO_ONLY, Done, Request, message

Secret = Annotated[str, Text(200)]


@message
class SessionInfo:
    """One participant."""

    id: str
    kind: str
    """`cli`, `desktop`, `dcc`, `worker` or `addon`."""
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
    bundle: str = ""
    """Id of the bundle it began with, and keeps."""
    addon: str = ""
    """Name of the addon whose process it is; empty for all others."""
    project: str = ""
    """Name of the project it works in, as far as it said; likewise the path of the entity, and the task."""
    entity: str = ""
    task: str = ""


@message
class OpenSession(Request[SessionInfo], topic="session.open", needs=PUBLIC):
    """Join, as whoever the token says with which the broker was reached: the user of a log-in, the owner of the
    studio's home, or a guest, who may log in."""

    kind: Annotated[str, Text(20, "^[a-z]+$")]
    parent: Token = ""
    host: Name = ""
    pid: int = 0
    os_user: Name = ""
    bundle: Name = ""
    """Name, digest or id of the bundle to work with; production's of now, when empty."""
    project: Name = ""
    entity: PathText = ""
    task: Name = ""


@message
class Opened:
    session: SessionInfo
    token: str
    """Opens this session, or (after a log-in) later ones of the same user."""


@message
class StartSession(Request[Opened], topic="session.start", needs=STUDIO_ONLY):
    """The studio opens a session for a process it is about to start. Its token opens this one, until it ends."""

    id: Token
    kind: Annotated[str, Text(20, "^[a-z]+$")]
    user: Name
    parent: Token = ""
    host: Name = ""
    bundle: Token = ""
    addon: Token = ""
    """Of an addon: what it serves, and below what it asks for and may do."""
    child: Token = ""
    """Of an addon: the name under which its supervisor asks whether it is well."""
    requests: Annotated[tuple[Name, ...], Items(200)] = ()
    permissions: Annotated[tuple[Name, ...], Items(200)] = ()


@message
class BindSession(Request[Opened], topic="session.bind", needs=STUDIO_ONLY):
    """After a log-in: from now on the session `id` is `user`'s."""

    id: Token
    user: Name


@message
class ForgetToken(Request[Done], topic="session.forget", needs=STUDIO_ONLY):
    """After a log-out: the token opens nothing any more; what it opened ends, and so does `session`."""

    token: Secret
    session: Token


@message
class ForgetUser(Request[Done], topic="session.forget_user", needs=STUDIO_ONLY):
    """No log-in of this user opens anything any more; what they opened ends."""

    user: Name


@message
class Admitted:
    """Who stands behind a connection that the broker asks about."""

    kind: str
    """Of the session, once it is open; `guest` for somebody who has not logged in."""
    user: str
    permissions: tuple[str, ...] = ()
    until: int = 0
    """Seconds since the epoch after which the token opens nothing; 0: no limit."""
    bundle: str = ""
    addon: str = ""
    child: str = ""
    requests: tuple[str, ...] = ()
    """Of an addon: the topics it declared."""


@message
class AdmitSession(Request[Admitted], topic="session.admit", needs=STUDIO_ONLY, timeout_s=1.5):
    """May this token open (or go on with) this session? 401 when not."""

    id: Token
    secret: Secret
    address: Name
    """Network address of the client. The owner's token is taken from this machine only."""


@message
class Identify(Request[SessionInfo], topic="session.identify", needs="session.identify"):
    """Who is behind a session. Addons in a process of their own ask it of whoever asks them."""

    id: Token


@message
class EndSession(Request[Done], topic="session.end", needs=PUBLIC):
    """Leave: the caller's own session, or one it started."""

    id: Token = ""


@message
class NewerBundle:
    """To a session, as `qi.session.<id>.bundle`: production is another bundle than the one it began with."""

    bundle: str
    """Id."""
    name: str
    digest: str
    by: str
    """Who promoted it."""
    reason: str


@message
class Heard:
    """The studio's answer to a beat."""

    production: NewerBundle | None = None
    """What production is: whoever missed that it moved learns it here. None in a new home that has none yet."""


@message
class Beat(Request[Heard], topic="session.beat", needs=PUBLIC):
    """Still here."""


@message
class SessionList:
    sessions: tuple[SessionInfo, ...]


@message
class ListSessions(Request[SessionList], topic="session.list", needs="read"):
    """All open and detached sessions."""

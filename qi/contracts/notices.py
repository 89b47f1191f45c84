"""Notices: a few words to a person, from an addon or a service. Read or not, they wait."""

from __future__ import annotations

from typing import Annotated

from qi.limits import Name, PageSize, Prose, Text, Token
from qi.messages import Done, Request, message

Level = Annotated[str, Text(10, "^(info|success|warning|error)$")]


@message
class Notice:
    """Also told to the user's sessions as `qi.session.<id>.notice`."""

    id: str
    user: str
    level: str
    """`info`, `success`, `warning` or `error`."""
    text: str
    source: str
    """Who says so, such as `addon greeter`."""
    about: str
    """Id of what it is about: a job, a publish; may be empty."""
    at: int
    """Microseconds since the epoch."""
    read: bool = False


@message
class Notices:
    notices: tuple[Notice, ...]


@message
class SendNotice(Request[Notice], topic="notice.send", needs="session.identify"):
    """Tell a user something. For addons and services."""

    user: Name
    text: Prose
    level: Level = "info"
    about: Token = ""


@message
class ListNotices(Request[Notices], topic="notice.list", needs="read"):
    """The caller's own, newest first."""

    unread: bool = False
    limit: PageSize = 100


@message
class ReadNotices(Request[Done], topic="notice.read", needs="read"):
    """Mark the caller's own as read: this one, or all."""

    id: Token = ""

"""Which desktop is the caller's. Actor thread."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from qi.contracts.session import SessionInfo
from qi.errors import NotFound, Unavailable


def desktops_of(user: str, sessions: Iterable[SessionInfo]) -> list[SessionInfo]:
    """A user's, oldest first."""
    own = (one for one in sessions if one.kind == "desktop" and one.user == user)
    return sorted(own, key=lambda one: one.opened_at)


def desktop_of(user: str, sessions: Iterable[SessionInfo], wanted: str) -> SessionInfo:
    """A user's desktop with that id, or the newest when it is empty. Raises :class:`NotFound`."""
    for desktop in reversed(desktops_of(user, sessions)):
        if wanted in ("", desktop.id):
            return desktop
    raise NotFound(
        f"no desktop of {user or 'yours'} is open", remedy="`qi` opens one; pages open in the browser without it"
    )


@contextmanager
def spoken_to(desktop: SessionInfo) -> Iterator[None]:
    """Around a request to a desktop: just after it joined, and just before it leaves, it has no window to ask."""
    try:
        yield
    except Unavailable as error:
        if "topic" not in error.data:
            raise  # it was there, and says itself what is not
        raise Unavailable(
            f"the desktop on '{desktop.host}' is just opening or closing",
            remedy="try again in a moment",
            desktop=desktop.id,
        ) from error

"""Who is asking: the participant behind a session, its user and what that user may do. Any thread."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

from qi.context import STUDIO
from qi.messages import PUBLIC, STUDIO_ONLY


@dataclass(frozen=True, slots=True)
class Identity:
    """A caller as the sessions service knows it."""

    session: str
    user: str
    roles: tuple[str, ...] = ()
    permissions: frozenset[str] = frozenset()
    host: str = ""

    def may(self, permission: str) -> bool:
        """Default deny: only what was granted, and everything for the studio itself."""
        return permission == PUBLIC or self.session == STUDIO or permission in self.permissions

    @property
    def is_studio(self) -> bool:
        return self.session == STUDIO


STUDIO_IDENTITY = Identity(STUDIO, STUDIO, ("studio",), frozenset({STUDIO_ONLY}))


@lru_cache(1024)
def studio_for(user: str) -> Identity:
    """The studio, asking on behalf of `user`."""
    return replace(STUDIO_IDENTITY, user=user)

"""Who is asking: the participant behind a session, its user and what that user may do. Any thread."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

from qi.context import STUDIO
from qi.contracts.session import SessionInfo
from qi.messages import PUBLIC, STUDIO_ONLY


@dataclass(frozen=True, slots=True)
class Identity:
    """A caller as the sessions service knows it."""

    session: str
    user: str
    roles: tuple[str, ...] = ()
    permissions: frozenset[str] = frozenset()
    host: str = ""
    kind: str = ""
    """As in :class:`qi.contracts.session.SessionInfo`."""
    bundle: str = ""
    """Id of the bundle its session began with; empty for production."""
    addon: str = ""
    """Name of the addon that asks, from a process of its own; empty for everybody else."""

    def may(self, permission: str) -> bool:
        """Default deny: only what was granted, and everything for the studio itself."""
        return permission == PUBLIC or self.session == STUDIO or permission in self.permissions

    @property
    def is_addon(self) -> bool:
        """Whether no person asks, but an addon in a process of its own."""
        return self.kind == "addon"

    @property
    def is_studio(self) -> bool:
        return self.session == STUDIO


def identity_of(info: SessionInfo) -> Identity:
    """Who stands behind a session."""
    allowed = frozenset(info.permissions)
    return Identity(info.id, info.user, info.roles, allowed, info.host, info.kind, info.bundle, info.addon)


STUDIO_IDENTITY = Identity(STUDIO, STUDIO, ("studio",), frozenset({STUDIO_ONLY}))


@lru_cache(1024)
def studio_for(user: str) -> Identity:
    """The studio, asking on behalf of `user`."""
    return replace(STUDIO_IDENTITY, user=user)

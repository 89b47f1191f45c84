"""A session as it is kept, and what whoever is behind it may do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from hashlib import sha256

from events import users
from qi.contracts.session import SessionInfo

OWNER_ROLE = "admin"
WORKER_PERMISSIONS = frozenset({"read", "publish.create"})
"""What a worker may do whoever asked: that he might publish was decided when he asked."""
ADDON_PERMISSIONS = frozenset({"session.identify", "log.record"})
"""What every addon may: look up those who ask it, and record in its own streams what it declares so."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A session, as it outlives its actor."""

    info: SessionInfo
    secret: str
    """Digest of what it was admitted with."""
    owner: bool = False
    bundle: str = ""
    addon: str = ""
    child: str = ""
    requests: tuple[str, ...] = ()
    granted: tuple[str, ...] = ()
    """What an addon declared that it needs."""

    def standing(self, granted: Iterable[str]) -> SessionInfo:
        """The session with its roles, `granted` being those of its user, and what they permit. An addon has none."""
        roles = set(granted) if self.info.kind != "addon" else set()
        if self.owner:
            roles.add(OWNER_ROLE)
        permissions = users.permissions(roles) | frozenset(self.granted)
        if self.info.kind == "worker":
            permissions |= WORKER_PERMISSIONS
        if self.info.kind == "addon":
            permissions |= ADDON_PERMISSIONS
        return replace(
            self.info, roles=tuple(sorted(roles)), permissions=tuple(sorted(permissions)), addon=self.addon
        )  # fmt: skip


def digest_of(token: str) -> str:
    """What is kept of a token. Tokens are random and long, so a plain digest tells nothing of them."""
    return sha256(token.encode()).hexdigest()

"""Users and their roles. What a role may do is a table in the code; who has it is in the log.

Any thread; decisions: actor thread.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from events import names
from events.decider import UNKNOWN_TIME, Fact, Folds, Known, View, unexpected
from events.errors import Conflict, Invalid, Locked, NotFound
from events.record import NO_STREAM, Change, DomainEvent, Micros, StreamName, event, stream_name

_GUEST: Final = frozenset({"read"})
_ARTIST: Final = _GUEST | {
    "application.launch", "history.read", "job.run", "note.write", "publish.cancel", "publish.create",
    "publish.replay", "settings.write", "settings.write.user",
}  # fmt: skip
_LEAD: Final = _ARTIST | {
    "bundle.manage", "project.manage", "project.read_all", "settings.write.project", "version.approve",
}  # fmt: skip
_ADMIN: Final = _LEAD | {
    "addon.manage", "bundle.promote", "log.manage", "publish.manage", "secret.read", "secret.write",
    "settings.write.bundle", "studio.manage", "user.manage",
}  # fmt: skip

PERMISSIONS: Final[Mapping[str, frozenset[str]]] = {
    "guest": _GUEST, "artist": _ARTIST, "lead": _LEAD, "admin": _ADMIN,
}  # fmt: skip
"""Role → what it allows. `project.read_all` sees projects it is no member of; `publish.manage` touches what others
published; `settings.write` opens `config.patch`, and `settings.write.<scope>` the scope asked for."""


@event("user.added")
class UserAdded(DomainEvent):
    """Somebody may log in."""

    name: str
    """Unique among users, however it is typed."""


@event("user.role_granted", erasable=("reason",))
class RoleGranted(DomainEvent):
    """The user has a role from here on. Who granted it is in the event's meta."""

    role: str
    """A key of :data:`PERMISSIONS`."""
    reason: str
    """Why; may be empty."""


@event("user.role_revoked", erasable=("reason",))
class RoleRevoked(DomainEvent):
    """The user has a role no more. Who revoked it is in the event's meta."""

    role: str
    """A key of :data:`PERMISSIONS`."""
    reason: str
    """Why; may be empty."""


@event("user.logins_ended", erasable=("reason",))
class LoginsEnded(DomainEvent):
    """Whatever had been opened in the user's name was ended. Who did it is in the event's meta."""

    reason: str
    """Why; may be empty."""


@dataclass(frozen=True, slots=True)
class Grant:
    """How a user came to a role."""

    by: str
    """User who granted it; empty when the studio did."""
    at: Micros
    reason: str


@dataclass(frozen=True, slots=True)
class User:
    id: str
    name: str
    roles: Mapping[str, Grant]
    added_at: Micros = UNKNOWN_TIME


@dataclass(frozen=True, kw_only=True)
class AddUser:
    id: str
    name: str
    roles: tuple[str, ...] = ("artist",)
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class GrantRole:
    user: str
    """Id."""
    role: str
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class RevokeRole:
    user: str
    """Id."""
    role: str
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class EndLogins:
    user: str
    """Id."""
    reason: str = ""


def user_stream(user: str) -> StreamName:
    return stream_name("user", user)


def permissions(roles: Iterable[str]) -> frozenset[str]:
    """All that these roles allow together. A role that this Qi does not know allows nothing."""
    return frozenset().union(*(PERMISSIONS.get(role, frozenset()) for role in roles))


def decide(view: View, command: AddUser | GrantRole | RevokeRole | EndLogins) -> list[Change]:
    """Raises :class:`Invalid` (no such role), :class:`NotFound` (no such user), :class:`Conflict` (the name is
    taken) and :class:`Locked` (the last admin would be none)."""
    for role in _roles_of(command):
        if role not in PERMISSIONS:
            raise Invalid(f"there is no role '{role}'", remedy=f"Roles are {', '.join(PERMISSIONS)}.", role=role)
    if isinstance(command, AddUser):
        return _add(view, command)
    stream, reason = user_stream(command.user), command.reason.strip()
    user = view.get(User, stream)
    if user is None:
        raise NotFound(f"there is no user {command.user}", user=command.user)
    if isinstance(command, EndLogins):
        return [Change(stream, LoginsEnded(reason=reason))]
    if (command.role in user.roles) == isinstance(command, GrantRole):
        return []
    if isinstance(command, GrantRole):
        return [Change(stream, RoleGranted(role=command.role, reason=reason))]
    if command.role == "admin" and not _another_admin(view, user):
        raise Locked(f"'{user.name}' is the last admin", remedy="Make somebody else an admin first.", user=user.id)
    return [Change(stream, RoleRevoked(role=command.role, reason=reason))]


def evolve(state: User | None, fact: Fact) -> User:
    match fact.event:
        case UserAdded(name=name) if state is None:
            return User(fact.stream.partition("-")[2], name, {}, fact.at)
        case RoleGranted(role=role, reason=reason) if state is not None:
            return replace(state, roles={**state.roles, role: Grant(fact.meta.user, fact.at, reason)})
        case RoleRevoked(role=role) if state is not None:
            return replace(state, roles={key: grant for key, grant in state.roles.items() if key != role})
        case LoginsEnded() if state is not None:
            return state
    raise unexpected(fact)


FOLDS: Folds = {"user": evolve, **names.FOLDS}


def find_user(known: Known, name: str) -> User | None:
    """The user of that name, however it is typed."""
    claimed = known.get(names.Claim, names.claim_stream("user", name))
    return known.get(User, user_stream(claimed.owner)) if claimed and claimed.owner else None


def _roles_of(command: AddUser | GrantRole | RevokeRole | EndLogins) -> tuple[str, ...]:
    match command:
        case AddUser(roles=roles):
            return roles
        case GrantRole(role=role) | RevokeRole(role=role):
            return (role,)
    return ()


def _add(view: View, command: AddUser) -> list[Change]:
    stream = user_stream(command.id)
    if (actual := view.version(stream)) != NO_STREAM:
        raise Conflict(f"there is a user {command.id} already", stream=stream, expected=0, actual=int(actual))
    claimed = names.claim(view, "user", command.name, command.id)
    reason = command.reason.strip()
    granted = [RoleGranted(role=role, reason=reason) for role in dict.fromkeys(command.roles)]
    added = UserAdded(name=names.check_name(command.name))
    return [*claimed, Change(stream, added), *(Change(stream, one) for one in granted)]


def _another_admin(view: View, user: User) -> User | None:
    return view.find(User, lambda other: user_stream(other.id), lambda o: o.id != user.id and "admin" in o.roles)

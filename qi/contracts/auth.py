"""Log-in and users. The auth service answers these over the addon with the role `auth`."""

from __future__ import annotations

from typing import Annotated

from qi.contracts.session import SessionInfo
from qi.limits import Name, Prose, Text, Token
from qi.messages import PUBLIC, STUDIO_ONLY, Done, Request, message

Password = Annotated[str, Text(1024)]


@message
class LoggedIn:
    session: SessionInfo
    token: str
    """Opaque; opens later sessions of the same user. Keep it in a file that only its owner can read."""


@message
class Login(Request[LoggedIn], topic="auth.login", needs=PUBLIC, timeout_s=20.0):
    """Bind the caller's session to a user."""

    user: Name
    password: Password


@message
class UseAuth(Request[Done], topic="auth.use", needs=STUDIO_ONLY):
    """From now on another addon has the role `auth`."""

    bundle: Token
    addon: Token


@message
class Logout(Request[Done], topic="auth.logout", needs=PUBLIC):
    """Forget a token, and end what it opened."""

    token: Annotated[str, Text(200)] = ""


@message
class UserInfo:
    name: str
    roles: tuple[str, ...]
    permissions: tuple[str, ...]
    key: str
    """Stands for the name where a stream has it, which may not hold any character: `settings-user_KEY`."""


@message
class AddUser(Request[UserInfo], topic="auth.user.add", needs="user.manage", timeout_s=20.0):
    """A new user. Who added them is in the event."""

    name: Name
    password: Password
    roles: tuple[Name, ...] = ("artist",)
    command: Token = ""


@message
class GrantRole(Request[UserInfo], topic="auth.user.grant", needs="user.manage"):
    """Give a user a role, or with `revoke` take it away."""

    name: Name
    role: Name
    reason: Prose = ""
    revoke: bool = False
    command: Token = ""


@message
class EndLogins(Request[UserInfo], topic="auth.user.end_logins", needs="user.manage"):
    """End every log-in of a user and cut off what it opened: a lost machine, somebody who left."""

    name: Name
    reason: Prose = ""
    command: Token = ""


@message
class UserList:
    users: tuple[UserInfo, ...]


@message
class ListUsers(Request[UserList], topic="auth.user.list", needs="read"):
    """All users with their roles."""


@message
class Verified:
    user: str
    """The provider's spelling of the name."""


@message
class VerifyPassword(Request[Verified], topic="provider.auth.verify", needs=STUDIO_ONLY, timeout_s=15.0):
    """To the addon with the role `auth`: is this the user's password? 401 when not."""

    user: Name
    password: Password


@message
class StorePassword(Request[Done], topic="provider.auth.store", needs=STUDIO_ONLY, timeout_s=15.0):
    """To the addon with the role `auth`: a new user, or a new password."""

    user: Name
    password: Password

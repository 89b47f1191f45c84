"""Log-in and users, over the addon with the role `auth`.

The addon knows passwords; who exists and which roles were granted are events, so that every grant has an author and a
reason. The sessions service keeps the tokens.
"""

from __future__ import annotations

import time
from collections import defaultdict, deque
from pathlib import Path

from events import users
from events.ids import new_id
from events.names import fold_name
from events.settings import user_key
from qi.actor import Actor, handles
from qi.bus import Bus
from qi.contracts.auth import (
    AddUser,
    EndLogins,
    GrantRole,
    ListUsers,
    LoggedIn,
    Login,
    Logout,
    StorePassword,
    UseAuth,
    UserInfo,
    UserList,
    VerifyPassword,
)
from qi.contracts.gate import RenewRights
from qi.contracts.log import AppendEvents
from qi.contracts.session import BindSession, ForgetToken, ForgetUser
from qi.deciding import Ledger
from qi.errors import Busy, NotFound, Unauthenticated
from qi.home import Home
from qi.messages import Done, to_addon
from qi.reading import open_reader

TRIES_MOST = 30
TRIES_WINDOW_S = 60.0


class Auth(Actor):
    """Verifies, binds the session to the user, records grants."""

    name = "auth"
    requests = (AppendEvents, BindSession, ForgetToken, ForgetUser, RenewRights, VerifyPassword, StorePassword)

    def __init__(self, bus: Bus, *, home: str, provider: str, bundle: str) -> None:
        super().__init__(bus)
        self._home = Home(Path(home))
        self._provider = to_addon(bundle, provider)

    def setup(self) -> None:
        self._reader = open_reader(self._home)
        self._ledger = Ledger(self._reader, users.FOLDS, self.request)
        self._tries: defaultdict[str, deque[float]] = defaultdict(lambda: deque(maxlen=TRIES_MOST))

    def teardown(self) -> None:
        self._reader.close()

    @handles(UseAuth)
    def use(self, message: UseAuth) -> Done:
        self._provider = to_addon(message.bundle, message.addon)
        return Done()

    @handles(Login)
    def login(self, message: Login) -> LoggedIn:
        self._slow_down(message.user)
        verified = self.request(VerifyPassword(user=message.user, password=message.password), to=self._provider)
        self._ledger.follow()
        if users.find_user(self._ledger.known, verified.user) is None:
            raise Unauthenticated("user name or password is wrong")
        bound = self.request(BindSession(id=self.caller.session, user=verified.user))
        self._tries.pop(fold_name(message.user), None)
        return LoggedIn(session=bound.session, token=bound.token)

    @handles(Logout)
    def logout(self, message: Logout) -> Done:
        return self.request(ForgetToken(token=message.token, session=self.caller.session))

    @handles(AddUser)
    def add(self, message: AddUser) -> UserInfo:
        roles = tuple(dict.fromkeys(message.roles))
        command = users.AddUser(id=message.command or new_id(), name=message.name, roles=roles)
        # A name that is taken is found before its password is touched. Then the password: without a user it opens
        # nothing, and one that the provider refuses makes no user.
        self._ledger.check(users.decide, command, command=message.command)
        self.request(StorePassword(user=message.name, password=message.password), to=self._provider)
        self._ledger.carry_out(users.decide, command, command=message.command)
        return self._info(message.name)

    @handles(GrantRole)
    def grant(self, message: GrantRole) -> UserInfo:
        self._ledger.follow()
        user = users.find_user(self._ledger.known, message.name)
        if user is None:
            raise NotFound(f"there is no user '{message.name}'", remedy="`qi user list` shows who there is")
        change = users.RevokeRole if message.revoke else users.GrantRole
        command = change(user=user.id, role=message.role, reason=message.reason)
        self._ledger.carry_out(users.decide, command, command=message.command)
        self.request(RenewRights(user=user.name))
        return self._info(message.name)

    @handles(EndLogins)
    def end_logins(self, message: EndLogins) -> UserInfo:
        self._ledger.follow()
        user = users.find_user(self._ledger.known, message.name)
        if user is None:
            raise NotFound(f"there is no user '{message.name}'", remedy="`qi user list` shows who there is")
        command = users.EndLogins(user=user.id, reason=message.reason)
        self._ledger.carry_out(users.decide, command, command=message.command)
        self.request(ForgetUser(user=user.name))
        return self._info(message.name)

    @handles(ListUsers)
    def list(self, _: ListUsers) -> UserList:
        self._ledger.follow()
        return UserList(users=tuple(self._info(user.name) for user in self._ledger.known.all(users.User)))

    def _info(self, name: str) -> UserInfo:
        user = users.find_user(self._ledger.known, name)
        assert user is not None
        roles = tuple(sorted(user.roles))
        allowed = tuple(sorted(users.permissions(roles)))
        return UserInfo(name=user.name, roles=roles, permissions=allowed, key=user_key(user.name))

    def _slow_down(self, user: str) -> None:
        """Guessing is made slow, per name; a right password forgives what went before."""
        tries, moment = self._tries[fold_name(user)], time.monotonic()
        if len(self._tries) > 10_000:
            self._tries.clear()
        if len(tries) == TRIES_MOST and moment - tries[0] < TRIES_WINDOW_S:
            wait_s = TRIES_WINDOW_S - (moment - tries[0])
            raise Busy(
                f"too many attempts to log in as '{user}'",
                remedy=f"try again in {wait_s:.0f} s",
                retry_ms=int(wait_s * 1000),
                final=True,
            )
        tries.append(moment)

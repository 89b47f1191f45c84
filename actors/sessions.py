"""Sessions: who takes part, as which user, and until when."""

from __future__ import annotations

import logging
import secrets
import time
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import psutil

from events import users
from events.decider import Known
from events.record import now
from events.state import StateDb
from qi.actor import Actor, every, handles
from qi.bus import Bus
from qi.context import STUDIO
from qi.contracts.session import (
    Beat,
    BindSession,
    Bound,
    EndSession,
    ForgetToken,
    Identify,
    ListSessions,
    OpenSession,
    SessionInfo,
    SessionList,
    StartSession,
)
from qi.deciding import follow
from qi.errors import Forbidden, Unauthenticated
from qi.home import Home
from qi.identity import Identity
from qi.messages import Done
from qi.reading import open_reader

log = logging.getLogger("qi.sessions")

BEAT_LIMIT_S = 15.0
SWEEP_EVERY_S = 1.0
TOKEN_DAYS = 30
OWNER_ROLE = "admin"
WORKER_PERMISSIONS = frozenset({"read", "publish.create"})
"""What a worker may do whoever asked: that he might publish was decided when he asked."""
INTERACTIVE = frozenset({"desktop", "dcc"})


class Sessions(Actor):
    """Knows every participant. It requests nothing: roles it folds from the log itself."""

    name = "sessions"

    def __init__(self, bus: Bus, *, home: str) -> None:
        super().__init__(bus)
        self._home = Home(Path(home))

    def setup(self) -> None:
        self._reader = open_reader(self._home)
        self._users = Known(users.FOLDS)
        self._state = StateDb(self._home.state)
        self._sessions: dict[str, SessionInfo] = {}
        self._beats: dict[str, float] = {}
        self._owners: set[str] = set()

    def teardown(self) -> None:
        self._reader.close()
        self._state.close()

    def identify(self, session: str) -> Identity:
        info = self._current(session)
        return Identity(info.id, info.user, info.roles, frozenset(info.permissions), info.host)

    @handles(OpenSession)
    def open(self, message: OpenSession) -> SessionInfo:
        session = self.caller.session
        user, owner = message.os_user, True
        if message.token:
            user, owner = self._user_of(message.token), False
        info = SessionInfo(
            id=session, kind=message.kind, user=user, parent=message.parent, host=message.host, pid=message.pid,
            opened_at=now(),
        )  # fmt: skip
        self._keep(info, owner=owner)
        return self._current(session)

    @handles(StartSession)
    def start_for_child(self, message: StartSession) -> SessionInfo:
        info = SessionInfo(
            id=message.id, kind=message.kind, user=message.user, parent=message.parent, host=message.host,
            opened_at=now(),
        )  # fmt: skip
        self._keep(info, owner=False)
        return self._current(message.id)

    @handles(BindSession)
    def bind(self, message: BindSession) -> Bound:
        found = self._sessions.get(message.id) or SessionInfo(id=message.id, kind="cli", user="", opened_at=now())
        self._keep(replace(found, user=message.user), owner=False)
        token = secrets.token_urlsafe(32)
        self._state.put("tokens", _hashed(token), {"user": message.user, "until": time.time() + TOKEN_DAYS * 86_400})
        return Bound(session=self._current(message.id), token=token)

    @handles(ForgetToken)
    def forget(self, message: ForgetToken) -> Done:
        self._state.delete("tokens", _hashed(message.token))
        self._end(message.session)
        return Done()

    @handles(Identify)
    def who(self, message: Identify) -> SessionInfo:
        return self._current(message.id)

    @handles(Beat)
    def beat(self, _: Beat) -> Done:
        if self.caller.session not in self._sessions:
            raise Unauthenticated("this session is not open", remedy="open it again", session=self.caller.session)
        self._beats[self.caller.session] = time.monotonic()
        return Done()

    @handles(EndSession)
    def end(self, message: EndSession) -> Done:
        wanted, caller = message.id or self.caller.session, self.caller.session
        if wanted != caller and caller != STUDIO:
            found = self._sessions.get(wanted)
            if found is None or found.parent != caller:
                raise Forbidden("only a session's parent may end it", session=wanted)
        self._end(wanted)
        return Done()

    @handles(ListSessions)
    def list(self, _: ListSessions) -> SessionList:
        return SessionList(sessions=tuple(self._with_roles(info) for info in self._sessions.values()))

    @every(SWEEP_EVERY_S)
    def sweep(self) -> None:
        """Notice who went without a word: a silent link, or a dead process on this machine."""
        limit = time.monotonic() - BEAT_LIMIT_S
        for info in list(self._sessions.values()):
            here = info.pid and info.host == self._bus.host
            if (here and not psutil.pid_exists(info.pid)) or self._beats[info.id] < limit:
                log.info("session %s (%s of %s) is gone", info.id, info.kind, info.user)
                if info.kind in INTERACTIVE and not here:
                    self._sessions[info.id] = replace(info, state="detached")
                else:
                    self._end(info.id)

    def figures(self) -> dict[str, Any]:
        return {"sessions": len(self._sessions)}

    def _keep(self, info: SessionInfo, *, owner: bool) -> None:
        self._sessions[info.id] = info
        self._beats[info.id] = time.monotonic()
        self._changed(info.id)
        (self._owners.add if owner else self._owners.discard)(info.id)

    def _changed(self, session: str) -> None:
        """Every service forgets whom it took the session for, before it hears the session's next request."""
        self._callers.forget()
        self._bus.publish(f"qi.session.{session}.identity", b"")

    def _current(self, session: str) -> SessionInfo:
        found = self._sessions.get(session)
        if found is None:
            raise Unauthenticated("this session is not open", remedy="open it again", session=session)
        return self._with_roles(found)

    def _with_roles(self, info: SessionInfo) -> SessionInfo:
        """Roles as they are now: a role granted a moment ago counts at the next request."""
        follow(self._users, self._reader)
        user = users.find_user(self._users, info.user)
        roles = set(user.roles) if user is not None else set()
        if info.id in self._owners:
            roles.add(OWNER_ROLE)
        permissions = users.permissions(roles) | (WORKER_PERMISSIONS if info.kind == "worker" else frozenset())
        return replace(info, roles=tuple(sorted(roles)), permissions=tuple(sorted(permissions)))

    def _user_of(self, token: str) -> str:
        kept = self._state.get("tokens", _hashed(token))
        if kept is None or kept["until"] < time.time():
            raise Unauthenticated("this log-in is not valid any more", remedy="log in again with `qi login`")
        return str(kept["user"])

    def _end(self, session: str) -> None:
        ended = self._sessions.pop(session, None)
        self._beats.pop(session, None)
        self._owners.discard(session)
        if ended is None:
            return
        self._changed(session)
        for child in [info for info in self._sessions.values() if info.parent == session]:
            if child.kind in INTERACTIVE:
                self._sessions[child.id] = replace(child, parent="", state="detached")
            else:
                self._end(child.id)


def _hashed(token: str) -> str:
    return sha256(token.encode()).hexdigest()

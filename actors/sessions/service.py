"""Sessions: who takes part, as which user, and until when; and what each token opens.

Three kinds of tokens exist, all opaque and kept as digests: the owner's, new with every start of the studio and taken
from this machine only; a log-in's, which opens sessions of its user until it is forgotten or expires; and a session's,
which opens that one session until it ends. A guest brings a secret of its own, which opens nothing but tells it from
other guests. The first secret that a session id was admitted with is the only one it is ever admitted with; the owner's
of one start stands for his of another.
"""

from __future__ import annotations

import logging
import secrets
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import psutil

from actors.sessions.kept import OWNER_ROLE, Kept, digest_of
from actors.sessions.people import LogOfPeople
from events import users
from events.record import now
from events.state import StateDb
from qi.actor import Actor, every, handles, listens
from qi.bus import Bus
from qi.context import STUDIO
from qi.contracts.session import (
    AdmitSession,
    Admitted,
    Beat,
    BindSession,
    EndSession,
    ForgetToken,
    ForgetUser,
    Heard,
    Identify,
    ListSessions,
    Opened,
    OpenSession,
    SessionInfo,
    SessionList,
    StartSession,
)
from qi.credentials import GUEST
from qi.errors import Forbidden, Unauthenticated
from qi.here import is_here
from qi.home import Home
from qi.identity import Identity, identity_of
from qi.messages import Done
from qi.reading import open_reader

log = logging.getLogger("qi.sessions")

BEAT_LIMIT_S = 15.0
SWEEP_EVERY_S = 1.0
STANDSTILL_S = 5.0
"""Between two sweeps lies no more, unless this process itself stood still."""
TOKEN_DAYS = 30
INTERACTIVE = frozenset({"desktop", "dcc"})
STARTED = frozenset({"worker", "addon"})
"""Kinds of sessions that the studio itself starts."""
OLD_SESSIONS_DAYS = 7
"""How long an ended session's id stays tied to its token."""
PRUNE_EVERY_S = 600.0
CLAIMS_MOST = 100_000


class Sessions(Actor):
    """Knows every participant. It requests nothing: roles it folds from the log itself."""

    name = "sessions"

    def __init__(self, bus: Bus, *, home: str, owner: str) -> None:
        """`owner` is the digest of the owner's token; it also names this run of the studio."""
        super().__init__(bus)
        self._home = Home(Path(home))
        self._owner = owner

    def setup(self) -> None:
        self._reader = open_reader(self._home)
        self._log = LogOfPeople(self._reader)
        self._state = StateDb(self._home.state)
        self._sessions: dict[str, Kept] = {}
        self._beats: dict[str, float] = {}
        self._swept = time.monotonic()
        self._claims: dict[str, str] = {}
        """Session id → digest of the secret that it was first admitted with."""
        self._owners: set[str] = set()
        """Ids of sessions that were the owner's in an earlier run."""
        self._restore()

    def teardown(self) -> None:
        self._reader.close()
        self._state.close()

    def identify(self, session: str) -> Identity:
        return identity_of(self._current(session))

    # -- letting in ---------------------------------------------------------------------------------------------

    @handles(AdmitSession)
    def admit(self, message: AdmitSession) -> Admitted:
        if not message.id:
            raise Unauthenticated("a connection must name its session")
        if message.id == STUDIO:
            raise Unauthenticated("only the studio itself speaks under this name")
        secret = digest_of(message.secret)
        known = self._claims.get(message.id)
        # The owner's token is new with every start of the studio, and his sessions go on.
        is_owners = message.id in self._owners and secret == self._owner
        if known is not None and not is_owners and not secrets.compare_digest(known, secret):
            raise Unauthenticated("another token opened this session")
        admitted = self._known_as(message, secret)
        self._claims[message.id] = secret
        kept = self._sessions.get(message.id)
        if kept is None:
            return admitted
        info = self._with_roles(kept)
        return Admitted(
            kind=info.kind if info.user else "guest", user=info.user, permissions=info.permissions,
            until=admitted.until, bundle=kept.bundle, addon=kept.addon, child=kept.child, requests=kept.requests,
        )  # fmt: skip

    def _known_as(self, message: AdmitSession, secret: str) -> Admitted:
        """What the token itself says, whatever became of the session since."""
        if secret == self._owner:
            if not is_here(message.address):
                raise Unauthenticated("the owner's token is taken from the studio's own machine only")
            return Admitted(kind="cli", user="owner", permissions=tuple(sorted(users.permissions([OWNER_ROLE]))))
        if message.secret.startswith(GUEST):
            return Admitted(kind="guest", user="")
        login = self._state.get("tokens", secret)
        if login is not None:
            if login["until"] < time.time():
                raise Unauthenticated("this log-in has expired")
            user = str(login["user"])
            return Admitted(
                kind="cli", user=user, permissions=tuple(sorted(users.permissions(self._log.roles(user)))),
                until=int(login["until"]),
            )  # fmt: skip
        kept = self._sessions.get(message.id)
        if kept is None or not secrets.compare_digest(kept.secret, secret):
            raise Unauthenticated("this token opens nothing, or nothing any more")
        return Admitted(kind=kept.info.kind, user=kept.info.user)

    @handles(OpenSession)
    def open(self, message: OpenSession) -> SessionInfo:
        session = self.caller.session
        secret = self._claims.get(session)
        if secret is None:
            raise Unauthenticated("this session was not admitted", remedy="connect again", session=session)
        user, owner = "", secret == self._owner
        if owner:
            user = message.os_user
        elif (login := self._state.get("tokens", secret)) is not None:
            user = str(login["user"])
        # One that opens again after a log-in of its own is still whoever logged in.
        elif (kept := self._sessions.get(session)) is not None:
            user = kept.info.user
        info = SessionInfo(
            id=session, kind=message.kind, user=user, parent=message.parent, host=message.host, pid=message.pid,
            opened_at=now(), bundle=self._log.bundle(message.bundle), project=message.project, entity=message.entity,
            task=message.task,
        )  # fmt: skip
        self._keep(Kept(info, secret, owner))
        return self._current(session)

    @handles(StartSession)
    def start_for_child(self, message: StartSession) -> Opened:
        token = secrets.token_urlsafe(32)
        info = SessionInfo(
            id=message.id, kind=message.kind, user=message.user, parent=message.parent, host=message.host,
            opened_at=now(), bundle=message.bundle,
        )  # fmt: skip
        self._claims[message.id] = digest_of(token)
        self._keep(
            Kept(
                info, digest_of(token), bundle=message.bundle, addon=message.addon, child=message.child,
                requests=message.requests, granted=message.permissions,
            )
        )  # fmt: skip
        return Opened(session=self._current(message.id), token=token)

    @handles(BindSession)
    def bind(self, message: BindSession) -> Opened:
        found = self._sessions.get(message.id)
        info = found.info if found else SessionInfo(id=message.id, kind="cli", user="", opened_at=now())
        self._keep(Kept(replace(info, user=message.user), self._claims.get(message.id, "")))
        token = secrets.token_urlsafe(32)
        self._state.put("tokens", digest_of(token), {"user": message.user, "until": time.time() + TOKEN_DAYS * 86_400})
        return Opened(session=self._current(message.id), token=token)

    # -- keeping out --------------------------------------------------------------------------------------------

    @handles(ForgetToken)
    def forget(self, message: ForgetToken) -> Done:
        self._forget({digest_of(message.token)})
        self._end(message.session)
        return Done()

    @handles(ForgetUser)
    def forget_user(self, message: ForgetUser) -> Done:
        self._forget({key for key, login in self._state.items("tokens") if login["user"] == message.user})
        for kept in [kept for kept in self._sessions.values() if kept.info.user == message.user]:
            # The owner of the home stays: what he holds is no log-in.
            if not kept.owner and kept.info.kind not in STARTED:
                self._end(kept.info.id)
        return Done()

    def _forget(self, tokens: set[str]) -> None:
        for token in tokens:
            self._state.delete("tokens", token)
        for kept in [kept for kept in self._sessions.values() if kept.secret in tokens]:
            self._end(kept.info.id)
        # Also what was admitted and never opened.
        for session in [session for session, secret in self._claims.items() if secret in tokens]:
            self._changed(session)

    # -- living -------------------------------------------------------------------------------------------------

    @handles(Identify)
    def who(self, message: Identify) -> SessionInfo:
        return self._current(message.id)

    @handles(Beat)
    def beat(self, _: Beat) -> Heard:
        if self.caller.session not in self._sessions:
            raise Unauthenticated("this session is not open", remedy="open it again", session=self.caller.session)
        kept = self._sessions[self.caller.session]
        if kept.info.state == "detached":
            self._keep(replace(kept, info=replace(kept.info, state="open")))
        self._beats[self.caller.session] = time.monotonic()
        return Heard(production=self._log.production())

    @handles(EndSession)
    def end(self, message: EndSession) -> Done:
        wanted, caller = message.id or self.caller.session, self.caller.session
        if wanted != caller and caller != STUDIO:
            found = self._sessions.get(wanted)
            if found is None or found.info.parent != caller:
                raise Forbidden("only a session's parent may end it", session=wanted)
        self._end(wanted)
        return Done()

    @handles(ListSessions)
    def list(self, _: ListSessions) -> SessionList:
        return SessionList(sessions=tuple(self._with_roles(kept) for kept in self._sessions.values()))

    @every(SWEEP_EVERY_S)
    def sweep(self) -> None:
        """Notice who went without a word: a silent link, or a dead process on this machine."""
        now = time.monotonic()
        if now - self._swept > STANDSTILL_S or not self._bus.connected:
            # The machine slept, or the broker stood still: nobody could have been heard.
            self._beats = dict.fromkeys(self._beats, now)
        self._swept = now
        limit = now - BEAT_LIMIT_S
        for kept in list(self._sessions.values()):
            info = kept.info
            if info.kind == "addon":
                continue  # its supervisor looks after it
            here = info.pid and info.host == self._bus.host
            if (here and not psutil.pid_exists(info.pid)) or self._beats[info.id] < limit:
                if info.kind in INTERACTIVE and not here:
                    if info.state != "detached":
                        self._keep(replace(kept, info=replace(info, state="detached")), heard=False)
                else:
                    log.info("session %s (%s of %s) is gone", info.id, info.kind, info.user)
                    self._end(info.id)

    @every(PRUNE_EVERY_S)
    def prune(self) -> None:
        """Ids of sessions that ended long ago need no guarding: nobody remembers them."""
        oldest = time.time() - OLD_SESSIONS_DAYS * 86_400
        for session, stored in self._state.items("sessions"):
            if stored["since"] < oldest and session not in self._sessions:
                self._state.delete("sessions", session)
        if len(self._claims) > CLAIMS_MOST:
            known = {session for session, _ in self._state.items("sessions")}
            self._claims = {session: secret for session, secret in self._claims.items() if session in known}

    @listens("qi.event.pointer.production.pointer.moved")
    def production_moved(self, _: bytes) -> None:
        """A session keeps the bundle it began with; it is told that a newer one is out."""
        newer = self._log.production()
        told = self._bus.codec.encode(newer)
        for kept in self._sessions.values():
            if newer is not None and kept.info.bundle != newer.bundle and kept.info.kind not in STARTED:
                self._bus.publish(f"qi.session.{kept.info.id}.bundle", told)

    def figures(self) -> dict[str, Any]:
        return {"sessions": len(self._sessions)}

    # -- inside -------------------------------------------------------------------------------------------------

    def _keep(self, kept: Kept, *, heard: bool = True) -> None:
        info = kept.info
        self._sessions[info.id] = kept
        if heard:
            self._beats[info.id] = time.monotonic()
        self._remember(kept, over=False)
        self._changed(info.id)
        self._tell(info)

    def _remember(self, kept: Kept, *, over: bool) -> None:
        stored = {"kept": msgspec.to_builtins(kept), "run": self._owner, "since": time.time(), "over": over}
        self._state.put("sessions", kept.info.id, stored)

    def _restore(self) -> None:
        """What this run of the studio knew before this actor was started anew; of earlier runs, whose ids they were."""
        for session, stored in self._state.items("sessions"):
            kept = msgspec.convert(stored["kept"], Kept)
            self._claims[session] = kept.secret
            if kept.owner:
                self._owners.add(session)
            if stored["run"] == self._owner and not stored["over"]:
                self._sessions[session] = kept
                self._beats[session] = time.monotonic()

    def _changed(self, session: str) -> None:
        """Every service forgets whom it took the session for, before it hears the session's next request."""
        self._callers.forget()
        self._bus.publish(f"qi.session.{session}.identity", b"")

    def _tell(self, info: SessionInfo) -> None:
        """Whoever shows sessions hears of it: no event tells of them."""
        self._bus.publish(f"qi.feed.session.{info.id}", self._bus.codec.encode(info), lossy=True)

    def _current(self, session: str) -> SessionInfo:
        found = self._sessions.get(session)
        if found is None:
            raise Unauthenticated("this session is not open", remedy="open it again", session=session)
        return self._with_roles(found)

    def _with_roles(self, kept: Kept) -> SessionInfo:
        """Roles as they are now: a role granted a moment ago counts at the next request."""
        return kept.standing(self._log.roles(kept.info.user))

    def _end(self, session: str) -> None:
        ended = self._sessions.pop(session, None)
        self._beats.pop(session, None)
        if ended is None:
            return
        self._remember(ended, over=True)
        self._changed(session)
        self._tell(replace(ended.info, state="ended"))
        for child in [kept for kept in self._sessions.values() if kept.info.parent == session]:
            if child.info.kind in INTERACTIVE:
                self._keep(replace(child, info=replace(child.info, parent="", state="detached")), heard=False)
            else:
                self._end(child.info.id)

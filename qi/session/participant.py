"""A participant of the mesh: a command line, a desktop, a worker, a DCC. Pure Python, so that it joins from anywhere.

It opens its session, beats, and leaves. The beat also notices a studio that went away and came back, on another port
too, and opens the session again; the mesh never blocks whoever embeds this.
"""

from __future__ import annotations

import contextlib
import getpass
import logging
import os
import socket
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from events.ids import new_id
from qi import context
from qi.bus import Bus, Credentials
from qi.codec import Codec
from qi.contracts.auth import LoggedIn, Login
from qi.contracts.hosting import EnsureAddon
from qi.contracts.session import Beat, EndSession, NewerBundle, OpenSession, SessionInfo
from qi.errors import QiError, Unauthenticated, Unavailable
from qi.home import Home
from qi.messages import Request, to_addon
from qi.wire import Message

log = logging.getLogger("qi.session")

R = TypeVar("R")

BEAT_EVERY_S = 3.0
BEAT_LIMIT_S = 5.0
LEAVE_LIMIT_S = 2.0
SAID_MOST = 200
IN_CONTEXT = frozenset({"cli", "dcc"})
"""Kinds that work where they were launched; a desktop or a server that somebody starts there serves every context."""


class Participant:
    """Join with :meth:`join`; ask through :attr:`bus`. Any thread."""

    def __init__(
        self,
        credentials: Credentials,
        *,
        kind: str,
        session: str = "",
        codec: Codec | None = None,
        beat_every_s: float = BEAT_EVERY_S,
        bundle: str = "",
        parent: str = "",
        on_newer_bundle: Callable[[NewerBundle], None] | None = None,
        home: Home | None = None,
    ) -> None:
        """`bundle` is the one to work with, production's of now when empty; `on_newer_bundle` is called, on the bus
        thread or that of the beats, when production has become another one: once, also when the word of it was lost.
        `parent` is the session it belongs to, and ends with.
        `home` is where a studio of this machine says how to reach it:
        read again while it does not answer."""
        self.kind = kind
        self._home = home
        self._as_owner = home is not None and _is_owners(home, credentials)
        self.session = session or new_id()
        self._opened_for_us = bool(session)
        self._bundle = bundle
        self._parent = parent
        self._on_newer_bundle = on_newer_bundle
        self._production = ""
        """Id of what production is, as far as is known here."""
        self._telling = threading.Lock()
        self._beat_every_s = beat_every_s
        self.host = socket.gethostname()
        self.bus = Bus(credentials, session=self.session, codec=codec, name=f"qi-{kind}", host=self.host)
        self._serving: set[str] = set()
        """Addons that were asked to run."""
        self._leaving = threading.Event()
        self._beats: threading.Thread | None = None
        self.detached = False
        """The studio does not answer at the moment."""

    def join(self) -> SessionInfo | None:
        """Connect and open the session. A worker's was opened by the studio that started it. Raises QiError."""
        self.bus.start()
        info = None
        if not self._opened_for_us:
            try:
                info = self._open()
                if self._on_newer_bundle is not None:
                    self.bus.subscribe(f"qi.session.{self.session}.bundle", self._newer)
            except QiError:
                self.bus.stop()
                raise
        self._beats = threading.Thread(target=self._beat, name="qi-beat", daemon=True)
        self._beats.start()
        return info

    def look(self) -> SessionInfo:
        """Who stands behind this session now, with the roles of now; nobody when its log-in was ended.

        Raises QiError."""
        return self._open()

    def leave(self) -> None:
        """End the session, if the studio can be told, and disconnect; safe to call twice."""
        if self._leaving.is_set():
            return
        self._leaving.set()
        if self.bus.connected:  # the studio also ends sessions that beat no more
            with contextlib.suppress(QiError):
                self.bus.request(EndSession(), timeout_s=LEAVE_LIMIT_S)
        self.bus.stop()
        if self._beats is not None:
            self._beats.join(LEAVE_LIMIT_S)

    @property
    def bundle(self) -> str:
        """Id of the bundle it works with, once it has joined; empty before."""
        return self._bundle

    def log_in(self, user: str, password: str) -> LoggedIn:
        """Be this user from now on. Raises QiError."""
        done = self.bus.request(Login(user=user, password=password))
        # What this connection may do was settled when it was made.
        self.bus.renew()
        return done

    def ask(self, message: Request[R], addon: str, *, timeout_s: float | None = None) -> R:
        """Ask an addon, as this session's bundle pins it, and wait; it is started when it does not run. Raises QiError.

        A request that nobody took is sent again; one that was taken never is.
        """
        if addon not in self._serving:
            self._ensure(addon)
        to = to_addon(self._bundle, addon)
        try:
            return self.bus.request(message, to=to, timeout_s=timeout_s)
        except Unavailable:
            self._ensure(addon)
            return self.bus.request(message, to=to, timeout_s=timeout_s)

    def _ensure(self, addon: str) -> None:
        self._serving.discard(addon)
        self.bus.request(EnsureAddon(name=addon))
        self._serving.add(addon)

    def _open(self) -> SessionInfo:
        info = self.bus.request(
            OpenSession(
                kind=self.kind, host=self.host, pid=os.getpid(), os_user=_os_user(), bundle=self._bundle,
                parent=self._parent, **(_here() if self.kind in IN_CONTEXT else {}),
            )
        )  # fmt: skip
        if not self._bundle:
            self._production = info.bundle
        # One that opens again goes on with the bundle it began with.
        self._bundle = info.bundle
        return info

    def _newer(self, msg: Message) -> None:
        self._production_is(self.bus.codec.decode(NewerBundle, msg.data), moved=True)

    def _production_is(self, now: NewerBundle, *, moved: bool = False) -> None:
        """Bus thread, and that of the beats: an announcement and a beat may tell the same."""
        with self._telling:
            moved = (moved or bool(self._production)) and now.bundle not in (self._production, self._bundle)
            self._production = now.bundle
        if moved and self._on_newer_bundle is not None:
            self._on_newer_bundle(now)

    def _beat(self) -> None:
        context.enter(context.Context(trace=new_id()))
        while not self._leaving.wait(self._beat_every_s):
            try:
                heard = self.bus.request(Beat(), timeout_s=BEAT_LIMIT_S)
                self.detached = False
                if heard.production is not None:
                    self._production_is(heard.production)
            except Unauthenticated:
                self._reopen()
            except QiError as error:
                if not self.detached and not self._leaving.is_set():
                    log.warning("the studio does not answer: %s", error.message)
                self.detached = True
                self._look_for_it()

    def _look_for_it(self) -> None:
        """A studio that was started anew listens elsewhere, and has another key to its door."""
        if self._home is None or self._opened_for_us or self.bus.connected:
            return
        try:
            found = self._home.connection()
        except (QiError, OSError) as error:
            log.warning("%s cannot be read: %s", self._home.connection_file, error)
            return
        if found is None:
            return
        # Whoever logged in still has his own key; the owner's is another one with every start.
        known = self.bus.credentials
        now = found.credentials if self._as_owner else replace(found.credentials, password=known.password)
        if now != known:
            with contextlib.suppress(Unavailable):  # the next beat looks again
                self.bus.renew(now)

    def _reopen(self) -> None:
        """A studio that was started anew knows nothing of this session."""
        if self._opened_for_us or self._leaving.is_set():
            return
        try:
            try:
                self._open()
            except Unauthenticated:
                # It was not admitted by this studio: a new connection is.
                self.bus.renew()
                self._open()
        except QiError as error:
            log.warning("the session could not be opened again: %s", error.message)
        else:
            self.detached = False


def _is_owners(home: Home, credentials: Credentials) -> bool:
    try:
        found = home.connection()
    except (QiError, OSError):
        return False
    return found is not None and found.token == credentials.password


def _os_user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "owner"


def _here() -> dict[str, str]:
    """The context of the application that this runs in, as whoever launched it said."""
    return {part: os.environ.get(f"QI_{part.upper()}", "")[:SAID_MOST] for part in ("project", "entity", "task")}

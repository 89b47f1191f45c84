"""A mesh of one's own for a test: a real broker, buses on it, and actors that run as they do in a studio.

::

    def test_the_clock_tells_the_time():
        with Mesh() as mesh:
            mesh.start(Clock)
            assert mesh.bus().request(Tell()).hour == 12

Main thread of the test.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from types import TracebackType
from typing import Any, TypeVar

import pykka

from actors.gate import Gate
from events import users
from qi.actor import Actor, handles
from qi.app.broker import Broker
from qi.bus import Bus
from qi.checked import Checked
from qi.codec import Codec
from qi.context import STUDIO
from qi.contracts.session import AdmitSession, Admitted, Identify, SessionInfo
from qi.credentials import Credentials
from qi.errors import NotFound, Unauthenticated

A = TypeVar("A", bound=Actor)
T = TypeVar("T")

WAIT_LIMIT_S = 60.0
STOP_LIMIT_S = 20.0
POLL_S = 0.005


def eventually(look: Callable[[], T], within_s: float = WAIT_LIMIT_S, what: str = "") -> T:
    """The first truthy answer of `look`. Raises AssertionError when there is none within `within_s` seconds."""
    deadline = time.monotonic() + within_s
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < deadline, f"{what or 'it'} did not happen within {within_s} s; last seen: {found!r}"
        threading.Event().wait(POLL_S)


TOKEN = "opens-any-session-of-a-test"
EVERYTHING = tuple(sorted(users.permissions(users.PERMISSIONS)))


class KnownSessions(Actor):
    """Stands in for the sessions service: it knows the participants a test introduces."""

    name = "sessions"

    def __init__(self, bus: Bus) -> None:
        super().__init__(bus)
        self.known: dict[str, SessionInfo] = {}
        self.asked = 0

    @handles(AdmitSession)
    def admit(self, message: AdmitSession) -> Admitted:
        return admitted(message)

    @handles(Identify)
    def who(self, message: Identify) -> SessionInfo:
        self.asked += 1
        if message.id not in self.known:
            raise NotFound(f"no session {message.id}")
        return self.known[message.id]


class Admits(Actor):
    """Lets in whoever brings :data:`TOKEN`, with the rights of a worker that may do anything; any further rule is the
    services' own."""

    name = "sessions_of_a_test"

    @handles(AdmitSession)
    def admit(self, message: AdmitSession) -> Admitted:
        return admitted(message)


def admitted(message: AdmitSession) -> Admitted:
    if message.secret != TOKEN:
        raise Unauthenticated("not the token of the tests")
    return Admitted(kind="worker", user="somebody", permissions=EVERYTHING)


class Mesh:
    """Everything a test starts on one broker, stopped at its end in reverse."""

    def __init__(self, broker: Broker | None = None) -> None:
        self._own = broker is None
        self.broker = broker or Broker()
        self._buses: list[Bus] = []
        self._actors: list[Actor] = []
        self._sessions: KnownSessions | None = None
        self._gate: Gate | None = None

    def __enter__(self) -> Mesh:
        if self._own:
            self.broker.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def bus(self, session: str = STUDIO, codec: Codec | None = None, **options: Any) -> Bus:
        """A started bus: the studio's, or that of any other participant, with the rights the broker gives it."""
        credentials = self.broker.service if session == STUDIO else self.credentials
        made = Bus(credentials, session=session, codec=codec or Checked(), name=f"test-{session}", **options)
        made.start()
        self._buses.append(made)
        return made

    @property
    def credentials(self) -> Credentials:
        """Of any session. With the first look at them somebody begins to answer for the broker's gate."""
        if self._gate is None:
            if not any(isinstance(actor, KnownSessions) for actor in self._actors):
                self.start(Admits)
            self._gate = self.start(Gate, system=asdict(self.broker.system), seed=self.broker.keys.seed, hosts=[])
        return Credentials(self.broker.url, password=TOKEN)

    def start(self, actor: type[A], bus: Bus | None = None, **options: Any) -> A:
        """Start an actor, on a bus of its own unless one is given, and wait until it serves."""
        made = actor(bus or self.bus(), **options)
        self._actors.append(made)
        made.begin_serving(WAIT_LIMIT_S)
        return made

    def participant(self, session: str, *, user: str = "", permissions: tuple[str, ...] = ()) -> Bus:
        """The bus of somebody whom the sessions service knows."""
        if self._sessions is None:
            self._sessions = self.start(KnownSessions)
        self._sessions.known[session] = SessionInfo(id=session, kind="cli", user=user, permissions=permissions)
        return self.bus(session)

    def close(self) -> None:
        """Stop all; safe to call twice. Raises AssertionError when an actor does not stop."""
        hung = []
        while self._actors:
            actor = self._actors.pop()
            try:
                actor.actor_ref.stop(timeout=STOP_LIMIT_S)
            except pykka.ActorDeadError:
                continue
            except pykka.Timeout:
                actor.leave_mesh()
                hung.append(actor.name)
        while self._buses:
            self._buses.pop().stop()
        if self._own:
            self.broker.stop()
        assert not hung, f"did not stop within {STOP_LIMIT_S} s: {', '.join(hung)}"

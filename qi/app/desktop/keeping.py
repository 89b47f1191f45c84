"""The studio below a desktop: one that a command started is started again when it dies, as its server is.

One that was stopped stays so, and one that `qi serve` runs is for whoever runs that. A thread of its own.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
import time
from collections.abc import Iterator

import psutil

from events.ids import new_id
from qi import context
from qi.app.join import session
from qi.app.launch import LaunchConfig
from qi.contracts.session import ListSessions
from qi.contracts.studio import GetStatus
from qi.errors import QiError
from qi.home import Connection, Home
from qi.session.participant import Participant

log = logging.getLogger("qi.desktop")

LOOK_EVERY_S = 1.0
BACK_LIMIT_S = 30.0
"""So long the desktop may take to come back to it; nobody else would keep it running."""
PAUSE_FIRST_S, PAUSE_MOST_S = 1.0, 60.0


@contextlib.contextmanager
def kept(home: Home, config: LaunchConfig, participant: Participant) -> Iterator[None]:
    """For the length of a block the studio of this home runs, unless somebody stops it."""
    if config.connect:
        yield
        return
    stopping = threading.Event()
    made = _Keeping(home, config, participant, stopping)
    made.learn()
    keeping = threading.Thread(target=made.run, name="qi-keep", daemon=True)
    keeping.start()
    try:
        yield
    finally:
        stopping.set()
        keeping.join()


class _Keeping:
    def __init__(self, home: Home, config: LaunchConfig, participant: Participant, stopping: threading.Event) -> None:
        self._home = home
        self._config = config
        self._participant = participant
        self._stopping = stopping
        self._known = 0
        """Process of the studio that said how it lives."""
        self._ours = False
        """A command started it."""
        self._pause = PAUSE_FIRST_S

    def run(self) -> None:
        with context.use(context.Context(trace=new_id())):
            while not self._stopping.wait(LOOK_EVERY_S):
                try:
                    self._look()
                except QiError as error:
                    log.warning("the studio cannot be started again: %s", error.message)
                    self._stopping.wait(self._pause)
                    self._pause = min(PAUSE_MOST_S, 2 * self._pause)

    def learn(self) -> None:
        """How the studio lives that answers now."""
        try:
            status = self._participant.bus.request(GetStatus())
        except QiError as error:
            log.debug("the studio does not say how it lives: %s", error.message)
            return
        self._known = status.pid
        self._ours = status.lives == "embedded"

    def _look(self) -> None:
        found = self._home.connection()
        if found is None or found.host != socket.gethostname():
            return
        if _runs(found):
            if found.pid != self._known and not self._participant.detached:
                self.learn()
        elif found.pid == self._known and self._ours:
            self._start_again()

    def _start_again(self) -> None:
        log.warning("the studio has died and is started again")
        with session(self._config, acts=True) as meanwhile:
            self._pause = PAUSE_FIRST_S
            until = time.monotonic() + BACK_LIMIT_S
            while not self._is_back(meanwhile) and time.monotonic() < until:
                if self._stopping.wait(LOOK_EVERY_S):
                    return

    def _is_back(self, meanwhile: Participant) -> bool:
        sessions = meanwhile.bus.request(ListSessions()).sessions
        return any(one.id == self._participant.session and one.state == "open" for one in sessions)


def _runs(studio: Connection) -> bool:
    try:
        return bool(psutil.Process(studio.pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False

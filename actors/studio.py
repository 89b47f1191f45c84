"""The studio's own face: what runs here, when it ends."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from events.record import now
from qi.actor import Actor, every, handles, listens
from qi.bus import Bus
from qi.contracts.session import ListSessions
from qi.contracts.studio import (
    ChildInfo,
    Figures,
    GetStatus,
    MeasureActors,
    RestartActor,
    ResumeWork,
    StopStudio,
    StudioStatus,
)
from qi.figures import figures_of
from qi.messages import Done
from qi.release import release
from qi.services import gather

log = logging.getLogger("qi.studio")

LINGER_S = 3.0
FIRST_CLIENT_S = 15.0
MEASURED_FOR_S = 1.0
COMPLAINTS_MOST = 100


@dataclass(frozen=True, slots=True)
class Outlook:
    """What only the process that composed the studio knows. Its functions are for any thread."""

    home: str
    lives: str
    stage: Callable[[], str]
    children: Callable[[], list[ChildInfo]]
    broker_restarts: Callable[[], int]
    problems: Callable[[], list[str]]
    end: Callable[[], None]
    """Let the studio stop."""
    restart: Callable[[str], None]
    """Begin to restart a child. Raises :class:`NotFound`."""
    resume: Callable[[], None]
    """Begin to finish what an earlier studio left unfinished."""


class StudioActor(Actor):
    """Answers `studio.*`; ends an embedded studio when its last client has left."""

    name = "studio"
    requests = (ListSessions,)

    def __init__(self, bus: Bus, *, outlook: Outlook) -> None:
        super().__init__(bus)
        self._outlook = outlook

    def setup(self) -> None:
        self._started = now()
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="qi-figures")
        self._measured: Future[Figures] | None = None
        self._measured_at = 0.0
        self._complaints: set[str] = set()
        self._alone_since = time.monotonic() + FIRST_CLIENT_S - LINGER_S

    @handles(GetStatus)
    def status(self, _: GetStatus) -> StudioStatus:
        look = self._outlook
        return StudioStatus(
            version=release(),
            home=look.home,
            host=self._bus.host,
            pid=os.getpid(),
            started_at=self._started,
            stage=look.stage(),
            lives=look.lives,
            children=tuple(look.children()),
            broker_restarts=look.broker_restarts(),
            problems=tuple(look.problems()),
        )

    def teardown(self) -> None:
        if hasattr(self, "_pool"):
            self._pool.shutdown(wait=False, cancel_futures=True)

    @handles(MeasureActors)
    def measure(self, _: MeasureActors) -> Future[Figures]:
        """However many windows look, the actors are asked once."""
        here = time.monotonic()
        if self._measured is None or (self._measured.done() and here - self._measured_at > MEASURED_FOR_S):
            self._measured, self._measured_at = self._pool.submit(self._figures), here
        return self._measured

    def _figures(self) -> Figures:
        """On the pool's thread."""
        return Figures(actors=figures_of(gather(self._bus), self._complain))

    def _complain(self, what: str) -> None:
        """On the pool's thread; once for each, however often somebody looks."""
        if what not in self._complaints and len(self._complaints) < COMPLAINTS_MOST:
            self._complaints.add(what)
            log.warning("%s", what)

    @handles(StopStudio)
    def stop_studio(self, _: StopStudio) -> Done:
        self._outlook.end()
        return Done()

    @handles(RestartActor)
    def restart(self, message: RestartActor) -> Done:
        self._outlook.restart(message.name)
        return Done()

    @handles(ResumeWork)
    def resume(self, _: ResumeWork) -> Done:
        self._outlook.resume()
        return Done()

    @listens("qi.session.*.identity")
    def client_came_or_went(self, _: bytes) -> None:
        """Also one that stayed so shortly that no look at the sessions would have seen it."""
        self._alone_since = time.monotonic()

    @every(0.5)
    def look_for_clients(self) -> None:
        """An embedded studio outlives its clients by a moment only, so that the next command finds it warm."""
        if self._outlook.lives != "embedded" or self._outlook.stage() != "ready":
            return
        if self.request(ListSessions()).sessions:
            self._alone_since = time.monotonic()
        elif time.monotonic() - self._alone_since > LINGER_S:
            self._outlook.end()

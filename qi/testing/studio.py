"""A studio for tests: in a process of its own, with a participant that has joined it. Any thread.

For authors of addons too::

    with start_studio(tmp_path / "home") as studio:
        shot = studio.given_project()
        publish = studio.publish(shot, [str(frames / "beauty.####.exr")])
        assert studio.finished(publish).state == "succeeded"
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import psutil

from events.ids import new_id
from events.record import Event
from qi import context
from qi.app.first_word import READY, first_word
from qi.app.serve import CRASH_FILE
from qi.bus import Bus
from qi.checked import Checked
from qi.contracts.db import CreateEntity, CreateProject
from qi.contracts.log import ReadLog
from qi.contracts.publish import PublishInfo, ReplayPublish, RequestPublish, ShowPublish
from qi.errors import DeadlineExceeded, QiError, from_reply
from qi.home import Home
from qi.session.participant import Participant
from qi.testing.processes import children

START_LIMIT_S = 120.0
STOP_LIMIT_S = 60.0
WAIT_LIMIT_S = 120.0
LOOK_EVERY_S = 1.0

T = TypeVar("T")

ENDS = ("succeeded", "failed", "cancelled", "interrupted", "unknown")


@dataclass(frozen=True, slots=True)
class Shot:
    """Names of a context to publish into."""

    project: str
    entity: str = "seq010/sh0100"
    task: str = "comp"


class RunningStudio:
    """A studio's process, and a participant that keeps it alive."""

    def __init__(self, home: Path, process: subprocess.Popen[str], token: str = "") -> None:
        self.home = Home(home)
        self.process = process
        self.participant = self.join(token)

    @property
    def bus(self) -> Bus:
        """The owner's; each request on it may be the begin of a trace."""
        return self.participant.bus

    @property
    def pid(self) -> int:
        return self.process.pid

    def join(self, token: str = "", *, kind: str = "cli") -> Participant:
        """One more participant; whoever asks lets it leave. With a log-in's token it is that user's."""
        connection = self.home.connection()
        if connection is None:
            raise QiError(f"no studio runs in {self.home.root}")
        credentials = replace(connection.credentials, password=token) if token else connection.credentials
        participant = Participant(credentials, kind=kind, codec=Checked(), home=self.home)
        participant.join()
        return participant

    def kill(self) -> None:
        """SIGKILL the studio's process, and wait until its broker is gone too."""
        self.participant.leave()
        brokers = children(self.pid, "nats-server")
        self.process.kill()
        self.process.wait(STOP_LIMIT_S)
        psutil.wait_procs(brokers, STOP_LIMIT_S)

    def stop(self) -> None:
        """Let it stop in order; safe after a kill. Raises :class:`DeadlineExceeded` with where each thread stood."""
        self.participant.leave()
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(STOP_LIMIT_S)
            except subprocess.TimeoutExpired as error:
                self.process.send_signal(signal.SIGABRT)
                self.process.wait()
                stood = (self.home.logs / CRASH_FILE).read_text()
                raise DeadlineExceeded(f"the studio did not stop in {STOP_LIMIT_S:.0f} s:\n{stood}") from error

    # -- given --------------------------------------------------------------------------------------------------

    def given_project(self, name: str = "", *, entity: str = "seq010/sh0100", task: str = "comp", **more: Any) -> Shot:
        """A project with one entity and a task on it; a name that nothing else has unless one is given."""
        project = name or f"Project {new_id()[-10:]}"
        self.bus.request(CreateProject(name=project, command=new_id(), **more))
        self.bus.request(CreateEntity(project=project, path=entity, tasks=(task,), command=new_id()))
        return Shot(project, entity, task)

    # -- when ---------------------------------------------------------------------------------------------------

    def publish(
        self,
        shot: Shot,
        sources: Sequence[str],
        *,
        product: str = "beauty",
        environment: Mapping[str, str] | None = None,
        bundle: str = "",
        comment: str = "",
        command: str = "",
    ) -> str:
        """Ask for a publish, as a command of its own; returns its id at once. `environment` is added to this one's."""
        request = RequestPublish(
            command=command or new_id(), project=shot.project, entity=shot.entity, task=shot.task, product=product,
            sources=tuple(sources), comment=comment, bundle=bundle, environment={**os.environ, **(environment or {})},
        )  # fmt: skip
        with context.use(context.Context(trace=new_id())):
            return self.bus.request(request).publish

    def replay(self, publish: str, mode: str, **more: Any) -> str:
        """Resume or rerun, as a command of its own; returns the id of the publish that runs then."""
        request = ReplayPublish(publish=publish, mode=mode, command=new_id(), **more)
        with context.use(context.Context(trace=new_id())):
            return self.bus.request(request).publish

    # -- then ---------------------------------------------------------------------------------------------------

    def shown(self, publish: str) -> PublishInfo:
        return self.bus.request(ShowPublish(publish=publish))

    def finished(self, publish: str, timeout_s: float = WAIT_LIMIT_S) -> PublishInfo:
        """The publish when it has ended. Raises :class:`DeadlineExceeded`."""

        def ended() -> PublishInfo | None:
            info = self.shown(publish)
            return info if info.state in ENDS else None

        return self.wait_for(ended, f"qi.event.publish.{publish}.>", timeout_s)

    def events(self, **filters: Any) -> list[Event]:
        """All events that fit the filters of :class:`~qi.contracts.log.ReadLog`, oldest first."""
        found: list[Event] = []
        after = int(filters.pop("after", 0))
        while True:
            page = self.bus.request(ReadLog(after=after, **filters))
            found += page.events
            if not page.more:
                return found
            after = page.reached

    def wait_for_event(self, kind: str, *, timeout_s: float = WAIT_LIMIT_S, **filters: Any) -> Event:
        """The first event of a type (or `beginning*`) that fits the filters, once there is one."""

        def found() -> Event | None:
            return next(iter(self.events(type=kind, limit=1, **filters)), None)

        return self.wait_for(found, "qi.event.>", timeout_s)

    def wait_for(self, look: Callable[[], T | None], subject: str, timeout_s: float = WAIT_LIMIT_S) -> T:
        """What `look` finds, looked for anew after messages on `subject`. Raises :class:`DeadlineExceeded`.

        A message only wakes it; one that was lost costs a second.
        """
        heard: queue.SimpleQueue[None] = queue.SimpleQueue()
        entry = self.bus.subscribe(subject, lambda _: heard.put(None))
        deadline = time.monotonic() + timeout_s
        try:
            while True:
                found = look()
                if found is not None:
                    return found
                left = deadline - time.monotonic()
                if left <= 0:
                    raise DeadlineExceeded(f"nothing on '{subject}' brought what was waited for")
                with contextlib.suppress(queue.Empty):
                    heard.get(timeout=min(LOOK_EVERY_S, left))
                while not heard.empty():
                    heard.get()
        finally:
            self.bus.unsubscribe(entry)


@contextlib.contextmanager
def start_studio(
    home: Path, *, environment: Mapping[str, str] | None = None, resume: bool = True
) -> Iterator[RunningStudio]:
    """A studio on `home` for the length of a block. `environment` is added to this process's.

    Raises what its start raised, and :class:`QiError` with its last words when it said nothing.
    """
    studio = RunningStudio(home, launch(home, environment=environment, resume=resume))
    try:
        yield studio
    finally:
        studio.stop()


def launch(home: Path, *, environment: Mapping[str, str] | None = None, resume: bool = True) -> subprocess.Popen[str]:
    """The process of a studio that is ready; it ends when its last participant leaves. Raises :class:`QiError`."""
    command = [sys.executable, "-m", "qi.app.serve", "--home", str(home), *([] if resume else ["--no-resume"])]
    with tempfile.TemporaryFile("w+") as words:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=words, text=True,
            env={**os.environ, **(environment or {})},
        )  # fmt: skip
        line = first_word(process, START_LIMIT_S)
        if line == READY:
            return process
        process.wait(STOP_LIMIT_S)
        words.seek(0)
        raise from_reply(json.loads(line)) if line else QiError(f"the studio did not start: {words.read()[-2000:]}")

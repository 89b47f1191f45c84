"""Jobs, as an addon writes them: work that takes long, beside the actor's own thread.

::

    class Review(Addon):
        @job("contact_sheet")
        def contact_sheet(self, job: Job) -> dict[str, Any]:
            shots = job.arguments["shots"]
            job.steps(len(shots))
            for shot in shots[job.kept.get("done", 0):]:
                ...
                job.step(f"drew {shot}")
                job.keep(done=job.at)
            return {"path": ...}

A job is begun again when the addon or the studio was away before its end: it must mind what it did already, by what it
kept or by looking. It ends early at its next step when somebody calls it off. Runs on a thread of its own.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from events.ids import new_id
from qi import context
from qi.bus import Bus
from qi.contracts.jobs import ReportJob, RunJob
from qi.contracts.notices import SendNotice
from qi.errors import NotFound, QiError

log = logging.getLogger("qi.jobs")

AT_ONCE = 2
TELL_EVERY_S = 0.2

M = TypeVar("M", bound=Callable[..., Any])


class JobCancelled(Exception):
    """Raised by a step of a job that was called off."""


@dataclass(frozen=True, slots=True)
class JobKind:
    """One kind of jobs that an addon does, as :func:`job` declared it."""

    name: str
    method: str


def job(name: str) -> Callable[[M], M]:
    """The method does jobs of this kind: it takes a :class:`Job` and returns its result, a JSON-ready mapping."""

    def mark(method: M) -> M:
        method.__dict__["_qi_job"] = JobKind(name, method.__name__)
        return method

    return mark


class Job:
    """One job at work; its methods are for the thread that does it."""

    def __init__(self, order: RunJob, bus: Bus) -> None:
        self.id, self.user, self.arguments = order.id, order.user, order.arguments
        self.kept: dict[str, Any] = dict(order.kept)
        """What was kept before it was begun again; empty the first time."""
        self.at = 0
        """How many steps were done."""
        self._bus = bus
        self._steps = 0
        self._message = ""
        self._told = 0.0
        self.cancelled = threading.Event()

    def steps(self, count: int) -> None:
        """How many steps there will be."""
        self._steps = count
        self._tell("running")

    def step(self, message: str = "") -> None:
        """One more is done. Raises :class:`JobCancelled` when somebody called the job off."""
        self.at += 1
        self._message = message or self._message
        if self.cancelled.is_set():
            raise JobCancelled
        if time.monotonic() - self._told > TELL_EVERY_S or self.at == self._steps:
            self._tell("running")

    def keep(self, **what: Any) -> None:
        """What the job wants to find again when it is begun anew; on the disk on return."""
        self.kept |= what
        self._tell("running", kept=self.kept)

    def note(self, text: str, level: str = "info") -> None:
        """A few words to the user who began the job."""
        self._bus.request(SendNotice(user=self.user, text=text, level=level, about=self.id))

    def _tell(self, state: str, message: str | None = None, **more: Any) -> None:
        self._told = time.monotonic()
        said = self._message if message is None else message
        self._bus.request(ReportJob(id=self.id, state=state, step=self.at, steps=self._steps, message=said, **more))


class JobRunner:
    """The jobs of one addon. Any thread."""

    def __init__(self, bus: Bus, kinds: dict[str, Callable[[Job], Any]]) -> None:
        self._bus = bus
        self._kinds = kinds
        self._room = threading.Semaphore(AT_ONCE)
        self._jobs: dict[str, Job] = {}

    @property
    def ids(self) -> tuple[str, ...]:
        return tuple(self._jobs)

    @property
    def kinds(self) -> tuple[str, ...]:
        return tuple(sorted(self._kinds))

    def run(self, order: RunJob) -> None:
        """Begin it, unless it is at work. Raises :class:`NotFound` for a kind that the addon does not do."""
        if order.id in self._jobs:
            return
        work = self._kinds.get(order.kind)
        if work is None:
            raise NotFound(f"it does no jobs of the kind '{order.kind}'", known=sorted(self._kinds))
        self._jobs[order.id] = Job(order, self._bus)
        # A daemon: a job that takes no step must not keep its process from ending.
        begin = threading.Thread(
            target=self._do, args=(self._jobs[order.id], work), name=f"qi-job-{order.kind}", daemon=True
        )
        begin.start()

    def stop(self, wanted: str) -> None:
        found = self._jobs.get(wanted)
        if found is not None:
            found.cancelled.set()

    def close(self) -> None:
        """Let go of all: whoever runs next begins them again."""
        for one in list(self._jobs.values()):
            one.cancelled.set()
        self._jobs.clear()

    def _do(self, one: Job, work: Callable[[Job], Any]) -> None:
        with self._room, context.use(context.Context(new_id(), cause=one.id, user=one.user)):
            try:
                if one.cancelled.is_set():
                    raise JobCancelled
                one._tell("running")
                result = work(one) or {}
                one._tell("succeeded", result=result)
            except JobCancelled:
                # Let go of by its addon, it is no end: somebody else begins it again.
                if one.id in self._jobs:
                    self._end(one, "cancelled", "called off")
            except QiError as error:
                self._end(one, "failed", error.message)
            except (Exception, SystemExit) as error:
                log.exception("job '%s' failed", one.id)
                self._end(one, "failed", f"{type(error).__name__}: {error}")
            finally:
                self._jobs.pop(one.id, None)

    def _end(self, one: Job, state: str, why: str) -> None:
        try:
            one._tell(state, why)
        except QiError as error:
            log.warning("the end of job '%s' could not be told: %s", one.id, error.message)

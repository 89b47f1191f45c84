"""Jobs: which were begun, who works at them, how far they came. Kept in `state.db`, so that a restart ends none."""

from __future__ import annotations

import builtins
import logging
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from events.ids import new_id
from events.record import now
from events.state import StateDb
from qi import context
from qi.actor import Actor, every, handles
from qi.bus import Bus
from qi.contracts.hosting import EnsureAddon
from qi.contracts.jobs import (
    CancelJob,
    GetJob,
    JobInfo,
    JobKinds,
    JobList,
    ListJobKinds,
    ListJobs,
    ReportJob,
    RunJob,
    StartJob,
    StopJob,
    WhichJobs,
)
from qi.contracts.notices import SendNotice
from qi.errors import Conflict, Forbidden, NotFound, QiError
from qi.home import Home
from qi.messages import Done, to_addon
from qi.reading import open_reader

log = logging.getLogger("qi.jobs")

TABLE = "jobs"
ENDED = frozenset({"succeeded", "failed", "cancelled"})
LOOK_EVERY_S = 2.0
"""How often it is looked whether an addon still works at what it began."""
TRIES_MOST = 3
"""A job that took its addon down so often is not begun again."""
KEPT_DAYS = 30


@dataclass(frozen=True, slots=True)
class Kept:
    """A job as it outlives this actor."""

    info: JobInfo
    kept: dict[str, Any] = field(default_factory=dict)
    """What the job wants to find again."""
    trace: str = ""
    cancelled: bool = False


class Jobs(Actor):
    """Hands jobs to addons, and again when an addon or the studio was away meanwhile."""

    name = "jobs"
    requests = (EnsureAddon, RunJob, StopJob, WhichJobs, SendNotice)

    def __init__(self, bus: Bus, *, home: str) -> None:
        super().__init__(bus)
        self._home = Home(Path(home))

    def setup(self) -> None:
        self._state = StateDb(self._home.state)
        self._reader = open_reader(self._home)
        self._hands = ThreadPoolExecutor(4, thread_name_prefix="qi-jobs")
        self._jobs: dict[str, Kept] = {}
        oldest = (time.time() - KEPT_DAYS * 86_400) * 1e6
        for key, value in self._state.items(TABLE):
            job = msgspec.convert(value, Kept)
            if job.info.state in ENDED and job.info.ended_at < oldest:
                self._state.delete(TABLE, key)
            else:
                self._jobs[key] = job

    def teardown(self) -> None:
        if hasattr(self, "_hands"):
            self._hands.shutdown(wait=False, cancel_futures=True)
            self._reader.close()
            self._state.close()

    # -- asked ----------------------------------------------------------------------------------------------------

    @handles(StartJob)
    def begin(self, message: StartJob) -> JobInfo:
        known = self._jobs.get(message.command) if message.command else None
        if known is not None:
            if (known.info.addon, known.info.kind, known.info.arguments) != (
                message.addon, message.kind, message.arguments,
            ):  # fmt: skip
                raise Conflict(f"the command '{message.command}' began another job", command=message.command)
            return known.info
        info = JobInfo(
            id=message.command or new_id(), addon=message.addon, kind=message.kind, arguments=message.arguments,
            title=message.title or f"{message.kind} of {message.addon}", bundle=self.caller.bundle,
            user=self.caller.user, state="queued", created_at=now(),
        )  # fmt: skip
        self._keep(Kept(info, trace=context.current().trace))
        self._hand_over(self._jobs[info.id])
        return info

    @handles(ListJobKinds)
    def kinds(self, message: ListJobKinds) -> Future[JobKinds]:
        return self._hands.submit(copy_context().run, self._kinds_of, message.addon, self.caller.bundle)

    def _kinds_of(self, addon: str, bundle: str) -> JobKinds:
        """On a thread of the pool."""
        run = self.request(EnsureAddon(name=addon, bundle=bundle), timeout_s=15)
        return JobKinds(kinds=self.request(WhichJobs(), to=to_addon(run.bundle, addon)).kinds)

    @handles(ListJobs)
    def list(self, message: ListJobs) -> JobList:
        found = sorted((job.info for job in self._jobs.values()), key=lambda info: info.created_at, reverse=True)
        wanted = (
            info for info in found if message.state in ("", info.state) and message.user in ("", info.user)
        )  # fmt: skip
        return JobList(jobs=tuple(islice(wanted, message.limit)))

    @handles(GetJob)
    def get(self, message: GetJob) -> JobInfo:
        return self._job(message.id).info

    @handles(CancelJob)
    def cancel(self, message: CancelJob) -> JobInfo:
        job = self._job(message.id)
        if job.info.user != self.caller.user and not self.caller.may("studio.manage"):
            raise Forbidden(f"this is a job of '{job.info.user}'", permission="studio.manage")
        if job.info.state == "queued":
            self._end(job, "cancelled", f"called off by {self.caller.user}")
        elif job.info.state == "running":
            self._keep(replace(job, cancelled=True))
            self._hands.submit(copy_context().run, self._ask, StopJob(id=job.info.id), job.info)
        return self._job(message.id).info

    @handles(ReportJob)
    def report(self, message: ReportJob) -> Done:
        job = self._job(message.id)
        if self.caller.is_addon and self.caller.user != f"addon {job.info.addon}":
            raise Forbidden(f"this is a job of the addon '{job.info.addon}'")
        if not self.caller.is_addon and not self.caller.is_studio:
            raise Forbidden("only the addon that does a job tells how it goes")
        if job.info.state in ENDED:
            return Done()
        job = replace(
            job, kept=job.kept if message.kept is None else message.kept,
            info=replace(job.info, step=message.step, steps=message.steps, message=message.message),
        )  # fmt: skip
        if message.state in ENDED:
            self._end(replace(job, info=replace(job.info, result=message.result)), message.state, message.message)
        elif message.state == "queued":
            self._keep(replace(job, info=replace(job.info, state="queued")))
        else:
            durable = message.kept is not None or job.info.state != "running"
            self._keep(replace(job, info=replace(job.info, state="running")), durable=durable)
        return Done()

    # -- looking after --------------------------------------------------------------------------------------------

    @every(LOOK_EVERY_S)
    def look(self) -> None:
        """What nobody works at is begun again: of each addon one at a time, so that a job that takes its addon down
        does not take the others with it each time."""
        waiting: dict[tuple[str, str], builtins.list[Kept]] = {}
        for job in self._jobs.values():
            if job.info.state not in ENDED:
                waiting.setdefault((job.info.bundle, job.info.addon), []).append(job)
        for jobs in waiting.values():
            jobs.sort(key=lambda job: (job.info.tries, job.info.created_at))
            self._hands.submit(copy_context().run, self._looked_after, jobs)

    def _looked_after(self, jobs: builtins.list[Kept]) -> None:
        """On a thread of the pool. `jobs` are one addon's."""
        try:
            at_work = self._ask(WhichJobs(), jobs[0].info).ids
        except QiError as error:
            log.debug("'%s' does not say what it works at: %s", jobs[0].info.addon, error.message)
            at_work = ()
        for job in jobs:
            # Its last report came before its addon let go of it, so what is known now is the truth.
            if job.info.id in at_work or self._bus.request(GetJob(id=job.info.id)).state in ENDED:
                continue
            if job.info.tries >= TRIES_MOST:
                self._tell(job.info, "failed", f"it was begun {job.info.tries} times and never came to its end")
                continue
            self._handed_over(job)
            return

    def _hand_over(self, job: Kept) -> None:
        self._hands.submit(copy_context().run, self._handed_over, job)

    def _handed_over(self, job: Kept) -> None:
        """On a thread of the pool."""
        info = job.info
        with context.use(context.Context(job.trace or new_id(), cause=info.id, user=info.user)):
            try:
                if info.state == "running":
                    self._tell(info, "queued", "it is begun again")
                order = RunJob(id=info.id, kind=info.kind, user=info.user, arguments=info.arguments, kept=job.kept)
                self._ask(order, info)
            except QiError as error:
                # What is away for a moment is asked again at the next look.
                self._tell(info, "queued" if error.code in (429, 503, 504) else "failed", error.message)

    def _ask(self, message: Any, info: JobInfo) -> Any:
        run = self.request(EnsureAddon(name=info.addon, bundle=info.bundle), timeout_s=60)
        return self.request(message, to=to_addon(run.bundle, info.addon))

    def _tell(self, info: JobInfo, state: str, why: str) -> None:
        self._bus.request(ReportJob(id=info.id, state=state, message=why, step=info.step, steps=info.steps))

    # -- inside ---------------------------------------------------------------------------------------------------

    def _job(self, wanted: str) -> Kept:
        found = self._jobs.get(wanted)
        if found is None:
            raise NotFound(f"there is no job '{wanted}'", id=wanted)
        return found

    def _end(self, job: Kept, state: str, why: str) -> None:
        info = replace(job.info, state=state, message=why, ended_at=now())
        self._keep(replace(job, info=info, kept={}))
        if state == "failed" and info.user:
            text = f"{info.title}: {why}"
            self.request(SendNotice(user=info.user, text=text, level="error", about=info.id))

    def _keep(self, job: Kept, *, durable: bool = True) -> None:
        before = self._jobs.get(job.info.id)
        if job.info.state == "running" and (before is None or before.info.state != "running"):
            job = replace(job, info=replace(job.info, tries=job.info.tries + 1))
            durable = True
        self._jobs[job.info.id] = job
        if durable:
            self._state.put(TABLE, job.info.id, msgspec.to_builtins(job))
        self._bus.publish(f"qi.feed.job.{job.info.id}", self._bus.codec.encode(job.info), lossy=True)

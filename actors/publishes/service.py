"""Publishes: pins them, starts their workers, records what they report, replays them, finishes them after a crash."""

from __future__ import annotations

import logging
import os
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

from actors.publishes.orders import work_of
from actors.publishes.recovery import end_old_worker
from actors.publishes.stops import outcome_of, stop_of
from events import publishes, versions
from events.blobs import Blobs
from events.catalog import decode_payload
from events.ids import new_id
from events.publish_events import PublishRequested, Remap, WorkerEnded, WorkerStarted
from events.publish_state import Publish
from events.publish_steps import has_reached, recovery
from events.publishes import Cancel, Repair, Report, Rerun, Resume, publish_stream
from events.publishes import RequestPublish as Begin
from events.record import DomainEvent
from events.versions import Numbers, ReleaseVersion, ReserveVersion, version_stream
from qi import context
from qi.actor import Actor, handles
from qi.bus import Bus, Credentials
from qi.contracts.bundles import GetBundle
from qi.contracts.db import FindTask, LatestVersion
from qi.contracts.log import AppendEvents
from qi.contracts.publish import (
    CancelPublish,
    Progress,
    PublishStarted,
    RepairPublish,
    ReplayPublish,
    RequestPublish,
    ResumeUnfinished,
)
from qi.contracts.session import EndSession, StartSession
from qi.contracts.settings import GetSettings
from qi.contracts.work import Recorded, ReportWork, Reserved, ReserveNumber, TakeWork, Work, WorkerGone
from qi.deciding import Ledger
from qi.destination import place_of, require_file_name
from qi.errors import Conflict, Forbidden, NotFound, QiError
from qi.home import Home
from qi.integrate import State, abandon, inspect
from qi.manifest import Pinned, load, store
from qi.messages import Done
from qi.pinning import Target, pin
from qi.publish_view import events_of, find_publish
from qi.reading import open_reader
from qi.sources import require_sources
from qi.worker.process import WorkerProcess

log = logging.getLogger("qi.publishes")

LEAVE_LIMIT_S = 3.0
TELL_AGAIN_S = 1.0
WORKERS_MOST = max(4, os.cpu_count() or 1)
"""At once on this machine: each is a process that computes. Further publishes wait their turn."""
FOLDS = {**publishes.FOLDS, **versions.FOLDS}


class Publishes(Actor):
    """Carries the domain of publishes and of version numbers."""

    name = "publishes"
    requests = (AppendEvents, GetBundle, GetSettings, FindTask, LatestVersion, StartSession, EndSession)

    def __init__(self, bus: Bus, *, home: str, broker: dict[str, str]) -> None:
        """`broker` is how workers reach it: `url` and `ca` of :class:`Credentials`; each gets a token of its own."""
        super().__init__(bus)
        self._home = Home(Path(home))
        self._broker = Credentials(**broker)

    def setup(self) -> None:
        self._reader = open_reader(self._home)
        self._blobs = Blobs(self._home.blobs)
        self._ledger = Ledger(self._reader, FOLDS, self.request)
        self._workers: dict[str, WorkerProcess] = {}
        self._waiting: dict[str, context.Context] = {}
        """Publish → what asked for its worker, of those that wait their turn; in that order."""
        self._leaving = threading.Event()

    def teardown(self) -> None:
        self._leaving.set()
        for worker in list(self._workers.values()):
            worker.leave(LEAVE_LIMIT_S)
        self._reader.close()

    def figures(self) -> dict[str, Any]:
        return {"workers": len(self._workers), "waiting": len(self._waiting)}

    # -- asking for one -----------------------------------------------------------------------------------------

    @handles(RequestPublish)
    def publish(self, message: RequestPublish) -> PublishStarted:
        self._ledger.follow()
        known = self._ledger.known.get(Publish, publish_stream(message.command))
        if known is not None:
            return self._repeated(known, message)
        require_sources(message.sources)
        position = int(self._ledger.follow())
        target = Target(message.project, message.entity, message.task, message.product, message.comment)
        pinned = self._pin(
            message.command, position=position, target=target, bundle=message.bundle,
            environment=message.environment, user=self.caller.user,
        )  # fmt: skip
        request = PublishRequested(
            position=position,
            mode="publish",
            project=pinned.project_id,
            entity=pinned.entity_id,
            task=pinned.task_id,
            product=message.product,
            comment=message.comment,
            sources=message.sources,
            user=self.caller.user,
            host=self.caller.host or self._bus.host,
            bundle=pinned.bundle,
            bundle_digest=pinned.bundle_digest,
            replay_of="",
            original_user="",
            manifest="",
            pinned=str(store(self._blobs, pinned)),
        )
        self._ledger.carry_out(publishes.decide, Begin(id=message.command, request=request), command=message.command)
        self._start_worker(message.command)
        return PublishStarted(publish=message.command, position=position)

    def _repeated(self, known: Publish, message: RequestPublish) -> PublishStarted:
        asked = known.request
        same = (asked.product, asked.comment, asked.sources) == (message.product, message.comment, message.sources)
        if not same or asked.user != self.caller.user:
            raise Conflict("this command id belongs to another publish", command=message.command)
        if known.is_running and not known.worker:  # it was recorded, and then something came between
            self._start_worker(known.id)
        return PublishStarted(publish=known.id, position=asked.position)

    def _pin(self, publish: str, **given: Any) -> Pinned:
        pinned = pin(
            self.request, host=self.caller.host or self._bus.host, otherwise=self.caller.bundle, **given
        )  # fmt: skip
        # Refuse now what could never be written: a product name that makes no path, or too long a one.
        place_of(pinned, publish, 1)
        require_file_name(pinned)
        return pinned

    # -- workers ------------------------------------------------------------------------------------------------

    def _start_worker(self, publish: str) -> None:
        """Give it a worker, now or when its turn comes."""
        if publish in self._workers or publish in self._waiting:
            return
        if len(self._workers) >= WORKERS_MOST:
            self._waiting[publish] = context.current()._replace(deadline=None)
            frame = Progress(publish=publish, state="requested", what="waiting for its turn", done=0.0)
            self._bus.publish(f"qi.feed.progress.{publish}", self._bus.codec.encode(frame), lossy=True)
            return
        state = self._existing(publish)
        pinned = load(self._blobs, Pinned, state.request.pinned)
        try:
            self._launch_worker(publish, state, pinned)
        except (OSError, QiError) as error:
            # Asked for and never begun would look like running for ever.
            why = error.message if isinstance(error, QiError) else f"{error.strerror or error}"
            self._stopped(publish, f"no worker could be started: {why}")

    def _start_next(self) -> None:
        """Somebody's turn may have come."""
        while self._waiting and len(self._workers) < WORKERS_MOST:
            publish = next(iter(self._waiting))
            with context.use(self._waiting.pop(publish)):
                self._start_worker(publish)

    def _launch_worker(self, publish: str, state: Publish, pinned: Pinned) -> None:
        session = new_id()
        opened = self.request(StartSession(
                id=session, kind="worker", user=state.request.user, host=self._bus.host, bundle=pinned.bundle_id
            )
        )  # fmt: skip
        credentials = replace(self._broker, password=opened.token)
        here = context.current()
        carried = here._replace(session=session, user=state.request.user, host=self._bus.host, path=())
        environment = {**pinned.environment, **context.export(carried), "PYTHONUNBUFFERED": "1"}
        worker = WorkerProcess(publish, session, credentials, self._home.root, environment, carried, self._worker_gone)
        self._workers[publish] = worker
        self._report(publish, WorkerStarted(session=session, host=self._bus.host, pid=worker.pid))
        worker.release()

    def _worker_gone(self, worker: WorkerProcess, code: int) -> None:
        """On the waiter's thread: to the actor's own thread one speaks by a subject, like everybody."""
        message = WorkerGone(
            publish=worker.publish, session=worker.session, exit_code=code, words=worker.words[-9_000:],
            step=worker.step, command=new_id(),
        )  # fmt: skip
        with context.use(worker.context):
            # Until it is recorded the publish looks like running, also while the log's disk is full. Should the studio
            # end meanwhile, its next start finds the publish and decides.
            while not self._leaving.is_set():
                try:
                    self._bus.request(message)
                    return
                except QiError as error:
                    log.warning("nobody hears of the end of %s's worker: %s", worker.publish, error.message)
                    self._leaving.wait(TELL_AGAIN_S)

    @handles(WorkerGone)
    def worker_gone(self, message: WorkerGone) -> Done:
        known = self._workers.get(message.publish)
        if known is not None and known.session == message.session:
            del self._workers[message.publish]
        self.request(EndSession(id=message.session))
        self._ledger.follow()
        state = self._existing(message.publish)
        if state.worker == message.session:
            self._report(message.publish, WorkerEnded(session=message.session, exit_code=message.exit_code))
        state = self._existing(message.publish)
        if state.is_running and not state.worker:
            self._report(state.id, *outcome_of(state, message, self._blobs))
        self._start_next()
        return Done()

    def _stopped(self, publish: str, reason: str) -> None:
        """Nobody works on it any more: it is interrupted, or a person must say what happened."""
        self._report(publish, stop_of(self._existing(publish), reason))

    @handles(TakeWork)
    def take(self, message: TakeWork) -> Work:
        return work_of(self._own(message.publish))

    @handles(ReportWork)
    def report(self, message: ReportWork) -> Recorded:
        self._own(message.publish)
        commands = [Report(publish=message.publish, event=decode_payload(one.type, one.data)) for one in message.events]
        self._ledger.carry_out(publishes.decide, *commands, command=message.command)
        return Recorded(event=context.current().cause)

    @handles(ReserveNumber)
    def reserve(self, message: ReserveNumber) -> Reserved:
        state = self._own(message.publish)
        pinned = load(self._blobs, Pinned, state.request.pinned)
        latest = self.request(
            LatestVersion(project=pinned.project, entity=pinned.entity, product=pinned.product)
        ).number
        which = {
            "project": state.request.project, "entity": state.request.entity, "product": state.request.product,
            "publish": state.id,
        }  # fmt: skip
        reserve = ReserveVersion(**which, on_disk=message.on_disk, in_tracker=latest)
        release = ReleaseVersion(**which, reason="claimed on disk by another studio")
        self._ledger.carry_out(
            versions.decide, *([release, reserve] if message.taken else [reserve]), command=message.command
        )
        stream = version_stream(state.request.project, state.request.entity, state.request.product)
        number = versions.reserved(self._ledger.known.get(Numbers, stream), state.id)
        assert number is not None
        return Reserved(number=number)

    def _own(self, publish: str) -> Publish:
        """The publish, if the caller is its worker."""
        self._ledger.follow()
        state = self._existing(publish)
        if self.caller.session != state.worker:
            raise Forbidden("only the worker of a publish may speak for it", publish=publish)
        return state

    def _report(self, publish: str, *events: DomainEvent) -> None:
        self._ledger.carry_out(publishes.decide, *(Report(publish=publish, event=event) for event in events))

    # -- replaying ----------------------------------------------------------------------------------------------

    @handles(ReplayPublish)
    def replay(self, message: ReplayPublish) -> PublishStarted:
        self._ledger.follow()
        state = find_publish(self._ledger.known, message.publish)
        self._dismiss(state)
        remap = tuple(Remap(old=rule.old, new=rule.new) for rule in message.remap)
        if message.mode == "resume":
            resume = Resume(
                publish=state.id, user=self.caller.user, took_effect=message.took_effect, remap=remap,
                accept_changed=message.accept_changed,
            )  # fmt: skip
            self._ledger.carry_out(publishes.decide, resume, command=message.command)
            publish = state.id
        elif message.mode == "what-if":
            publish = message.command
            begin = Begin(id=publish, request=self._what_if(state, message, remap), repairs=state.repairs)
            self._ledger.carry_out(publishes.decide, begin, command=message.command)
        else:
            publish = message.command
            rerun = Rerun(
                publish=state.id, id=publish, user=self.caller.user, host=self.caller.host or self._bus.host,
                remap=remap, accept_changed=message.accept_changed,
            )  # fmt: skip
            self._ledger.carry_out(publishes.decide, rerun, command=message.command)
        return self._going_on(publish)

    @handles(RepairPublish)
    def repair(self, message: RepairPublish) -> PublishStarted:
        self._ledger.follow()
        state = find_publish(self._ledger.known, message.publish)
        self._dismiss(state)
        repair = Repair(publish=state.id, user=self.caller.user, steps=message.steps)
        self._ledger.carry_out(publishes.decide, repair, command=message.command)
        return self._going_on(state.id)

    def _going_on(self, publish: str) -> PublishStarted:
        known = self._existing(publish)
        if known.is_running and not known.worker:
            self._start_worker(publish)
        return PublishStarted(publish=publish, position=known.request.position)

    def _what_if(self, state: Publish, message: ReplayPublish, remap: tuple[Remap, ...]) -> PublishRequested:
        """The same request with what holds now (or held then), instead of what was pinned."""
        before = load(self._blobs, Pinned, state.request.pinned)
        head = int(self._ledger.follow())
        position = message.settings_at or head
        target = Target(before.project, before.entity, before.task, before.product, before.comment)
        pinned = self._pin(
            message.command, position=position, target=target, bundle=message.bundle,
            environment=message.environment or before.environment, user=state.request.user,
            bundle_at=head if message.bundle else None,
        )  # fmt: skip
        return replace(
            state.request, mode="what_if", position=position, pinned=str(store(self._blobs, pinned)), manifest="",
            bundle=pinned.bundle, bundle_digest=pinned.bundle_digest, user=self.caller.user,
            host=self.caller.host or self._bus.host, replay_of=state.id,
            original_user=state.request.original_user or state.request.user, remap=remap, accept_changed=True,
        )  # fmt: skip

    def _dismiss(self, state: Publish) -> None:
        """A worker that has reported its end may still be on its way out: it has nothing left to say."""
        worker = self._workers.get(state.id)
        if worker is not None and state.worker == worker.session and not state.is_running:
            code = worker.end()
            del self._workers[state.id]
            with context.use(worker.context):
                self._report(state.id, WorkerEnded(session=worker.session, exit_code=code))

    @handles(CancelPublish)
    def cancel(self, message: CancelPublish) -> PublishStarted:
        self._ledger.follow()
        state = find_publish(self._ledger.known, message.publish)
        if state.request.user != self.caller.user and not self.caller.may("publish.manage"):
            raise Forbidden(f"this publish is {state.request.user}'s", permission="publish.manage")
        cancel = Cancel(publish=state.id, user=self.caller.user, reason=message.reason)
        self._ledger.carry_out(publishes.decide, cancel, command=message.command)
        self._waiting.pop(state.id, None)
        worker = self._workers.get(state.id)
        if worker is not None:
            worker.kill()
        self._give_up_folder(state)
        return PublishStarted(publish=state.id, position=state.request.position)

    def _give_up_folder(self, state: Publish) -> None:
        if not state.version or has_reached(state.state, "committed"):
            return
        place = place_of(load(self._blobs, Pinned, state.request.pinned), state.id, state.version)
        if inspect(place).state is not State.COMMITTED:
            abandon(place)

    @handles(ResumeUnfinished)
    def recover(self, _: ResumeUnfinished) -> Done:
        """After a crash: from `planned` on the plan is all it takes; before, a person asks again."""
        self._ledger.follow()
        for state in list(self._ledger.known.all(Publish)):
            if state.is_running and state.id not in self._workers and state.id not in self._waiting:
                try:
                    self._recover(state)
                except QiError as error:
                    log.error("publish %s could not be recovered: %s", state.id, error.message)
        return Done()

    def _recover(self, state: Publish) -> None:
        end_old_worker(self._home, self._reader, state.id)
        with context.use(context.current()._replace(cause=self._last_event(state.id))):
            if state.worker:
                self._report(state.id, WorkerEnded(session=state.worker, exit_code=None))
            if state.running_steps and has_reached(state.state, "registered"):
                self._stopped(state.id, "the studio ended while it ran")
            elif recovery(state.state) == "resume":
                self._ledger.carry_out(publishes.decide, Resume(publish=state.id, user=context.STUDIO))
                self._start_worker(state.id)
            else:
                self._stopped(state.id, "the studio ended while it ran")

    def _last_event(self, publish: str) -> str:
        events = events_of(self._reader, publish)
        return events[-1].id if events else ""

    def _existing(self, publish: str) -> Publish:
        found = self._ledger.known.get(Publish, publish_stream(publish))
        if found is None:
            raise NotFound(f"there is no publish '{publish}'", remedy="the page Publishes or `qi publishes` lists them")
        return found

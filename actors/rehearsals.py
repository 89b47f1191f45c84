"""Rehearsals: the studio's recent publishes as what-ifs against a candidate, one after the other, each recorded."""

from __future__ import annotations

import threading
from pathlib import Path

from events import rehearsals
from events.catalog import encode_change
from events.ids import new_id
from events.record import Change, DomainEvent
from events.rehearsals import (
    PublishTried,
    Rehearsal,
    RehearsalFinished,
    RehearsalInterrupted,
    RehearsalStarted,
    rehearsal_stream,
)
from qi import context
from qi.actor import Actor, handles
from qi.bus import Bus
from qi.context import Context
from qi.contracts.bundles import BundleInfo, GetBundle
from qi.contracts.compare import Cause, ComparePublishes, Difference
from qi.contracts.log import AppendEvents
from qi.contracts.publish import ListPublishes, PublishInfo, ReplayPublish, ShowPublish
from qi.contracts.rehearsal import RehearsalInfo, RehearseBundle, ShowRehearsal, Tried
from qi.deciding import Ledger
from qi.errors import Conflict, DeadlineExceeded, NotFound, QiError
from qi.home import Home
from qi.reading import open_reader
from qi.wire import Message

TRIAL_LIMIT_S = 3600.0
LOOK_EVERY_S = 2.0
ENDS = frozenset({"succeeded", "failed", "cancelled", "interrupted", "unknown"})
PAGE = 50
SHOWN = 5


class Rehearsals(Actor):
    """One rehearsal at a time: a trial needs the machine."""

    name = "rehearsals"
    requests = (AppendEvents, GetBundle, ListPublishes, ReplayPublish, ShowPublish, ComparePublishes)

    def __init__(self, bus: Bus, *, home: str) -> None:
        super().__init__(bus)
        self._home = Home(Path(home))

    def setup(self) -> None:
        self._reader = open_reader(self._home)
        self._ledger = Ledger(self._reader, rehearsals.FOLDS, self.request)
        self._stopping = threading.Event()
        self._running: threading.Thread | None = None
        for left in [one for one in self._ledger.known.all(Rehearsal) if one.state == "running"]:
            self._record(left.id, RehearsalInterrupted(reason="the studio ended while it ran"))

    def teardown(self) -> None:
        if hasattr(self, "_stopping"):
            self._stopping.set()
        self._reader.close()

    @handles(RehearseBundle)
    def rehearse(self, message: RehearseBundle) -> RehearsalInfo:
        self._ledger.follow()
        known = self._ledger.known.get(Rehearsal, rehearsal_stream(message.command))
        if known is not None:
            return _info(known)
        if self._running is not None and self._running.is_alive():
            raise Conflict("a rehearsal runs already", remedy="wait for its end; `qi history --type rehearsal.*`")
        candidate = self.request(GetBundle(bundle=message.bundle))
        if candidate.state != "frozen":
            raise Conflict(
                f"bundle '{candidate.name}' is {candidate.state}", remedy="Freeze it first.", bundle=candidate.id
            )
        publishes = self._newest(message.last, message.project)
        started = RehearsalStarted(
            bundle=candidate.name, digest=candidate.digest, publishes=tuple(one.publish for one in publishes)
        )
        self._record(message.command, started)
        # It goes on when this request has long been answered.
        here = context.current()._replace(deadline=None)
        self._running = threading.Thread(
            target=self._run, args=(here, message.command, candidate, publishes), name="qi-rehearsal", daemon=True
        )
        self._running.start()
        return self._shown(message.command)

    @handles(ShowRehearsal)
    def show(self, message: ShowRehearsal) -> RehearsalInfo:
        self._ledger.follow()
        return self._shown(message.id)

    # -- on the rehearsal's own thread --------------------------------------------------------------------------

    def _run(self, here: Context, rehearsal: str, candidate: BundleInfo, publishes: list[PublishInfo]) -> None:
        context.enter(here)
        for publish in publishes:
            if self._stopping.is_set():
                return  # the next start of this actor says so
            self._append(rehearsal, self._tried(candidate, publish))
        self._append(rehearsal, RehearsalFinished())

    def _tried(self, candidate: BundleInfo, publish: PublishInfo) -> PublishTried:
        version = f" v{publish.version:03d}" if publish.version else ""
        told = {
            "publish": publish.publish, "was": publish.state,
            "label": f"{publish.project}/{publish.entity} {publish.product}{version}",
        }  # fmt: skip
        trial = new_id()
        try:
            self.request(
                ReplayPublish(publish=publish.publish, mode="what-if", bundle=candidate.id, command=trial)
            )  # fmt: skip
            ended = self._ended(trial)
            found = self.request(ComparePublishes(first=publish.publish, second=trial))
        except QiError as error:
            return PublishTried(
                **told, what_if="", now="", verdict="not tried", differences=0, first=(), causes=(),
                reason=error.message,
            )  # fmt: skip
        return PublishTried(
            **told, what_if=trial, now=ended.state, verdict=_verdict(publish, ended, found.same),
            differences=len(found.differences), first=tuple(map(_differs, found.differences[:SHOWN])),
            causes=tuple(map(_caused, found.causes[:SHOWN])), reason=ended.error.message if ended.error else "",
        )  # fmt: skip

    def _ended(self, trial: str) -> PublishInfo:
        heard = threading.Event()

        def wake(_: Message) -> None:
            heard.set()

        entry = self._bus.subscribe(f"qi.event.publish.{trial}.>", wake)
        try:
            for _ in range(int(TRIAL_LIMIT_S / LOOK_EVERY_S)):
                heard.clear()
                info = self.request(ShowPublish(publish=trial))
                if info.state in ENDS:
                    return info
                if self._stopping.is_set():
                    break
                heard.wait(LOOK_EVERY_S)
        finally:
            self._bus.unsubscribe(entry)
        raise DeadlineExceeded(f"the trial {trial} did not end", publish=trial)

    def _append(self, rehearsal: str, event: DomainEvent) -> None:
        change = encode_change(Change(rehearsal_stream(rehearsal), event))
        self.request(AppendEvents(events=(change,), expected={}, command=new_id()))

    # -- inside -------------------------------------------------------------------------------------------------

    def _newest(self, count: int, project: str) -> list[PublishInfo]:
        """Publishes that ended and were no trials themselves."""
        found: list[PublishInfo] = []
        before = ""
        while len(found) < count:
            page = self.request(ListPublishes(project=project, limit=PAGE, before=before))
            found += [one for one in page.publishes if one.mode == "publish" and one.manifest and one.state in ENDS]
            if not page.more or not page.publishes:
                break
            before = page.publishes[-1].publish
        return found[:count]

    def _record(self, rehearsal: str, event: DomainEvent) -> None:
        self._append(rehearsal, event)
        self._ledger.follow()

    def _shown(self, rehearsal: str) -> RehearsalInfo:
        found = self._ledger.known.get(Rehearsal, rehearsal_stream(rehearsal))
        if found is None:
            raise NotFound(f"there is no rehearsal '{rehearsal}'")
        return _info(found)


def _verdict(publish: PublishInfo, ended: PublishInfo, same: bool) -> str:
    was, now = publish.state == "succeeded", ended.state == "succeeded"
    if was != now:
        return "breaks" if was else "mends"
    return "same" if same else "differs"


def _differs(one: Difference) -> str:
    return f"{one.what} {one.name}: {one.was or 'nothing'} → {one.now or 'nothing'}"


def _caused(one: Cause) -> str:
    return f"{one.what} {one.name}: {one.was or 'nothing'} → {one.now or 'nothing'}"


def _info(found: Rehearsal) -> RehearsalInfo:
    tried = tuple(
        Tried(
            publish=one.publish, what_if=one.what_if, label=one.label, was=one.was, now=one.now, verdict=one.verdict,
            differences=one.differences, first=one.first, causes=one.causes, reason=one.reason,
        )
        for one in found.tried
    )  # fmt: skip
    return RehearsalInfo(
        id=found.id, bundle=found.bundle, digest=found.digest, state=found.state, total=len(found.publishes),
        tried=tried, by=found.by, began_at=int(found.began_at),
    )  # fmt: skip

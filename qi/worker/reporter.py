"""Tells the publishes service what happens, as events.

Steps before `reserved` change nothing, so they go in batches of 100 or every 50 ms; from then on each step has its own
intent and outcome, recorded before the worker goes on. Main thread, except where said otherwise.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path

import msgspec

from events.blobs import Blobs
from events.canonical import canonical
from events.ids import new_id
from events.publish_events import StepFinished, StepRecord, StepsRecorded, StepStarted
from events.publish_steps import step_key
from events.record import DomainEvent
from qi import context
from qi.bus import Answer, Bus
from qi.contracts.publish import Progress
from qi.contracts.work import ReportWork, StepMark, WorkEvent
from qi.errors import Busy, Unavailable
from qi.session.publishing import Outcome, Step

BATCH_STEPS = 100
BATCH_EVERY_S = 0.05
FOLDED_STAGES = frozenset({"collect", "validate"})
SHARES = {
    "collect": 0.0, "validate": 0.1, "extract": 0.3, "stage": 0.6, "commit": 0.9, "register": 0.95, "follow_up": 0.97,
}  # fmt: skip
"""How far along a publish is when a stage begins; a progress bar needs no more truth than that."""
BOOKMARK = "step"
"""File in a run's folder: the step that runs."""


class Reporter:
    """The worker's voice."""

    def __init__(self, bus: Bus, publish: str, blobs: Blobs, run: Path) -> None:
        """`run` is the folder of this run."""
        self._bus = bus
        self._publish = publish
        self._blobs = blobs
        self._bookmark = (run / BOOKMARK).open("wb", buffering=0)
        self._batch: list[StepRecord] = []
        self._lock = threading.Lock()
        self._sent: list[tuple[ReportWork, Future[Answer]]] = []
        self._context = context.current()
        self._timer = bus.every(BATCH_EVERY_S, self._due)

    def close(self) -> None:
        self._timer.cancel()
        self.settle()
        self._bookmark.close()

    def report(self, *events: DomainEvent, timeout_s: float | None = None) -> str:
        """Record events and wait until they are durable; the id of the last one. Raises what the service answers."""
        self.settle()
        return self._bus.request(self._message(events), timeout_s=timeout_s).event

    def settle(self) -> None:
        """Wait until every batch is recorded. Raises what the service answered to one."""
        self._due()
        with self._lock:
            sent, self._sent = self._sent, []
        for message, future in sent:
            try:
                self._bus.answer(message, future)
            except (Unavailable, Busy):
                # The broker was away, and the studio came back to it after this process did.
                with context.use(self._context):
                    self._bus.request(message)

    def progress(self, stage: str, what: str, share: float = 0.0) -> None:
        """A frame for whoever watches; any thread, lossy."""
        stages = list(SHARES.values())
        begins = SHARES[stage]
        ends = next((s for s in stages if s > begins), 1.0)
        frame = Progress(publish=self._publish, state=stage, what=what, done=begins + (ends - begins) * share)
        self._bus.publish(f"qi.feed.progress.{self._publish}", self._bus.codec.encode(frame), lossy=True)

    # -- the runner's listener ----------------------------------------------------------------------------------

    def started(self, stage: str, step: Step) -> None:
        self._mark(step)
        if stage not in FOLDED_STAGES:
            self.progress(stage, step.plugin)
            begun = StepStarted(key=key_of(step), plugin=step.plugin, instance=step.instance, order=step.order)
            # Whatever the plugin asks for, and its outcome, hang below the intent.
            context.enter(self._context._replace(cause=self.report(begun)))

    def finished(self, stage: str, step: Step, outcome: Outcome) -> None:
        self._mark(None)
        records = str(self._blobs.put(canonical(list(outcome.records)))) if outcome.records else ""
        said = "ok" if outcome.ok else "failed"
        if stage not in FOLDED_STAGES:
            self.report(
                StepFinished(
                    key=key_of(step),
                    outcome=said,
                    duration_ms=outcome.duration_ms,
                    message=outcome.message,
                    remedy=outcome.remedy,
                    records=records,
                )
            )
            context.enter(self._context)
            return
        record = StepRecord(
            key=key_of(step), plugin=step.plugin, instance=step.instance, order=step.order, outcome=said,
            duration_ms=outcome.duration_ms, message=outcome.message, remedy=outcome.remedy, records=records,
            repair=outcome.repair,
        )  # fmt: skip
        with self._lock:
            self._batch.append(record)
            full = len(self._batch) >= BATCH_STEPS
        if full:
            self._due()

    def _mark(self, step: Step | None) -> None:
        """Should the process die in the step, nobody else could say which it was. One line, written over in place."""
        mark = b"" if step is None else msgspec.json.encode(_mark_of(step))
        self._bookmark.seek(0)
        self._bookmark.write(mark + b"\n")

    def _due(self) -> None:
        """Send the batch; main or bus thread, never waits."""
        with self._lock:
            batch, self._batch = self._batch, []
            if not batch:
                return
            message = self._message([StepsRecorded(steps=tuple(batch))])
            with context.use(self._context):
                self._sent.append((message, self._bus.ask(message)))

    def _message(self, events: Sequence[DomainEvent]) -> ReportWork:
        made = tuple(WorkEvent(type=event.event_type, data=msgspec.to_builtins(event)) for event in events)
        return ReportWork(publish=self._publish, events=made, command=new_id())


def key_of(step: Step) -> str:
    """Names a step within its publish."""
    return step_key(step.plugin, step.instance)


def read_bookmark(path: Path) -> StepMark | None:
    """The step that a worker left open; None when it died outside of one."""
    try:
        line = path.read_bytes().partition(b"\n")[0]
    except FileNotFoundError:
        return None
    return msgspec.json.decode(line, type=StepMark) if line else None


def _mark_of(step: Step) -> StepMark:
    return StepMark(key=key_of(step), plugin=step.plugin, instance=step.instance, order=step.order)

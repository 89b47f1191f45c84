"""What becomes of a publish whose worker is gone, told by how it ended and by the step it was in. Actor thread."""

from __future__ import annotations

import signal

from events.blobs import Blobs
from events.publish_events import (
    PublishFailed,
    PublishInterrupted,
    PublishUnknown,
    StepFinished,
    StepRecord,
    StepsRecorded,
)
from events.publish_state import Publish
from events.publish_steps import has_reached
from events.record import DomainEvent
from qi.contracts.work import StepMark, WorkerGone

FROM_OUTSIDE = tuple(-getattr(signal, name, 0) for name in ("SIGKILL", "SIGTERM", "SIGINT", "SIGHUP"))
"""Exit codes of a process that somebody else ended."""
MEND = "mend the plugin, its last words are in worker.log of the run; then replay"


def outcome_of(state: Publish, gone: WorkerGone, blobs: Blobs) -> tuple[DomainEvent, ...]:
    """What to record. A plugin that took its worker down has failed; a worker that was ended was interrupted."""
    words = gone.words.splitlines()[-1:] or ["it said nothing"]
    how = _how(gone.exit_code)
    if gone.step is None:
        return (stop_of(state, f"its worker {how}: {words[0]}"),)
    if gone.exit_code in FROM_OUTSIDE:
        return (stop_of(state, f"its worker {how} in '{gone.step.key}', by hand or because memory ran out"),)
    if has_reached(state.state, "registered"):
        return (stop_of(state, f"'{gone.step.key}' took its worker down, which {how}"),)
    message = f"'{gone.step.plugin}' took its worker down, which {how}"
    detail = str(blobs.put(gone.words.encode())) if gone.words else ""
    failed = PublishFailed(step=gone.step.key, code=500, message=message, remedy=MEND, detail=detail)
    return (*_step(state, gone.step, message), failed)


def stop_of(state: Publish, reason: str) -> DomainEvent:
    """It is interrupted, or a person must say what happened."""
    open_steps = state.running_steps
    if open_steps and has_reached(state.state, "registered"):
        return PublishUnknown(step=open_steps[0], message=f"{reason}; nobody saw how the step ended")
    return PublishInterrupted(reason=reason)


def _step(state: Publish, step: StepMark, message: str) -> tuple[DomainEvent, ...]:
    """Its outcome, where the worker had no time to tell it."""
    if step.key in state.running_steps:
        ended = StepFinished(
            key=step.key, outcome="failed", duration_ms=0.0, message=message, remedy=MEND, records=""
        )
        return (ended,)
    if has_reached(state.state, "reserved"):
        return ()
    record = StepRecord(
        key=step.key, plugin=step.plugin, instance=step.instance, order=step.order, outcome="failed", duration_ms=0.0,
        message=message, remedy=MEND,
    )  # fmt: skip
    return (StepsRecorded(steps=(record,)),)


def _how(code: int) -> str:
    """An exit code in words."""
    if code >= 0:
        return f"ended with {code}"
    try:
        return f"died of {signal.Signals(-code).name}"
    except ValueError:
        return f"died of signal {-code}"

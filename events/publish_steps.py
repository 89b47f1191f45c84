"""The states of a publish, in their order, and where a crash can strike between them. Pure tables; any thread."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

BEFORE_EFFECT: Final = "before_effect"
"""The intent is recorded, nothing was done yet."""
AFTER_EFFECT: Final = "after_effect"
"""It was done, the outcome is not recorded."""
AFTER_COMMIT: Final = "after_commit"
"""The outcome is recorded, nobody was answered."""


@dataclass(frozen=True, slots=True)
class Step:
    """What leads into one state."""

    state: str
    """The state that is reached."""
    effect: str
    """What is done outside the log; empty for nothing."""
    outcome: str
    """How its outcome is found when nobody recorded it: why doing it again does no harm."""

    @property
    def points(self) -> tuple[str, ...]:
        """Where a crash can strike, in order."""
        return (BEFORE_EFFECT, AFTER_EFFECT, AFTER_COMMIT) if self.effect else (AFTER_COMMIT,)


STEPS: Final = (
    Step("requested", "", "the command id"),
    Step("collected", "the worker starts, collects, and stores the manifest", "the store knows it by its digest"),
    Step("validated", "the worker validates", "it changes nothing and may run again"),
    Step("reserved", "the staging folder is made", "its marker file names the publish"),
    Step("extracted", "the worker's extractors write files", "their digests"),
    Step("planned", "the plan is stored", "the store knows it by its digest"),
    Step("staged", "the files are copied into the staging folder", "the marker's digests"),
    Step("committed", "the staging folder is renamed to the version's folder", "its marker file names the publish"),
    Step("registered", "the tracker is told of the version", "the idempotency key"),
    Step("followed_up", "studio plugins run, copies are made", "each has an intent of its own and runs at most once"),
    Step("succeeded", "", "the state itself"),
)
"""Every state of a publish, in order."""

STATES: Final = tuple(step.state for step in STEPS)

WHAT_IF_STATES: Final = ("requested", "collected", "validated", "extracted", "succeeded")
"""The states of a trial run: it writes to a scratch folder and integrates nothing."""

ENDS: Final = ("failed", "cancelled", "interrupted", "unknown")
"""How a publish can stop on its way, in any state."""

MODES: Final = ("publish", "what_if")


def states(mode: str) -> tuple[str, ...]:
    """The states that a publish of `mode` goes through, in order."""
    return WHAT_IF_STATES if mode == "what_if" else STATES


def has_reached(state: str, wanted: str) -> bool:
    """Whether `state` is `wanted` or a later one."""
    return STATES.index(state) >= STATES.index(wanted)


def recovery(state: str) -> str:
    """What the studio does on start with a publish found in `state`: `resume`, `interrupt` or `nothing`."""
    if state == "succeeded":
        return "nothing"
    return "resume" if has_reached(state, "planned") else "interrupt"


def step_key(plugin: str, instance: str) -> str:
    """Names a step within its publish; without an instance it is one on the context."""
    return f"{plugin}:{instance}" if instance else plugin


def repair_of(plugin: str) -> str:
    """What the repair that a plugin offers is called among the steps."""
    return f"{plugin}.repair"


@dataclass(frozen=True, slots=True)
class CrashPoint:
    """One place where a kill can strike."""

    found_in: str
    """The state the log shows afterwards."""
    towards: str
    """The state that was being reached."""
    point: str
    """:data:`BEFORE_EFFECT`, :data:`AFTER_EFFECT` or :data:`AFTER_COMMIT`."""

    @property
    def recovery(self) -> str:
        """As :func:`recovery`."""
        return recovery(self.found_in)


def crash_points() -> tuple[CrashPoint, ...]:
    """All of them, in the order in which a publish passes them."""
    return tuple(
        CrashPoint(step.state if point == AFTER_COMMIT else STATES[n - 1], step.state, point)
        for n, step in enumerate(STEPS)
        for point in step.points
    )

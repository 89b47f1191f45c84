"""Between a publish's worker and the publishes service. Only the publish's own worker session may send these."""

from __future__ import annotations

from dataclasses import field
from typing import Annotated, Any

from qi.contracts.publish import Remap
from qi.limits import Items, Prose, Span, Text, Token
from qi.messages import STUDIO_ONLY, Done, Request, message


@message
class AskedRepair:
    plugin: str
    instance: str


@message
class Work:
    """What a worker needs to know to go on. Digests name content in the content store."""

    publish: str
    mode: str
    """`publish`, or `what_if`."""
    state: str
    """The state reached so far."""
    pinned: str
    """Digest of the :class:`qi.manifest.Pinned`."""
    sources: tuple[str, ...]
    user: str
    replay_of: str = ""
    manifest: str = ""
    """Digest of the manifest to keep to; empty for a first run."""
    plan: str = ""
    version: int = 0
    steps: dict[str, str] = field(default_factory=dict)
    """Key → outcome, of the steps from extraction on."""
    remap: tuple[Remap, ...] = ()
    accept_changed: bool = False
    repairs: tuple[AskedRepair, ...] = ()
    """What validators repair before they check, in order."""


@message
class TakeWork(Request[Work], topic="work.take", needs="publish.create", timeout_s=20.0):
    """A worker asks what there is to do."""

    publish: Token
    command: Token = ""
    """Given, it is asked again when the connection breaks: the answer is the same."""


@message
class WorkEvent:
    type: Annotated[str, Text(100)]
    data: dict[str, Any]


@message
class Recorded:
    event: str
    """Id of the last event recorded: what follows from it hangs below it."""


@message
class ReportWork(Request[Recorded], topic="work.report", needs="publish.create", timeout_s=30.0):
    """What happened, as the events of :mod:`events.publish_events`; recorded together, or refused together."""

    publish: Token
    events: Annotated[tuple[WorkEvent, ...], Items(200)]
    command: Token


@message
class Reserved:
    number: int


@message
class StepMark:
    """A step as the worker noted it before it began."""

    key: str
    plugin: str
    instance: str
    order: float


@message
class WorkerGone(Request[Done], topic="work.gone", needs=STUDIO_ONLY):
    """From whoever waited for the worker's process."""

    publish: Token
    session: Token
    exit_code: int
    """Below 0 for a signal."""
    words: Prose = ""
    """The last lines it wrote, masked."""
    step: StepMark | None = None
    """The step it was in; None when it was in none."""
    command: Token


@message
class ReserveNumber(Request[Reserved], topic="work.reserve", needs="publish.create", timeout_s=30.0):
    """The next version number of the product."""

    publish: Token
    on_disk: Annotated[int, Span(0, 1_000_000)]
    """Highest number the disk knows."""
    taken: bool = False
    """The number held so far was claimed on disk by another studio: give it up for a higher one."""
    command: Token

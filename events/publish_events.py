"""What happens to a publish: all in its stream `publish-<id>`. Any thread.

The digests name content in the content store: the manifest, the plan, the records of a step, the detail of an error.
"""

from __future__ import annotations

from dataclasses import dataclass

from events.record import DomainEvent, event


@dataclass(frozen=True, kw_only=True)
class StepRecord:
    """One plugin processed one instance (or the context)."""

    key: str
    """Names the step within the publish: plugin and instance."""
    plugin: str
    """Plugin name."""
    instance: str
    """Instance name; empty for the context."""
    order: float
    """pyblish order: 0 collect, 1 validate, 2 extract, 3 integrate."""
    outcome: str
    """`ok`, `failed` or `skipped`."""
    duration_ms: float
    """Wall time in milliseconds."""
    message: str = ""
    """What to tell the artist; empty when all is well."""
    records: str = ""
    """Digest of the log records; empty for none."""
    repair: str = ""
    """Title of the repair that the plugin offers for this failure; empty for none."""
    remedy: str = ""
    """What to do about it; empty when nobody knows."""


@dataclass(frozen=True, kw_only=True)
class Remap:
    """Inputs below one folder are to be read below another."""

    old: str
    """Path as the manifest has it."""
    new: str
    """Where it lies now."""


@event("publish.requested", erasable=("comment",))
class PublishRequested(DomainEvent):
    """Somebody asked for it. This pins everything that the outcome depends on."""

    position: int
    """Log position P: bundle and settings are the folds up to there."""
    mode: str
    """`publish`, or `what_if` for a trial that integrates nothing."""
    project: str
    """Id of the project."""
    entity: str
    """Id of the entity (shot, asset …)."""
    task: str
    """Id of the task; empty for none."""
    product: str
    """Name of the product."""
    comment: str
    """The artist's words; may be empty."""
    sources: tuple[str, ...]
    """Paths and patterns of what is to be published."""
    user: str
    """User who asked."""
    host: str
    """Host name of the machine the work runs on."""
    bundle: str
    """Name of the bundle."""
    bundle_digest: str
    """Its digest at P."""
    replay_of: str
    """Id of the publish this one repeats; empty for a first one."""
    original_user: str
    """User who asked for the publish that is repeated; empty for a first one."""
    manifest: str
    """Digest of the manifest to work from; empty for a first one."""
    remap: tuple[Remap, ...] = ()
    """Where inputs of that manifest lie now."""
    accept_changed: bool = False
    """Whether inputs may differ from that manifest."""
    pinned: str = ""
    """Digest of what was looked up at P and asked with: names, effective settings, environment, addon digests."""


@event("publish.worker_started")
class WorkerStarted(DomainEvent):
    """A process took the publish on."""

    session: str
    """Its session id."""
    host: str
    """Its host name."""
    pid: int
    """Its process id on that host."""


@event("publish.worker_ended")
class WorkerEnded(DomainEvent):
    """That process is gone."""

    session: str
    """Its session id."""
    exit_code: int | None
    """Null when nobody saw it end; below 0 for a signal."""


@event("publish.steps_recorded", erasable=("steps.*.message", "steps.*.remedy", "steps.*.records"))
class StepsRecorded(DomainEvent):
    """A batch of steps that came before `reserved`: they change nothing outside, so intents are not needed."""

    steps: tuple[StepRecord, ...]
    """In the order in which they ran."""


@event("publish.collected")
class PublishCollected(DomainEvent):
    """The manifest is sealed."""

    manifest: str
    """Its digest."""


@event("publish.validated")
class PublishValidated(DomainEvent):
    """Every validator is content."""


@event("publish.reserved")
class PublishReserved(DomainEvent):
    """The version number and its folder are this publish's."""

    version: int
    """The number."""
    path: str
    """Folder that the version will have."""
    staging: str
    """Folder beside it in which its files are gathered."""


@event("publish.step_started")
class StepStarted(DomainEvent):
    """The intent: one step from extraction on is about to run."""

    key: str
    """Names the step within the publish: plugin and instance."""
    plugin: str
    """Plugin name."""
    instance: str
    """Instance name; empty for the context."""
    order: float
    """pyblish order: 2 extract, 3 integrate."""


@event("publish.step_finished", erasable=("message", "remedy", "records"))
class StepFinished(DomainEvent):
    """The outcome of a step that was started."""

    key: str
    """As it was started."""
    outcome: str
    """`ok`, `failed` or `skipped`."""
    duration_ms: float
    """Wall time in milliseconds."""
    message: str
    """What to tell the artist; empty when all is well."""
    records: str
    """Digest of the log records; empty for none."""
    remedy: str = ""
    """What to do about it; empty when nobody knows."""


@event("publish.extracted")
class PublishExtracted(DomainEvent):
    """Every extractor has written its files."""

    outputs: str
    """Digest of the list of files with their digests."""


@event("publish.planned")
class PublishPlanned(DomainEvent):
    """What is left to do is data: from here on it can be resumed without a worker."""

    plan: str
    """Digest of the plan."""


@event("publish.staged")
class PublishStaged(DomainEvent):
    """All files lie in the staging folder, hashed and synced."""

    files: int
    """How many."""
    size: int
    """Bytes in all."""


@event("publish.committed")
class PublishCommitted(DomainEvent):
    """The version is visible, as a whole."""

    path: str
    """Its folder."""


@event("publish.registered")
class PublishRegistered(DomainEvent):
    """The tracker knows the version."""

    version_id: str
    """The tracker's id of it."""
    key: str
    """Idempotency key it was registered under."""


@event("publish.followed_up")
class PublishFollowedUp(DomainEvent):
    """Studio plugins of integrate order ran, copies elsewhere are made."""


@event("publish.succeeded")
class PublishSucceeded(DomainEvent):
    """All is done."""


@event("publish.failed", erasable=("message", "remedy", "detail"))
class PublishFailed(DomainEvent):
    """A step went wrong in a known way."""

    step: str
    """Key of the step, or the state that was to be reached."""
    code: int
    """HTTP-like number of the error."""
    message: str
    """What happened."""
    remedy: str
    """What to do; may be empty."""
    detail: str
    """Digest of the whole story (traceback, records); empty for none."""


@event("publish.cancelled", erasable=("reason",))
class PublishCancelled(DomainEvent):
    """Somebody called it off."""

    user: str
    """Who."""
    reason: str
    """Why; may be empty."""


@event("publish.interrupted", erasable=("reason",))
class PublishInterrupted(DomainEvent):
    """Its worker is gone and nothing of it is left to wait for."""

    reason: str
    """How that was found."""


@event("publish.unknown", erasable=("message",))
class PublishUnknown(DomainEvent):
    """Nobody can tell whether a step took effect: a person decides."""

    step: str
    """Key of the step, or the state that was to be reached."""
    message: str
    """What is known."""


@event("publish.resumed")
class PublishResumed(DomainEvent):
    """The same publish goes on: with its plan where there is one, else with a new worker from the manifest."""

    user: str
    """Who resumed it; `studio` when it did so on start."""
    from_state: str
    """The state it goes on from."""
    remap: tuple[Remap, ...] = ()
    """Where inputs of the manifest lie now."""
    accept_changed: bool = False
    """Whether inputs may differ from the manifest."""
    took_effect: bool | None
    """A person's decision about the steps nobody knew of: they took effect, or they did not; null when all is known."""


@event("publish.repair_asked")
class RepairAsked(DomainEvent):
    """Somebody wants a validator's own repair of an instance: from now on it comes before each validation."""

    plugin: str
    """Plugin name of the validator."""
    instance: str
    """Instance name; empty for the context."""
    title: str
    """What the repair said it would do."""
    user: str
    """Who asked for it; in a rerun whoever asked the first time."""


@event("publish.made_good")
class PublishMadeGood(DomainEvent):
    """A rerun of this unsuccessful publish succeeded."""

    by: str
    """Id of that publish."""

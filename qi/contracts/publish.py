"""Publishes: asking for one, looking at it, replaying it."""

from __future__ import annotations

from dataclasses import field
from typing import Annotated

from qi.limits import Items, Name, PageSize, PathText, Prose, Text, Token
from qi.messages import STUDIO_ONLY, Done, Request, message


@message
class PublishStarted:
    publish: str
    position: int
    """Log position at which bundle and settings are pinned."""


@message
class RequestPublish(Request[PublishStarted], topic="publish.request", needs="publish.create", timeout_s=30.0):
    """Publish files as a version of a product. Returns when the publish exists; events tell how it goes on."""

    command: Token
    """Chosen by the caller; it becomes the id of the publish, so that asking twice makes one publish."""
    project: Name
    entity: PathText
    task: Name
    product: Name
    sources: Annotated[tuple[PathText, ...], Items(500)]
    """Absolute paths or frame patterns."""
    comment: Prose = ""
    bundle: Name = ""
    """Name or digest; production when empty."""
    environment: Annotated[dict[str, str], Items(2000)]
    """Of whoever asks; the worker runs in it."""


@message
class PublishedFile:
    path: str
    """Absolute."""
    size: int
    """Bytes."""
    digest: str
    """BLAKE3, 64 hex digits."""
    representation: str


@message
class PublishError:
    code: int
    step: str
    """State or plugin in which it went wrong."""
    message: str
    remedy: str


@message
class StepInfo:
    plugin: str
    instance: str
    state: str
    """The state that was being reached."""
    outcome: str
    """`ok`, `failed`, `skipped`, `started` or `unknown`."""
    duration_ms: float
    message: str = ""
    remedy: str = ""
    """What to do about it; empty when nobody knows."""
    records: str = ""
    """Names what its plugin logged, for :class:`~qi.contracts.publish_record.GetStepLog`; empty for nothing."""


@message
class RepairOffer:
    """What a validator that failed could put right by itself."""

    step: str
    """Key of the step, as :class:`RepairPublish` names it."""
    plugin: str
    instance: str
    title: str


@message
class RepairMade:
    """What is put right before each validation of this publish."""

    plugin: str
    instance: str
    title: str
    user: str
    """Who asked for it."""


@message
class PublishInfo:
    """One publish, as far as it came."""

    publish: str
    state: str
    version: int | None
    path: str | None
    """The version's folder; absolute."""
    files: int
    """How many; :class:`ListFiles` names them."""
    replay_of: str | None
    error: PublishError | None
    mode: str = "publish"
    """`publish`, or `what_if` for a trial that integrates nothing."""
    project: str = ""
    entity: str = ""
    task: str = ""
    product: str = ""
    comment: str = ""
    user: str = ""
    bundle: str = ""
    bundle_digest: str = ""
    position: int = 0
    """Log position at which bundle and settings are pinned."""
    manifest: str = ""
    """Digest in the content store; empty before `collected`."""
    made_good_by: str = ""
    """Publish whose success made this failure good: itself after a resume, or a rerun."""
    requested_at: int = 0
    finished_at: int = 0
    steps: tuple[StepInfo, ...] = ()
    offers: tuple[RepairOffer, ...] = ()
    repairs: tuple[RepairMade, ...] = ()


@message
class ShowPublish(Request[PublishInfo], topic="publish.show", needs="read"):
    """One publish with its steps."""

    publish: Token
    """Its id, or the beginning of it (six digits or more), or `last`."""


@message
class FileList:
    files: tuple[PublishedFile, ...]
    more: bool


@message
class ListFiles(Request[FileList], topic="publish.files", needs="read"):
    """The files of a version that became visible, in pages."""

    publish: Token
    offset: int = 0
    limit: PageSize = 500


@message
class PublishList:
    publishes: tuple[PublishInfo, ...]
    more: bool = False


@message
class ListPublishes(Request[PublishList], topic="publish.list", needs="read"):
    """Newest first, without their steps."""

    failed: bool = False
    """Only those that failed or were cut off and that no replay made good; whoever calls one off means it."""
    state: Annotated[str, Text(20, "^[a-z_]*$")] = ""
    """Only those in this state; `running` stands for every one that has not ended."""
    project: Name = ""
    user: Name = ""
    product: Name = ""
    plugin: Name = ""
    """Only those in which a plugin took part whose name contains this."""
    text: Annotated[str, Text(200)] = ""
    """Only those that contain each of these words in what tells them apart, from project to comment."""
    limit: PageSize = 50
    before: Token = ""
    """Continue after this publish of an earlier page."""


@message
class Remap:
    old: PathText
    new: PathText


@message
class ReplayPublish(Request[PublishStarted], topic="publish.replay", needs="publish.replay", timeout_s=30.0):
    """`resume` continues the same publish; `rerun` makes a new one from its manifest; `what-if` tries it with what
    holds now, in a scratch folder, and integrates nothing."""

    publish: Token
    mode: Annotated[str, Text(10, "^(resume|rerun|what-if)$")] = "resume"
    remap: Annotated[tuple[Remap, ...], Items(50)] = ()
    """Where inputs lie now."""
    accept_changed: bool = False
    """Go on although inputs are not what they were."""
    took_effect: bool | None = None
    """A person's word on a step of which nobody knows whether it took effect."""
    bundle: Name = ""
    """For a what-if: name or digest; production when empty."""
    settings_at: int = 0
    """For a what-if: bundle and settings as of this log position; now when 0."""
    environment: Annotated[dict[str, str], Items(2000)] = field(default_factory=dict)
    """For a what-if: of whoever asks; that of then when empty."""
    command: Token
    """For a rerun and a what-if it becomes the id of the new publish."""


@message
class RepairPublish(Request[PublishStarted], topic="publish.repair", needs="publish.replay", timeout_s=30.0):
    """Let validators that failed repair what they found, then validate again: the same publish goes on."""

    publish: Token
    steps: Annotated[tuple[Annotated[str, Text(1000)], ...], Items(100)]
    """Of its `offers`."""
    command: Token


@message
class CancelPublish(Request[PublishStarted], topic="publish.cancel", needs="publish.cancel"):
    """Call a publish off: its worker ends, what is not visible yet goes."""

    publish: Token
    reason: Prose = ""
    command: Token = ""


@message
class ResumeUnfinished(Request[Done], topic="publish.recover", needs=STUDIO_ONLY, timeout_s=60.0):
    """On start: finish what is planned, call the rest interrupted."""


@message
class Progress:
    """A feed on `qi.feed.progress.<publish>`; lossy."""

    publish: str
    state: str
    what: str
    """Plugin or file that is worked on."""
    done: float
    """0.0 to 1.0 over the whole publish."""

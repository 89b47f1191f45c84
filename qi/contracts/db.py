"""The production tracker, as everybody asks for it; the db service answers over the addon with the role `db`.

The values are those of :mod:`qi.contracts.tracker`. Each request has a twin that the provider answers: the service
adds who is looking, and asks the provider of the studio.
"""

from __future__ import annotations

from dataclasses import field
from typing import Annotated, Any

from qi.contracts.tracker import Entity, Link, Note, Product, Project, Representation, Task, Version
from qi.limits import Items, Name, PageSize, PathText, Prose, Span, Text, Token
from qi.messages import STUDIO_ONLY, Done, Request, message

FrameRange = tuple[int, int] | None


@message
class ProjectPage:
    items: tuple[Project, ...]
    next: str = ""
    """Hand it in as `after` for the next page; empty on the last one."""


@message
class ListProjects(Request[ProjectPage], topic="db.project.list", needs="read"):
    """The projects that the caller may see, by name."""

    archived: bool = False
    after: Name = ""
    limit: PageSize = 100


@message
class GetProject(Request[Project], topic="db.project.get", needs="read"):
    """One project."""

    project: Name
    """Id or name."""


@message
class CreateProject(Request[Project], topic="db.project.create", needs="project.manage"):
    """A new production."""

    name: Name
    root: PathText = ""
    """Folder that will hold the project's folder; the studio's own when empty. It must be there."""
    code: Name = ""
    fps: float = 24.0
    resolution: tuple[int, int] = (1920, 1080)
    members: Annotated[tuple[Name, ...], Items(1000)] = ()
    command: Token = ""


@message
class EntityPage:
    items: tuple[Entity, ...]
    next: str = ""


@message
class ListEntities(Request[EntityPage], topic="db.entity.list", needs="read"):
    """Sequences, shots and assets, by path."""

    project: Name
    parent: Name | None = None
    """Id or path of the entity above; the top when empty, everything when null."""
    kind: Name = ""
    text: Name = ""
    after: Name = ""
    limit: PageSize = 100


@message
class GetEntity(Request[Entity], topic="db.entity.get", needs="read"):
    """One sequence, shot or asset."""

    project: Name
    entity: PathText
    """Id or path."""


@message
class CreateEntity(Request[Entity], topic="db.entity.create", needs="project.manage"):
    """What is missing above it is made too."""

    project: Name
    path: PathText
    kind: Annotated[str, Text(20, "^(folder|episode|sequence|shot|asset)$")] = "shot"
    tasks: Annotated[tuple[Name, ...], Items(100)] = ()
    frames: FrameRange = None
    command: Token = ""


@message
class TaskPage:
    items: tuple[Task, ...]
    next: str = ""


@message
class ListTasks(Request[TaskPage], topic="db.task.list", needs="read"):
    """Tasks of a project, an entity or a person."""

    project: Name
    entity: PathText | None = None
    assignee: Name = ""
    after: Name = ""
    limit: PageSize = 100


@message
class CreateTask(Request[Task], topic="db.task.create", needs="project.manage"):
    """A piece of work on a sequence, shot or asset."""

    project: Name
    entity: PathText
    name: Name
    type: Name = ""
    """The same as its name unless said."""
    assignees: Annotated[tuple[Name, ...], Items(100)] = ()
    command: Token = ""


@message
class ChangeTask(Request[Task], topic="db.task.change", needs="publish.create"):
    """Its status, or who works on it."""

    project: Name
    task: Token
    status: Name = ""
    assignees: Annotated[tuple[Name, ...], Items(100)] | None = None
    command: Token = ""


@message
class FoundTask:
    project: Project
    entity: Entity
    task: Task


@message
class FindTask(Request[FoundTask], topic="db.task.find", needs="read"):
    """A context by names: what a publish or a workfile belongs to."""

    project: Name
    entity: PathText
    task: Name


@message
class ProductPage:
    items: tuple[Product, ...]
    next: str = ""


@message
class ListProducts(Request[ProductPage], topic="db.product.list", needs="read"):
    """Products, by name."""

    project: Name
    entity: PathText | None = None
    after: Name = ""
    limit: PageSize = 100


@message
class VersionPage:
    items: tuple[Version, ...]
    next: str = ""


@message
class ListVersions(Request[VersionPage], topic="db.version.list", needs="read"):
    """Versions, by number."""

    project: Name
    product: Token | None = None
    after: Name = ""
    limit: PageSize = 100


@message
class FoundVersion:
    entity: Entity
    product: Product
    version: Version


@message
class GetVersion(Request[FoundVersion], topic="db.version.get", needs="read"):
    """One version, and what it is a version of."""

    project: Name
    version: Token


@message
class LastNumber:
    number: int
    """0 when the tracker knows no version of the product."""


@message
class LatestVersion(Request[LastNumber], topic="db.version.latest", needs="read"):
    """The highest version number that the tracker knows of a product."""

    project: Name
    entity: PathText
    product: Name


@message
class RegisterVersion(Request[Version], topic="db.version.register", needs="publish.create", timeout_s=15.0):
    """Tell the tracker of a version that is there. Told twice under one key, it is one version."""

    project: Name
    entity: PathText
    task: Name
    product: Name
    type: Name = "render"
    number: Annotated[int, Span(1, 1_000_000)]
    path: PathText
    """The version's folder."""
    comment: Prose = ""
    publish: Token
    key: Token
    plan: Name
    """Digest, in the content store, of the integrate plan: the files and their metadata."""
    command: Token


@message
class ChangeVersion(Request[Version], topic="db.version.change", needs="version.approve"):
    """What people think of a version; what it is never changes."""

    project: Name
    version: Token
    status: Name = ""
    approval: Annotated[str, Text(20, "^(|pending|approved|rejected)$")] = ""
    command: Token = ""


@message
class RepresentationList:
    items: tuple[Representation, ...]


@message
class ListRepresentations(Request[RepresentationList], topic="db.representation.list", needs="read"):
    """Those of a version. Of a long sequence the first and the last files are named."""

    project: Name
    version: Token


@message
class NotePage:
    items: tuple[Note, ...]
    next: str = ""


@message
class ListNotes(Request[NotePage], topic="db.note.list", needs="read"):
    """What was written on an entity or a version, oldest first."""

    project: Name
    target: Token
    after: Name = ""
    limit: PageSize = 100


@message
class AddNote(Request[Note], topic="db.note.add", needs="note.write"):
    """Write on an entity or a version."""

    project: Name
    target: Token
    text: Prose
    command: Token = ""


@message
class LinkList:
    items: tuple[Link, ...]


@message
class ListLinks(Request[LinkList], topic="db.link.list", needs="read"):
    """The links a version is part of."""

    project: Name
    version: Token


@message
class AddLink(Request[Link], topic="db.link.add", needs="publish.create"):
    """One version was used to make another."""

    project: Name
    input: Token
    output: Token
    type: Annotated[str, Text(20, "^(reference|generative)$")] = "reference"
    command: Token = ""


@message
class TrackerAnswer:
    value: Any
    """The reply of the asked request, as JSON."""


@message
class TrackerNews:
    """A feed on `qi.feed.tracker.<what>`, after a change that went through Qi: whoever shows such things asks anew."""

    what: Token
    """`project`, `entity`, `task`, `version`, `note` or `link`."""


@message
class UseDb(Request[Done], topic="tracker.use", needs=STUDIO_ONLY):
    """From now on another addon has the role `db`."""

    bundle: Token
    addon: Token


@message
class AskTracker(Request[TrackerAnswer], topic="provider.db.ask", needs=STUDIO_ONLY, timeout_s=15.0):
    """To the addon with the role `db`: one of the requests above, with who is looking."""

    asked: Name
    """Topic of the request."""
    request: dict[str, Any] = field(default_factory=dict)
    viewer: Name
    sees_all: bool = False

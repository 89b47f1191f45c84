"""What a production tracker knows, and what Qi asks of one. Pure standard library; any thread.

A tracker holds projects; all else lies within one project and is reached through :meth:`Tracker.within`, which
answers only who may see that project. Ids are opaque tokens (`[a-z0-9_]+`); names are unique within their parent,
however they are typed. The suite :mod:`qi.testing.tracker_contract` holds for every tracker.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

T = TypeVar("T")

PAGE_ITEMS = 100
"""How many items a page holds unless asked otherwise."""


@dataclass(frozen=True, kw_only=True)
class Project:
    """One production."""

    name: str
    """What people call it."""
    root: str
    """Folder that holds its files; absolute."""
    code: str = ""
    """Short form for file names; the name when empty."""
    fps: float = 24.0
    """Frames per second."""
    resolution: tuple[int, int] = (1920, 1080)
    """Width and height in pixels."""
    members: tuple[str, ...] = ()
    """Names of the users who may see it; everyone when empty."""
    bundle: str = ""
    """Id of the bundle it refers to; production when empty."""
    archived: bool = False
    """An archived project is read, not written."""
    id: str = ""
    """Given by the tracker."""


@dataclass(frozen=True, kw_only=True)
class Entity:
    """A thing that is worked on: an asset, a shot, or what groups them."""

    name: str
    """Last part of its path."""
    kind: str
    """`folder`, `episode`, `sequence`, `shot` or `asset`."""
    path: str
    """Names from the project down, `seq010/sh0100`."""
    parent: str = ""
    """Id of the entity above; empty at the top."""
    frames: tuple[int, int] | None = None
    """First and last frame of the cut, both included; null when it has no range."""
    attributes: dict[str, Any] = field(default_factory=dict)
    """Whatever else the studio keeps of it; JSON."""
    id: str = ""
    """Given by the tracker."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """A piece of work on an entity."""

    entity: str
    """Id of the entity."""
    name: str
    """Unique on its entity."""
    type: str
    """`comp`, `lighting`, `modeling` …"""
    status: str = "todo"
    """The studio's word for how far it is."""
    assignees: tuple[str, ...] = ()
    """Names of users."""
    id: str = ""
    """Given by the tracker."""


@dataclass(frozen=True, kw_only=True)
class Product:
    """What is published again and again: its versions are states of one thing."""

    entity: str
    """Id of the entity it belongs to."""
    name: str
    """Unique on its entity, `renderMain`."""
    type: str
    """`render`, `model`, `workfile` …"""
    id: str = ""
    """Given by the tracker."""


@dataclass(frozen=True, kw_only=True)
class Version:
    """One publish of a product. What it is never changes; what people think of it does."""

    product: str
    """Id of the product."""
    number: int
    """From 1; unique on its product."""
    key: str
    """Idempotency key it was registered under."""
    publish: str = ""
    """Id of the publish that made it; empty when it comes from elsewhere."""
    task: str = ""
    """Id of the task it was made for; empty for none."""
    author: str = ""
    """Name of the user."""
    comment: str = ""
    """The author's words."""
    status: str = "new"
    """The studio's word for how far it is."""
    approval: str = "pending"
    """`pending`, `approved` or `rejected`."""
    created_at: int = 0
    """Microseconds since the epoch."""
    id: str = ""
    """Given by the tracker."""


@dataclass(frozen=True, kw_only=True)
class FileRecord:
    """One file of a representation."""

    path: str
    """Below the version's folder."""
    size: int
    """Bytes."""
    digest: str
    """BLAKE3, 64 hex digits."""


@dataclass(frozen=True, kw_only=True)
class Representation:
    """One form of a version: the frames, a movie of them, a thumbnail."""

    name: str
    """Unique on its version: `exr`, `mp4` …"""
    folder: str
    """The version's folder; absolute."""
    files: tuple[FileRecord, ...]
    """All its files, in order."""
    metadata: dict[str, Any] = field(default_factory=dict)
    """Frame range, colour space, codec …; JSON."""
    version: str = ""
    """Id of the version; given by the tracker."""
    id: str = ""
    """Given by the tracker."""


@dataclass(frozen=True, kw_only=True)
class Note:
    """What somebody wrote on an entity or a version. Never changed afterwards."""

    target: str
    """Id of the entity or version."""
    author: str
    """Name of the user."""
    text: str
    """Markdown."""
    created_at: int = 0
    """Microseconds since the epoch."""
    id: str = ""
    """Given by the tracker."""


@dataclass(frozen=True, kw_only=True)
class Link:
    """A version went into another one."""

    input: str
    """Id of the version that was used."""
    output: str
    """Id of the version that was made with it."""
    type: str = "reference"
    """`reference` (it was loaded) or `generative` (it was made from it)."""
    id: str = ""
    """Given by the tracker."""


@dataclass(frozen=True)
class Page(Generic[T]):
    """Some items of a longer list."""

    items: tuple[T, ...]
    next: str = ""
    """Hand it in as `after` to get the next page; empty on the last one."""


@dataclass(frozen=True)
class Viewer:
    """Who is looking."""

    user: str
    """Name."""
    sees_all: bool = False
    """Leads and admins see projects they are no members of."""


class Tracker(Protocol):
    """All projects. Raises :class:`NotFound` for what does not exist or may not be seen."""

    def projects(
        self, viewer: Viewer, *, archived: bool = False, after: str = "", limit: int = PAGE_ITEMS
    ) -> Page[Project]:
        """By name; with `archived` the archived ones too."""
        ...

    def project(self, viewer: Viewer, id_or_name: str) -> Project: ...

    def add_project(self, project: Project) -> Project:
        """The project with its id. Raises :class:`Conflict` when the name is taken."""
        ...

    def change_project(self, project: Project) -> Project:
        """Put `project` in the place of the one with its id. Raises :class:`Conflict` when the name is taken."""
        ...

    def within(self, viewer: Viewer, project: str) -> ProjectTracker:
        """Everything in the project with that id."""
        ...


class ProjectTracker(Protocol):
    """Everything within one project.

    Lists are sorted by path or name, versions by number. Raises :class:`NotFound` for what does not exist,
    :class:`Conflict` for a name or number that is taken, :class:`Invalid` for malformed values, :class:`Locked` for
    a change in an archived project.
    """

    def entities(
        self, *, parent: str | None = None, kind: str = "", text: str = "", after: str = "", limit: int = PAGE_ITEMS
    ) -> Page[Entity]:
        """Of all the project, or the children of `parent` (`""`: the top); `text` occurs in their path."""
        ...

    def entity(self, id_or_path: str) -> Entity: ...

    def add_entity(
        self, path: str, kind: str, *, frames: tuple[int, int] | None = None, attributes: dict[str, Any] | None = None
    ) -> Entity:
        """The new entity; what is missing above it is made (a sequence above a shot, else folders)."""
        ...

    def change_entity(
        self, entity_id: str, *, frames: tuple[int, int] | None = None, attributes: dict[str, Any] | None = None
    ) -> Entity:
        """`None` leaves a thing as it is; `attributes` are merged, null takes one away."""
        ...

    def tasks(
        self, *, entity: str | None = None, assignee: str = "", after: str = "", limit: int = PAGE_ITEMS
    ) -> Page[Task]: ...

    def task(self, task_id: str) -> Task: ...

    def add_task(self, task: Task) -> Task: ...

    def change_task(self, task_id: str, *, status: str = "", assignees: Sequence[str] | None = None) -> Task: ...

    def products(
        self, *, entity: str | None = None, product_type: str = "", after: str = "", limit: int = PAGE_ITEMS
    ) -> Page[Product]: ...

    def product(self, product_id: str) -> Product: ...

    def ensure_product(self, entity: str, name: str, product_type: str) -> Product:
        """The product of that name, made when missing. Raises :class:`Conflict` when it has another type."""
        ...

    def versions(self, *, product: str | None = None, after: str = "", limit: int = PAGE_ITEMS) -> Page[Version]: ...

    def version(self, version_id: str) -> Version: ...

    def last_number(self, product: str) -> int:
        """The highest version number known of the product; 0 when there is none."""
        ...

    def register(self, version: Version, representations: Sequence[Representation]) -> Version:
        """Add a version with all its representations, at once. Registering the same thing twice under one key gives
        the same version. Raises :class:`Conflict` for another thing under a known key, or a number that is taken."""
        ...

    def change_version(self, version_id: str, *, status: str = "", approval: str = "") -> Version: ...

    def representations(self, version: str) -> tuple[Representation, ...]:
        """By name."""
        ...

    def notes(self, target: str, *, after: str = "", limit: int = PAGE_ITEMS) -> Page[Note]:
        """Oldest first."""
        ...

    def add_note(self, note: Note) -> Note: ...

    def links(self, version: str) -> tuple[Link, ...]:
        """Those in which the version is input or output."""
        ...

    def add_link(self, link: Link) -> Link:
        """The link; the one that is there when it is there already. Raises :class:`Invalid` for a circle."""
        ...

"""What a project holds, how each kind is kept, and what reading and writing it have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from events.names import fold_name
from qi.contracts.tracker import Entity, Link, Note, Page, Product, Project, Representation, Task, Version
from qi.errors import Locked, NotFound
from qi_local.tracker.folder import Folder, Shelf
from qi_local.tracker.paging import page

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Registered:
    """A version and all its representations in one file: so both are there, or neither."""

    version: Version
    representations: tuple[Representation, ...]


ENTITIES: Shelf[Entity] = Shelf(
    folder="entities",
    type=Entity,
    id=lambda entity: entity.id,
    place=lambda entity: (entity.parent, fold_name(entity.name)),
    sort=lambda entity: fold_name(entity.path),
)
TASKS: Shelf[Task] = Shelf(
    folder="tasks",
    type=Task,
    id=lambda task: task.id,
    place=lambda task: (task.entity, fold_name(task.name)),
    sort=lambda task: fold_name(task.name),
)
PRODUCTS: Shelf[Product] = Shelf(
    folder="products",
    type=Product,
    id=lambda product: product.id,
    place=lambda product: (product.entity, fold_name(product.name)),
    sort=lambda product: fold_name(product.name),
)
VERSIONS: Shelf[Registered] = Shelf(
    folder="versions",
    type=Registered,
    id=lambda registered: registered.version.id,
    place=lambda registered: (registered.version.product, f"{registered.version.number:09d}"),
    sort=lambda registered: f"{registered.version.number:09d}",
)
NOTES: Shelf[Note] = Shelf(
    folder="notes",
    type=Note,
    id=lambda note: note.id,
    place=lambda note: (note.target, note.id),
    sort=lambda note: f"{note.created_at:020d}",
)
LINKS: Shelf[Link] = Shelf(
    folder="links",
    type=Link,
    id=lambda link: link.id,
    place=lambda link: (link.output, f"{link.input}/{link.type}"),
    sort=lambda link: link.id,
)
SHELVES = (ENTITIES, TASKS, PRODUCTS, VERSIONS, NOTES, LINKS)


class Room:
    """A project's folder, opened."""

    def __init__(self, folder: Folder, project: Callable[[], Project]) -> None:
        """`project` reads the project as it is now."""
        self._folder = folder
        self._project = project

    def _page(
        self, shelf: Shelf[T], parent: str | None, wanted: Callable[[T], bool], after: str, limit: int
    ) -> Page[T]:
        return page(shelf, self._folder.read(shelf), parent, wanted, after, limit)

    def _get(self, shelf: Shelf[T], id_: str, what: str) -> T:
        found = self._folder.read(shelf).by_id.get(id_)
        if found is None:
            raise NotFound(f"there is no {what} {id_} in project '{self._project().name}'", id=id_)
        return found

    @contextmanager
    def _writing(self) -> Iterator[None]:
        with self._folder.writing():
            project = self._project()
            if project.archived:
                raise Locked(f"project '{project.name}' is archived", remedy="Unarchive it first.", project=project.id)
            yield

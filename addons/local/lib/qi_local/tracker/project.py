"""One project of the tracker in files: entities, tasks, products. One thread at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from events.ids import new_id
from events.names import check_name, fold_name
from qi.contracts.tracker import PAGE_ITEMS, Entity, Page, Product, Task
from qi.errors import Conflict, Invalid, NotFound
from qi_local.tracker.shelves import ENTITIES, PRODUCTS, TASKS
from qi_local.tracker.versions import Versions

KINDS = ("folder", "episode", "sequence", "shot", "asset")
DEEPEST_PATH_PARTS = 32


class FileProject(Versions):
    """A :class:`qi.contracts.tracker.ProjectTracker`."""

    def entities(
        self, *, parent: str | None = None, kind: str = "", text: str = "", after: str = "", limit: int = PAGE_ITEMS
    ) -> Page[Entity]:
        wanted = fold_name(text)

        def is_wanted(entity: Entity) -> bool:
            return kind in ("", entity.kind) and (not wanted or wanted in fold_name(entity.path))

        return self._page(ENTITIES, parent, is_wanted, after, limit)

    def entity(self, id_or_path: str) -> Entity:
        things = self._folder.read(ENTITIES)
        found, above = things.by_id.get(id_or_path), ""
        for name in () if found else id_or_path.split("/"):
            found = things.at((above, fold_name(name)))
            if found is None:
                break
            above = found.id
        if found is None:
            raise NotFound(f"there is no '{id_or_path}' in project '{self._project().name}'", path=id_or_path)
        return found

    def add_entity(
        self, path: str, kind: str, *, frames: tuple[int, int] | None = None, attributes: dict[str, Any] | None = None
    ) -> Entity:
        names = [check_name(name) for name in path.split("/")]
        if kind not in KINDS or len(names) > DEEPEST_PATH_PARTS:
            raise Invalid(f"'{kind}' is no kind of entity", fields={"kind": f"is one of {', '.join(KINDS)}"})
        _check_frames(frames)
        with self._writing():
            things = self._folder.read(ENTITIES)
            made: list[Entity] = []
            above: Entity | None = None
            for depth, name in enumerate(names):
                there = things.at((above.id if above else "", fold_name(name)))
                if there is None:
                    there = Entity(
                        id=new_id(),
                        name=name,
                        kind="sequence" if kind == "shot" and depth == len(names) - 2 else "folder",
                        path=f"{above.path}/{name}" if above else name,
                        parent=above.id if above else "",
                    )
                    made.append(there)
                above = there
            if not made or made[-1] is not above:
                raise Conflict(f"there is a '{path}' already", path=path)
            made[-1] = replace(made[-1], kind=kind, frames=frames, attributes=attributes or {})
            return self._folder.write(ENTITIES, *made)[-1]

    def change_entity(
        self, entity_id: str, *, frames: tuple[int, int] | None = None, attributes: dict[str, Any] | None = None
    ) -> Entity:
        _check_frames(frames)
        with self._writing():
            entity = self._get(ENTITIES, entity_id, "entity")
            merged = {**entity.attributes, **(attributes or {})}
            kept = {key: value for key, value in merged.items() if value is not None}
            return self._folder.write(ENTITIES, replace(entity, frames=frames or entity.frames, attributes=kept))[0]

    def tasks(
        self, *, entity: str | None = None, assignee: str = "", after: str = "", limit: int = PAGE_ITEMS
    ) -> Page[Task]:
        wanted = fold_name(assignee)

        def is_wanted(task: Task) -> bool:
            return not wanted or wanted in map(fold_name, task.assignees)

        return self._page(TASKS, entity, is_wanted, after, limit)

    def task(self, task_id: str) -> Task:
        return self._get(TASKS, task_id, "task")

    def add_task(self, task: Task) -> Task:
        task = replace(task, id=new_id(), name=check_name(task.name), type=check_name(task.type))
        with self._writing():
            self._get(ENTITIES, task.entity, "entity")
            if self._folder.read(TASKS).at(TASKS.place(task)):
                raise Conflict(f"there is a task '{task.name}' already", entity=task.entity)
            return self._folder.write(TASKS, task)[0]

    def change_task(self, task_id: str, *, status: str = "", assignees: Sequence[str] | None = None) -> Task:
        with self._writing():
            task = self._get(TASKS, task_id, "task")
            who = task.assignees if assignees is None else tuple(assignees)
            return self._folder.write(TASKS, replace(task, status=status or task.status, assignees=who))[0]

    def products(
        self, *, entity: str | None = None, product_type: str = "", after: str = "", limit: int = PAGE_ITEMS
    ) -> Page[Product]:
        return self._page(PRODUCTS, entity, lambda product: product_type in ("", product.type), after, limit)

    def product(self, product_id: str) -> Product:
        return self._get(PRODUCTS, product_id, "product")

    def ensure_product(self, entity: str, name: str, product_type: str) -> Product:
        product = Product(id=new_id(), entity=entity, name=check_name(name), type=check_name(product_type))
        with self._writing():
            self._get(ENTITIES, entity, "entity")
            there = self._folder.read(PRODUCTS).at(PRODUCTS.place(product))
            if there is None:
                return self._folder.write(PRODUCTS, product)[0]
            if there.type != product_type:
                raise Conflict(f"product '{there.name}' is a {there.type}, not a {product_type}", product=there.id)
            return there


def _check_frames(frames: tuple[int, int] | None) -> None:
    if frames is not None and frames[0] > frames[1]:
        raise Invalid(f"a cut does not begin at {frames[0]} and end at {frames[1]}", fields={"frames": "run backwards"})

"""Answers the requests of :mod:`qi.contracts.db` over any :class:`~qi.contracts.tracker.Tracker`.

An addon with the role `db` wraps its tracker in :class:`TrackerAddon` and is done. Actor thread.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from events.blobs import Blobs
from events.record import Digest, now
from qi.actor import handles
from qi.addon import Addon
from qi.contracts import db
from qi.contracts.db import AskTracker, TrackerAnswer
from qi.contracts.tracker import (
    Entity,
    FileRecord,
    Link,
    Note,
    Page,
    Project,
    ProjectTracker,
    Representation,
    Task,
    Tracker,
    Version,
    Viewer,
)
from qi.errors import BadRequest, NotFound
from qi.home import Home
from qi.messages import TOPICS, Request

FILES_NAMED = 100
"""How many files of a representation one reply names: a reply must stay below the size limit of a message."""

Q = TypeVar("Q", bound=Request[Any])
Answer = Callable[["TrackerAddon", Any, Viewer], Any]
ANSWERS: dict[type[Request[Any]], Answer] = {}


def answers(kind: type[Q]) -> Callable[[Callable[[Any, Q, Viewer], Any]], Callable[[Any, Q, Viewer], Any]]:
    """Mark the method that answers one request of the contract."""

    def mark(method: Callable[[Any, Q, Viewer], Any]) -> Callable[[Any, Q, Viewer], Any]:
        ANSWERS[kind] = method
        return method

    return mark


class TrackerAddon(Addon):
    """Base of an addon with the role `db`: give it a tracker in :meth:`open_tracker`."""

    def open_tracker(self) -> Tracker:
        raise TypeError(f"{type(self).__name__} opens no tracker")

    def setup(self) -> None:
        self.tracker = self.open_tracker()
        self._blobs = Blobs(Home(self.home).blobs)

    @handles(AskTracker)
    def ask(self, message: AskTracker) -> TrackerAnswer:
        kind = TOPICS.get(message.asked)
        answer = ANSWERS.get(kind) if kind is not None else None
        if kind is None or answer is None:
            raise BadRequest(f"a tracker is not asked '{message.asked}'")
        request = msgspec.convert(message.request, kind, strict=False)
        viewer = Viewer(message.viewer, message.sees_all)
        return TrackerAnswer(value=msgspec.to_builtins(answer(self, request, viewer)))

    # -- projects -----------------------------------------------------------------------------------------------

    @answers(db.ListProjects)
    def _projects(self, asked: db.ListProjects, viewer: Viewer) -> db.ProjectPage:
        page = self.tracker.projects(viewer, archived=asked.archived, after=asked.after, limit=asked.limit)
        return db.ProjectPage(items=page.items, next=page.next)

    @answers(db.GetProject)
    def _project(self, asked: db.GetProject, viewer: Viewer) -> Project:
        return self.tracker.project(viewer, asked.project)

    @answers(db.CreateProject)
    def _create_project(self, asked: db.CreateProject, viewer: Viewer) -> Project:
        return self.tracker.add_project(
            Project(
                name=asked.name, root=asked.root, code=asked.code, fps=asked.fps, resolution=asked.resolution,
                members=asked.members,
            )
        )  # fmt: skip

    # -- entities and tasks -------------------------------------------------------------------------------------

    @answers(db.ListEntities)
    def _entities(self, asked: db.ListEntities, viewer: Viewer) -> db.EntityPage:
        inside = self._within(asked.project, viewer)
        parent = inside.entity(asked.parent).id if asked.parent else asked.parent
        page = inside.entities(parent=parent, kind=asked.kind, text=asked.text, after=asked.after, limit=asked.limit)
        return db.EntityPage(items=page.items, next=page.next)

    @answers(db.GetEntity)
    def _entity(self, asked: db.GetEntity, viewer: Viewer) -> Entity:
        return self._within(asked.project, viewer).entity(asked.entity)

    @answers(db.CreateEntity)
    def _create_entity(self, asked: db.CreateEntity, viewer: Viewer) -> Any:
        inside = self._within(asked.project, viewer)
        made = inside.add_entity(asked.path, asked.kind, frames=asked.frames)
        for task in asked.tasks:
            inside.add_task(Task(entity=made.id, name=task, type=task))
        return made

    @answers(db.ListTasks)
    def _tasks(self, asked: db.ListTasks, viewer: Viewer) -> db.TaskPage:
        inside = self._within(asked.project, viewer)
        entity = inside.entity(asked.entity).id if asked.entity is not None else None
        page = inside.tasks(entity=entity, assignee=asked.assignee, after=asked.after, limit=asked.limit)
        return db.TaskPage(items=page.items, next=page.next)

    @answers(db.CreateTask)
    def _create_task(self, asked: db.CreateTask, viewer: Viewer) -> Task:
        inside = self._within(asked.project, viewer)
        entity = inside.entity(asked.entity)
        return inside.add_task(
            Task(entity=entity.id, name=asked.name, type=asked.type or asked.name, assignees=asked.assignees)
        )

    @answers(db.ChangeTask)
    def _change_task(self, asked: db.ChangeTask, viewer: Viewer) -> Task:
        return self._within(asked.project, viewer).change_task(
            asked.task, status=asked.status, assignees=asked.assignees
        )

    @answers(db.FindTask)
    def _find_task(self, asked: db.FindTask, viewer: Viewer) -> db.FoundTask:
        project = self.tracker.project(viewer, asked.project)
        inside = self.tracker.within(viewer, project.id)
        entity = inside.entity(asked.entity)
        tasks = _all(lambda after: inside.tasks(entity=entity.id, after=after))
        for task in tasks:
            if task.name.casefold() == asked.task.casefold():
                return db.FoundTask(project=project, entity=entity, task=task)
        known = ", ".join(task.name for task in tasks) or "none"
        raise NotFound(f"'{entity.path}' has no task '{asked.task}'", remedy=f"its tasks are: {known}")

    # -- products and versions ----------------------------------------------------------------------------------

    @answers(db.ListProducts)
    def _products(self, asked: db.ListProducts, viewer: Viewer) -> db.ProductPage:
        inside = self._within(asked.project, viewer)
        entity = inside.entity(asked.entity).id if asked.entity is not None else None
        page = inside.products(entity=entity, after=asked.after, limit=asked.limit)
        return db.ProductPage(items=page.items, next=page.next)

    @answers(db.ListVersions)
    def _versions(self, asked: db.ListVersions, viewer: Viewer) -> db.VersionPage:
        inside = self._within(asked.project, viewer)
        page = inside.versions(product=asked.product, after=asked.after, limit=asked.limit)
        return db.VersionPage(items=page.items, next=page.next)

    @answers(db.GetVersion)
    def _version(self, asked: db.GetVersion, viewer: Viewer) -> db.FoundVersion:
        inside = self._within(asked.project, viewer)
        version = inside.version(asked.version)
        product = inside.product(version.product)
        return db.FoundVersion(entity=inside.entity(product.entity), product=product, version=version)

    @answers(db.LatestVersion)
    def _latest(self, asked: db.LatestVersion, viewer: Viewer) -> db.LastNumber:
        inside = self._within(asked.project, viewer)
        entity = inside.entity(asked.entity)
        for product in _all(lambda after: inside.products(entity=entity.id, after=after)):
            if product.name.casefold() == asked.product.casefold():
                return db.LastNumber(number=inside.last_number(product.id))
        return db.LastNumber(number=0)

    @answers(db.RegisterVersion)
    def _register(self, asked: db.RegisterVersion, viewer: Viewer) -> Version:
        found = self._find_task(db.FindTask(project=asked.project, entity=asked.entity, task=asked.task), viewer)
        inside = self.tracker.within(viewer, found.project.id)
        product = inside.ensure_product(found.entity.id, asked.product, asked.type)
        version = Version(
            product=product.id, number=asked.number, key=asked.key, publish=asked.publish, task=found.task.id,
            author=viewer.user, comment=asked.comment, created_at=now(),
        )  # fmt: skip
        return inside.register(version, _planned(self._blobs, asked.plan, asked.path))

    @answers(db.ChangeVersion)
    def _change_version(self, asked: db.ChangeVersion, viewer: Viewer) -> Version:
        inside = self._within(asked.project, viewer)
        return inside.change_version(asked.version, status=asked.status, approval=asked.approval)

    @answers(db.ListRepresentations)
    def _representations(self, asked: db.ListRepresentations, viewer: Viewer) -> db.RepresentationList:
        found = self._within(asked.project, viewer).representations(asked.version)
        return db.RepresentationList(items=tuple(_short(one) for one in found))

    # -- notes and links ----------------------------------------------------------------------------------------

    @answers(db.ListNotes)
    def _notes(self, asked: db.ListNotes, viewer: Viewer) -> db.NotePage:
        page = self._within(asked.project, viewer).notes(asked.target, after=asked.after, limit=asked.limit)
        return db.NotePage(items=page.items, next=page.next)

    @answers(db.AddNote)
    def _add_note(self, asked: db.AddNote, viewer: Viewer) -> Note:
        note = Note(target=asked.target, author=viewer.user, text=asked.text, created_at=now())
        return self._within(asked.project, viewer).add_note(note)

    @answers(db.ListLinks)
    def _links(self, asked: db.ListLinks, viewer: Viewer) -> db.LinkList:
        return db.LinkList(items=self._within(asked.project, viewer).links(asked.version))

    @answers(db.AddLink)
    def _add_link(self, asked: db.AddLink, viewer: Viewer) -> Link:
        link = Link(input=asked.input, output=asked.output, type=asked.type)
        return self._within(asked.project, viewer).add_link(link)

    def _within(self, project: str, viewer: Viewer) -> ProjectTracker:
        return self.tracker.within(viewer, self.tracker.project(viewer, project).id)


def _all(page_after: Callable[[str], Page[Any]]) -> list[Any]:
    found: list[Any] = []
    after = ""
    while True:
        page = page_after(after)
        found += page.items
        if not page.next:
            return found
        after = page.next


def _planned(blobs: Blobs, digest: str, folder: str) -> tuple[Representation, ...]:
    """The representations that an integrate plan holds."""
    content = msgspec.json.decode(blobs.get(Digest(digest)))
    files: dict[str, list[FileRecord]] = {}
    for file in content["plan"]["files"]:
        record = FileRecord(path=file["name"], size=file["size"], digest=file["digest"])
        files.setdefault(file["representation"], []).append(record)
    return tuple(
        Representation(
            name=name, folder=str(Path(folder)), files=tuple(records), metadata=content["metadata"].get(name, {})
        )
        for name, records in files.items()
    )


def _short(found: Representation) -> Representation:
    if len(found.files) <= FILES_NAMED:
        return found
    half = FILES_NAMED // 2
    metadata = {**found.metadata, "files": len(found.files)}
    return replace(found, files=(*found.files[:half], *found.files[-half:]), metadata=metadata)

"""The projects of the tracker in files. One thread at a time."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from events.ids import new_id
from events.names import check_name, fold_name
from qi.contracts.tracker import PAGE_ITEMS, Page, Project, Viewer
from qi.errors import Conflict, Invalid, NotFound
from qi_local.tracker.files import make_folder
from qi_local.tracker.folder import Folder, Shelf
from qi_local.tracker.paging import page
from qi_local.tracker.project import FileProject
from qi_local.tracker.shelves import SHELVES

PROJECTS: Shelf[Project] = Shelf(
    folder="projects",
    type=Project,
    id=lambda project: project.id,
    place=lambda project: ("", fold_name(project.name)),
    sort=lambda project: fold_name(project.name),
)


class FileTracker:
    """A :class:`qi.contracts.tracker.Tracker` below the folder `root`, which may be shared by processes."""

    def __init__(self, root: Path) -> None:
        make_folder(root)
        self._root = root
        self._lock = root / ".lock"
        self._folder = Folder(root, self._lock, (PROJECTS,))
        self._opened: dict[str, Folder] = {}

    def projects(
        self, viewer: Viewer, *, archived: bool = False, after: str = "", limit: int = PAGE_ITEMS
    ) -> Page[Project]:
        def is_wanted(project: Project) -> bool:
            return may_see(viewer, project) and (archived or not project.archived)

        return page(PROJECTS, self._folder.read(PROJECTS), None, is_wanted, after, limit)

    def project(self, viewer: Viewer, id_or_name: str) -> Project:
        things = self._folder.read(PROJECTS)
        found = things.by_id.get(id_or_name) or things.at(("", fold_name(id_or_name)))
        if found is None or not may_see(viewer, found):
            raise NotFound(f"there is no project '{id_or_name}'", project=id_or_name)
        return found

    def add_project(self, project: Project) -> Project:
        with self._folder.writing():
            return self._put(replace(project, id=new_id()))

    def change_project(self, project: Project) -> Project:
        with self._folder.writing():
            if project.id not in self._folder.read(PROJECTS).by_id:
                raise NotFound(f"there is no project {project.id}", project=project.id)
            return self._put(project)

    def within(self, viewer: Viewer, project: str) -> FileProject:
        id_ = self.project(viewer, project).id
        folder = self._opened.get(id_)
        if folder is None:
            folder = self._opened[id_] = Folder(self._root / "within" / id_, self._lock, SHELVES)
        return FileProject(folder, lambda: self._folder.read(PROJECTS).by_id[id_])

    def _put(self, project: Project) -> Project:
        project = replace(project, name=check_name(project.name))
        wrong = {
            "root": "is not absolute" if not Path(project.root).is_absolute() else "",
            "fps": "is not above 0" if project.fps <= 0 else "",
            "resolution": "is not above 0" if min(project.resolution) < 1 else "",
        }
        if fields := {name: why for name, why in wrong.items() if why}:
            raise Invalid(f"'{project.name}' is no project: {', '.join(map(' '.join, fields.items()))}", fields=fields)
        there = self._folder.read(PROJECTS).at(PROJECTS.place(project))
        if there is not None and there.id != project.id:
            raise Conflict(f"there is a project '{there.name}' already", project=there.id)
        return self._folder.write(PROJECTS, project)[0]


def may_see(viewer: Viewer, project: Project) -> bool:
    """A project without members is everybody's."""
    if viewer.sees_all or not project.members:
        return True
    return fold_name(viewer.user) in map(fold_name, project.members)

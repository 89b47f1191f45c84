"""Folders: the structures that a project's settings preset, made on the disk."""

from __future__ import annotations

from pathlib import Path

from qi.actor import Actor, handles
from qi.contracts.db import GetProject
from qi.contracts.folders import FoldersMade, MakeFolders
from qi.contracts.settings import GetSettings
from qi.core_settings import CORE, CoreSettings
from qi.destination import rooted
from qi.paths import path_values


class Folders(Actor):
    """Makes folders; what exists stays."""

    name = "folders"
    requests = (GetProject, GetSettings)

    @handles(MakeFolders)
    def make(self, message: MakeFolders) -> FoldersMade:
        project = self.request(GetProject(project=message.project))
        values = self.request(GetSettings(addon=CORE, project=project.name)).values[CORE]
        paths = rooted(CoreSettings.model_validate(values).paths, project.root)
        made: list[Path] = list(paths.make_folders("project", path_values(project.name)))
        if message.entity:
            made += paths.make_folders("entity", path_values(project.name, message.entity))
        if message.entity and message.task:
            made += paths.make_folders("task", path_values(project.name, message.entity, task=message.task))
        return FoldersMade(folders=tuple(map(str, made)))

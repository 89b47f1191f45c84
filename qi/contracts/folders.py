"""Preset folder structures of projects, entities and tasks."""

from __future__ import annotations

from qi.limits import Name, PathText
from qi.messages import Request, message


@message
class FoldersMade:
    folders: tuple[str, ...]
    """Those that were not there yet; absolute."""


@message
class MakeFolders(Request[FoldersMade], topic="folder.make", needs="project.manage", timeout_s=30.0):
    """Make what the project's settings preset: for the project, and for the entity and task that are named."""

    project: Name
    entity: PathText = ""
    task: Name = ""

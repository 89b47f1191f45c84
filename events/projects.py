"""Projects as they were created through Qi. The tracker is their master; here stands who began one. Any thread."""

from __future__ import annotations

import hashlib
import re

from events.record import DomainEvent, StreamName, event, stream_name


@event("project.created")
class ProjectCreated(DomainEvent):
    """The tracker has a new project."""

    project: str
    """The tracker's id of it."""
    name: str
    root: str
    """Folder that holds its folder."""


def project_stream(project: str) -> StreamName:
    """The stream of a project, by the tracker's id of it, whatever that looks like."""
    plain = re.fullmatch(r"[0-9A-Za-z_]{1,128}", project)
    return stream_name("project", project if plain else hashlib.sha256(project.encode()).hexdigest()[:40])

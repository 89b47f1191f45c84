"""What a publish would be, before anybody asks for it: nothing is recorded, and no number is claimed."""

from __future__ import annotations

from typing import Annotated

from qi.limits import Items, Name, PathText
from qi.messages import Request, message


@message
class VersionPreview:
    version: int
    """The next number as of now; it is claimed only by a publish."""
    path: str
    """Folder of that version; absolute."""
    file: str
    """How a frame of it would be named."""
    bundle: str
    """Name of the bundle that would be used."""


@message
class PreviewVersion(Request[VersionPreview], topic="publish.preview", needs="publish.create"):
    """Where the next version of a product would go. Refuses the names that a publish would refuse."""

    project: Name
    entity: PathText
    task: Name
    product: Name


@message
class Recognised:
    """One instance, as the collectors found it."""

    name: str
    family: str
    families: tuple[str, ...]
    sequence: str
    """File name with `####` for the frame, or the only file's name; empty when its files are not one sequence."""
    files: int
    size: int
    """Bytes of all files."""
    first: int | None
    """First frame; None where there are no frames."""
    last: int | None
    gaps: str
    """Missing frames, `1004, 1007-1009`; empty for none."""
    missing: int
    """How many frames are missing."""
    collected_by: str
    """Plugin that made the instance; its addon is in the bundle."""
    taken_by: tuple[str, ...]
    """Plugins that would check and extract it, in their order."""


@message
class Recognition:
    instances: tuple[Recognised, ...]
    more: int
    """How many further instances were found."""


@message
class Recognise(Request[Recognition], topic="publish.recognise", needs="publish.create", timeout_s=30.0):
    """What the collectors of the bundle make of these files. They run in a process of their own, as in a publish;
    hooks are not asked, because nothing was requested yet."""

    project: Name
    entity: PathText
    task: Name
    product: Name
    sources: Annotated[tuple[PathText, ...], Items(500)]
    """Absolute paths or frame patterns."""

"""The media addon's settings as the plugins use them, and their defaults. Any thread."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any


@dataclass(frozen=True)
class MediaSettings:
    """What the settings of the addon can change."""

    fps: float = 24.0
    """Frames a second, where the context names none."""
    thumbnail_size: int = 512
    """Longer side of a thumbnail, pixels at most."""
    review: bool = True
    """Whether a sequence gets a review movie."""
    review_size: int = 1920
    """Longer side of the review movie, pixels at most."""
    review_crf: int = 18
    """Quality of the review movie, 0 (lossless) to 51."""
    colour_space: str = ""
    """Colour space of the frames; empty believes the files, and takes floating point for linear Rec.709."""
    colour_config: str = "ocio://default"
    """OpenColorIO configuration; the built-in one makes the same movie on every machine."""


def settings_of(context: Any) -> MediaSettings:
    """The settings of a pyblish context."""
    given = context.data.get("settings", {}).get("media", {})
    known = {field.name for field in fields(MediaSettings)}
    return MediaSettings(**{name: value for name, value in given.items() if name in known})


def fps_of(context: Any) -> float:
    """Frames a second of a pyblish context."""
    return float(context.data.get("fps") or settings_of(context).fps)

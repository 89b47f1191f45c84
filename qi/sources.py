"""What a person names as the source of a publish: a file, or a pattern of frames. Any thread; reads the disk."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from qi.errors import Invalid, NotFound

FRAME_MARK = re.compile(r"#+|%0?\d*d|\*")
"""`name.####.exr`, `name.%04d.exr`, `name.*.exr`."""


def require_sources(sources: Iterable[str]) -> None:
    """Raises :class:`NotFound` for a source without a single file, :class:`Invalid` for one that is not absolute."""
    named = list(sources)
    if not named:
        raise Invalid("there is nothing to publish", remedy="name a file or a pattern such as 'plate.####.exr'")
    for source in named:
        path = Path(source)
        if not path.is_absolute():
            raise Invalid(f"'{source}' is not an absolute path", fields={"sources": "must be absolute"})
        if path.is_dir():
            raise Invalid(f"{source} is a folder", remedy="name its files, for example with 'name.####.exr'")
        if not path.is_file() and not _any_frame(path):
            raise NotFound(f"there is no such file: {source}", remedy="check the path and the pattern", source=source)


def _any_frame(pattern: Path) -> bool:
    if not FRAME_MARK.search(pattern.name) or not pattern.parent.is_dir():
        return False
    parts = FRAME_MARK.split(pattern.name)
    wanted = re.compile(r"-?\d+".join(re.escape(part) for part in parts))
    return any(wanted.fullmatch(entry.name) for entry in pattern.parent.iterdir())

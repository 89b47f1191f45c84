"""The marker: a hidden file that says which publish a folder belongs to, and what lies in it.

Nothing is ever removed from a folder whose marker does not name the publish that asks. Any thread.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from events.record import Digest
from qi.errors import Conflict
from qi.integrate.disk import sync_folder
from qi.integrate.plan import MARKER

FORMAT = 1
_NEW = f"{MARKER}.new"

Listing: TypeAlias = Mapping[str, tuple[int, Digest]]
"""Name in the folder → size in bytes and BLAKE3."""


@dataclass(frozen=True, slots=True)
class Marker:
    publish: str
    """Id of the publish that made the folder."""
    files: Listing | None
    """What lies in the folder, all of it proven and durable; None while files are still on their way."""


def write_marker(folder: Path, publish: str, files: Listing | None) -> None:
    """Put the marker into `folder`, in one step; durable on return."""
    content = json.dumps({"format": FORMAT, "publish": publish, "files": files}, ensure_ascii=False, sort_keys=True)
    with (folder / _NEW).open("w", encoding="utf-8") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    (folder / _NEW).replace(folder / MARKER)
    sync_folder(folder)


def read_marker(folder: Path) -> Marker | None:
    """The folder's marker; None when it is no folder, or has no marker that can be read."""
    if folder.is_symlink():
        return None
    try:
        content = json.loads((folder / MARKER).read_text(encoding="utf-8"))
        files = content["files"]
        listing = (
            None if files is None else {name: (int(size), Digest(digest)) for name, (size, digest) in files.items()}
        )
        return Marker(str(content["publish"]), listing)
    except (FileNotFoundError, NotADirectoryError, ValueError, KeyError, TypeError, AttributeError):
        return None


def staged_names(folder: Path) -> tuple[str, ...]:
    """Names of the files in `folder`, the marker left out, sorted."""
    found = (Path(place) / name for place, _, names in os.walk(folder) for name in names)
    names = {path.relative_to(folder).as_posix() for path in found}
    return tuple(sorted(names - {MARKER, _NEW}))


def discard_others(folder: Path, planned: frozenset[str]) -> None:
    """Leave only planned files, the folders they lie in, and the marker."""
    for place, folders, files in os.walk(folder, topdown=False):
        for name in files:
            path = Path(place) / name
            if path.relative_to(folder).as_posix() not in planned | {MARKER}:
                path.unlink()
        for name in folders:
            path = Path(place) / name
            if path.is_symlink():
                path.unlink()
            elif not any(path.iterdir()):
                path.rmdir()


def remove_marked(folder: Path, publish: str) -> bool:
    """Remove `folder` if it is the publish's; the marker goes last, so that a kill leaves it recognisable.

    Whether it was there. Raises :class:`Conflict` when it holds something and no marker of this publish.
    """
    if folder.is_symlink() or not folder.is_dir():
        return False
    marker = read_marker(folder)
    content = [entry for entry in folder.iterdir() if entry.name not in (MARKER, _NEW)]
    if (content or marker) and (marker is None or marker.publish != publish):
        raise Conflict(f"'{folder}' does not carry this publish's marker and stays.", path=str(folder), publish=publish)
    for entry in content:
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()
    for name in (_NEW, MARKER):
        (folder / name).unlink(missing_ok=True)
    folder.rmdir()
    sync_folder(folder.parent)
    return True

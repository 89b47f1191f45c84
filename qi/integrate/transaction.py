"""The integrate transaction: a version appears on the disk whole, or not at all.

The steps, each found out by :func:`inspect` after a kill, and each repeatable::

    claim    .v003.qi appears beside v003, with a marker that names the publish
    stage    the files are copied into it, hashed and synced; then the marker lists them
    commit   .v003.qi is renamed to v003, which must not be there
    abandon  instead of commit: .v003.qi goes away, if the marker is this publish's

The name of the claim does not depend on the publish, so of two studios on one disk only one can hold it, and it
becomes the version by the very rename that gives it up. The marker stays in the version as a hidden file: whose it
is and what lay in it can be proven later. A claim is made under a private name and renamed into place, so there is
never one without its marker. Any thread; one at a time for one publish.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from qi.errors import Conflict, Gone, QiError
from qi.integrate.copying import COPY_THREADS, stage_file
from qi.integrate.disk import make_parents, rename_folder, require_inside, sync_folder
from qi.integrate.marker import Listing, discard_others, read_marker, remove_marked, staged_names, write_marker
from qi.integrate.plan import Place, Plan

_VERSION = re.compile(r"(?:v(\d+)|\.v(\d+)\.qi)", re.IGNORECASE | re.ASCII)


class State(StrEnum):
    """How far the disk says an integration has come."""

    NOTHING = "nothing"
    """Neither claim nor version is there."""
    CLAIMED = "claimed"
    """This publish holds the version; no file is staged."""
    STAGING = "staging"
    """Some files are staged; not all are proven."""
    STAGED = "staged"
    """All files are staged, proven and durable."""
    COMMITTED = "committed"
    """The version is there and is this publish's."""
    FOREIGN = "foreign"
    """The version, or the claim on it, is somebody else's."""


@dataclass(frozen=True, slots=True)
class Found:
    """What :func:`inspect` found."""

    state: State
    owner: str = ""
    """Id of the publish that holds claim or version; empty when nobody does or nothing says who."""
    files: tuple[str, ...] = ()
    """Names of the files staged or published."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far :func:`stage` has come."""

    files: int
    total_files: int
    size: int
    """Bytes."""
    total_size: int
    name: str
    """The file that was finished last."""


def claim(place: Place) -> None:
    """Take the version for this publish; harmless when it already has it.

    Raises :class:`Conflict` (`owner`) when the version or a claim on it is there: reserve a higher number. Raises
    :class:`NotFound`, :class:`Invalid` and :class:`OSError` as :func:`~qi.integrate.disk.make_parents`.
    """
    make_parents(place.destination.parent, place.root)
    found = inspect(place)
    if found.state not in (State.NOTHING, State.FOREIGN):
        return
    remove_marked(place.private, place.publish)
    if found.state is State.FOREIGN:
        abandon(place)
        raise _taken(place, found.owner)
    place.private.mkdir()
    try:
        write_marker(place.private, place.publish, None)
        rename_folder(place.private, place.staging)
    except FileExistsError:
        remove_marked(place.private, place.publish)
        raise _taken(place, inspect(place).owner) from None
    except OSError:
        # Nothing names this folder yet: a full disk must not be left with it.
        with contextlib.suppress(OSError):
            remove_marked(place.private, place.publish)
        raise
    sync_folder(place.destination.parent)
    # The former holder's commit may have come between looking and claiming: its rename freed the claim's name.
    if os.path.lexists(place.destination):
        owner = inspect(place).owner
        abandon(place)
        raise _taken(place, owner)


def stage(plan: Plan, progress: Callable[[Progress], None] | None = None) -> None:
    """Copy the plan's files into the claim; what is already there and right is kept. Harmless after the commit.

    `progress` is called in this thread after each file; what it raises stops the staging. On return every file is
    proven and durable. Raises :class:`Conflict` when the claim is not this publish's or a source has changed,
    :class:`Gone` when a source or the claim is not there, :class:`OSError` when the disk fails or is full, and as
    :func:`~qi.integrate.disk.require_inside`.
    """
    place, listing = plan.place, _listing(plan)
    require_inside(place.destination.parent, place.root)
    if inspect(place).state is State.COMMITTED:
        return
    marker = read_marker(place.staging)
    if marker is None or marker.publish != place.publish:
        raise _not_ours(place)
    if marker.files == listing:
        return
    if marker.files is not None:
        write_marker(place.staging, place.publish, None)
    discard_others(place.staging, frozenset(listing))
    targets = {file: place.staging / file.name for file in plan.files}
    for target in targets.values():
        target.parent.mkdir(parents=True, exist_ok=True)
    done = size = 0
    with ThreadPoolExecutor(COPY_THREADS, thread_name_prefix="qi-copy") as pool:
        copies = {pool.submit(stage_file, file, target): file for file, target in targets.items()}
        try:
            for copy in as_completed(copies):
                copy.result()
                done, size = done + 1, size + copies[copy].size
                if progress is not None:
                    progress(Progress(done, len(targets), size, plan.size, copies[copy].name))
        finally:
            pool.shutdown(cancel_futures=True)
    folders = {folder for target in targets.values() for folder in target.parents}
    for folder in sorted(folders, reverse=True):
        if folder.is_relative_to(place.staging):
            sync_folder(folder)
    write_marker(place.staging, place.publish, listing)


def commit(plan: Plan) -> None:
    """Make the staged version visible, in one step; harmless when it already is.

    Raises :class:`Conflict` when the version is somebody else's, or not all of the plan is staged; else as
    :func:`stage`.
    """
    place = plan.place
    require_inside(place.destination.parent, place.root)
    found = inspect(place)
    if found.state is State.FOREIGN or found.state is State.NOTHING:
        raise _not_ours(place)
    published = found.state is State.COMMITTED
    marker = read_marker(place.destination if published else place.staging)
    if marker is None or marker.files != _listing(plan):
        raise Conflict(
            f"'{place.destination}' does not hold the files that were planned.",
            remedy="Publish again." if published else "Stage the files first.",
            state=found.state,
        )
    if not published:
        try:
            rename_folder(place.staging, place.destination)
        except FileExistsError:
            raise _taken(place, inspect(place).owner) from None
    sync_folder(place.destination.parent)


def abandon(place: Place) -> bool:
    """Remove what this publish has staged and free the version; whether there was anything.

    Folders without this publish's marker stay. Raises :class:`Conflict` when the version is committed.
    """
    if inspect(place).state is State.COMMITTED:
        raise Conflict(f"'{place.destination}' is published and stays.", publish=place.publish)
    removed = remove_marked(place.private, place.publish)
    marker = read_marker(place.staging)
    if marker is None or marker.publish != place.publish:
        return removed
    # First the name is given up, so that a kill leaves no claim on a version that nobody is making.
    rename_folder(place.staging, place.private)
    sync_folder(place.destination.parent)
    return remove_marked(place.private, place.publish)


def inspect(place: Place) -> Found:
    """How far this publish has come, told by the disk alone."""
    if os.path.lexists(place.destination):
        marker = read_marker(place.destination)
        if marker is None or marker.publish != place.publish:
            return Found(State.FOREIGN, marker.publish if marker else "")
        return Found(State.COMMITTED, place.publish, tuple(sorted(marker.files or ())))
    if not os.path.lexists(place.staging):
        return Found(State.NOTHING)
    marker = read_marker(place.staging)
    if marker is None or marker.publish != place.publish:
        return Found(State.FOREIGN, marker.publish if marker else "")
    if marker.files is not None:
        return Found(State.STAGED, place.publish, tuple(sorted(marker.files)))
    staged = staged_names(place.staging)
    return Found(State.STAGING if staged else State.CLAIMED, place.publish, staged)


def existing_versions(folder: Path) -> tuple[int, ...]:
    """The version numbers that a product's folder holds, published or claimed, rising. None when it is not there."""
    try:
        names = [entry.name for entry in folder.iterdir()]
    except (FileNotFoundError, NotADirectoryError):
        return ()
    matches = (_VERSION.fullmatch(name) for name in names)
    return tuple(sorted({int(match[1] or match[2]) for match in matches if match}))


def _listing(plan: Plan) -> Listing:
    return {file.name: (file.size, file.digest) for file in plan.files}


def _not_ours(place: Place) -> QiError:
    found = inspect(place)
    if found.state is not State.NOTHING:
        return _taken(place, found.owner)
    return Gone(
        f"'{place.staging}', which this publish had claimed, is no longer there.",
        remedy="Is the disk mounted? Bring the folder back and resume the publish, or publish again.",
        path=str(place.staging),
    )


def _taken(place: Place, owner: str) -> Conflict:
    whose = f"publish {owner}" if owner and owner != place.publish else "something that is not this publish's"
    return Conflict(
        f"The version '{place.destination}' is not this publish's to write: there is {whose}.",
        remedy="Reserve a higher version.",
        path=str(place.destination),
        owner=owner,
    )

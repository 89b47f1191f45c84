"""Files that are there as a whole or not at all, and the lock that lets one process write at a time. Any thread."""

from __future__ import annotations

import os
import secrets
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from qi.errors import Busy

LOCK_WAIT_S = 10.0
LOCK_POLL_S = 0.005
RETRY_MS = 500
TEMPORARY = ".new-"
"""Begins the names of files that are not finished; readers pass them over."""


def write_all(folder: Path, contents: Mapping[str, bytes]) -> None:
    """Put these files (name → content) into `folder`. Each becomes visible whole, in the order given; all are on the
    disk on return."""
    staged = [(_written(folder, content), folder / name) for name, content in contents.items()]
    for temporary, target in staged:
        temporary.replace(target)
    _sync_folder(folder)


def write_unsynced(path: Path, content: bytes) -> None:
    """Put a file that may be lost in a power failure, whole or not at all; while the lock is held. What a killed
    process left of it the next one takes."""
    temporary = path.with_name(f"{TEMPORARY}{path.name}")
    temporary.write_bytes(content)
    temporary.replace(path)


def make_folder(folder: Path) -> None:
    """Make `folder` and what is missing above it, on the disk on return."""
    if not folder.is_dir():
        make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        _sync_folder(folder.parent)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock file `path`; it is free again when its holder ends, however it ends. Raises :class:`Busy`."""
    deadline = time.monotonic() + LOCK_WAIT_S
    with path.open("ab") as file:
        while not _lock(file.fileno()):
            if time.monotonic() > deadline:
                raise Busy("another process is writing to the tracker", remedy="Try again.", retry_ms=RETRY_MS)
            time.sleep(LOCK_POLL_S)
        try:
            yield
        finally:
            _unlock(file.fileno())


def _written(folder: Path, content: bytes) -> Path:
    temporary = folder / f"{TEMPORARY}{secrets.token_hex(8)}"
    with temporary.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return temporary


if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> bool:
        try:
            os.lseek(descriptor, 0, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def _unlock(descriptor: int) -> None:
        os.lseek(descriptor, 0, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)

    def _sync_folder(folder: Path) -> None:
        """Windows writes its folders through."""

else:
    import fcntl

    def _lock(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _unlock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_UN)

    def _sync_folder(folder: Path) -> None:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

"""Copying one file so that what arrives is proven: hashed while it is copied, and on the disk before it counts.

Any thread; hashing, reading and writing release the interpreter, so a few files at a time pay.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

from blake3 import blake3

from events.record import Digest
from qi.errors import Conflict, Gone
from qi.integrate.plan import PlannedFile

CHUNK_BYTES = 1 << 20
"""Small enough to stay in the processor's cache between reading, hashing and writing."""

COPY_THREADS = 4
"""Files under way at a time: while one waits for the disk, the next is read and hashed."""

_FICLONE = 0x40049409


def digest_file(path: Path) -> tuple[int, Digest]:
    """Size in bytes and BLAKE3 of a file. Raises :class:`OSError`."""
    with path.open("rb", buffering=0) as file:
        return _digest(file)


def digest_files(paths: Iterable[Path]) -> list[tuple[int, Digest]]:
    """:func:`digest_file` of each, a few at a time."""
    with ThreadPoolExecutor(COPY_THREADS, thread_name_prefix="qi-digest") as pool:
        return list(pool.map(digest_file, paths))


def stage_file(file: PlannedFile, target: Path) -> None:
    """Make `target` equal to what was planned; it is durable on return (the folder's list of names is not yet).

    A target that already is right is kept, a wrong one replaced. A new one is a reflink where the disk can, a hard
    link where the plan allows it, else a copy. Raises :class:`Gone` when the source is not there, :class:`Conflict`
    when it no longer is what was planned, and :class:`OSError`.
    """
    if os.path.lexists(target):
        if _is_right(file, target):
            return
        # Never truncated in place: it may be a hard link, and its other name is not ours to empty.
        target.unlink()
    try:
        found = _proven(target) if file.linkable and _link(file.source, target) else _copy(file.source, target)
    except OSError as failed:
        if failed.filename is None:  # a write says only what went wrong, not where
            failed.filename = str(target)
        if not isinstance(failed, FileNotFoundError):
            raise
        if file.source.exists():
            raise
        raise Gone(
            f"'{file.source}' is no longer there.",
            remedy="Put it back and resume the publish, or publish again.",
            path=str(file.source),
        ) from failed
    if found != (file.size, file.digest):
        target.unlink()
        raise Conflict(
            f"'{file.source}' has changed since the publish was planned.",
            remedy="Publish again, so that the checks see the file as it is now.",
            path=str(file.source),
            expected=file.digest,
            actual=found[1],
        )


def _is_right(file: PlannedFile, target: Path) -> bool:
    status = target.lstat()
    return stat.S_ISREG(status.st_mode) and status.st_size == file.size and _proven(target) == (file.size, file.digest)


def _proven(target: Path) -> tuple[int, Digest]:
    """Size and digest of `target`, which is durable on return."""
    with target.open("rb", buffering=0) as file:
        found = _digest(file)
        os.fsync(file.fileno())
    return found


def _copy(source: Path, target: Path) -> tuple[int, Digest]:
    with source.open("rb", buffering=0) as reader, target.open("xb+", buffering=0) as writer:
        found = _digest(writer) if _clone(reader, writer) else _stream(reader, writer)
        os.fsync(writer.fileno())
    return found


def _stream(reader: BinaryIO, writer: BinaryIO) -> tuple[int, Digest]:
    hasher, size = blake3(), 0
    view = memoryview(bytearray(CHUNK_BYTES))
    while count := _read_into(reader, view):
        hasher.update(view[:count])
        size += count
        written = 0
        while written < count:
            written += writer.write(view[written:count])
    return size, Digest(hasher.hexdigest())


def _digest(reader: BinaryIO) -> tuple[int, Digest]:
    hasher, size = blake3(), 0
    view = memoryview(bytearray(CHUNK_BYTES))
    while count := _read_into(reader, view):
        hasher.update(view[:count])
        size += count
    return size, Digest(hasher.hexdigest())


def _read_into(reader: BinaryIO, view: memoryview) -> int:
    count: int | None = reader.readinto(view)  # type: ignore[attr-defined]  # typeshed's BinaryIO lacks it
    return count or 0


def _clone(reader: BinaryIO, writer: BinaryIO) -> bool:
    """Share the source's blocks copy-on-write, where the file system can (Btrfs, XFS, and servers of them)."""
    if sys.platform != "linux":
        return False
    import fcntl

    try:
        fcntl.ioctl(writer.fileno(), _FICLONE, reader.fileno())
    except OSError as refused:
        if refused.errno in (errno.EOPNOTSUPP, errno.EXDEV, errno.EINVAL, errno.ENOTTY, errno.ENOSYS, errno.EPERM):
            return False
        raise
    return True


def _link(source: Path, target: Path) -> bool:
    """Whether a hard link could be made; not across file systems, and not of a symbolic link."""
    if source.is_symlink():
        return False
    try:
        os.link(source, target)
    except OSError as refused:
        if refused.errno in (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EACCES):
            return False
        raise
    return True

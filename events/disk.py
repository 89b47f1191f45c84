"""Durable writes of small files, and which disks a database may lie on. Any thread."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path

import psutil

from events.errors import Invalid
from events.ids import new_id

NETWORK_FILE_SYSTEMS = frozenset({
    "9p", "afpfs", "afs", "beegfs", "ceph", "cifs", "davfs", "fuse.ceph", "fuse.glusterfs", "fuse.rclone",
    "fuse.sshfs", "glusterfs", "gpfs", "lustre", "ncpfs", "nfs", "nfs4", "panfs", "smb2", "smb3", "smbfs", "webdav",
})  # fmt: skip
"""File systems whose locks SQLite cannot rely on."""


def write_atomically(path: Path, content: bytes, *, mode: int = 0o644) -> None:
    """Replace a file: after a crash it holds the old content or the new. Raises :class:`OSError`."""
    temporary = path.with_name(f".{path.name}.{new_id()}.tmp")
    try:
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the folder's entries durable. Windows has no such call and needs none: its renames are journalled."""
    if sys.platform == "win32":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def require_local(path: Path) -> None:
    """Raises :class:`Invalid` when the path lies on a network file system."""
    mounts = [(mount.mountpoint, mount.fstype, mount.opts) for mount in psutil.disk_partitions(all=True)]
    kind = network_file_system(path.resolve(), mounts)
    if kind:
        raise Invalid(
            f"'{path}' lies on a network file system ({kind}), where a database cannot be locked safely",
            remedy="Choose a home on a local disk.",
            path=str(path),
            file_system=kind,
        )


def network_file_system(path: Path, mounts: Iterable[tuple[str, str, str]]) -> str:
    """The type of the network file system that holds an absolute path, or "" when its disk is local.

    `mounts` are (mount point, type, options); of two mounts at one point the later one counts.
    """
    text = str(path)
    if text.startswith(("\\\\", "//")):
        return "a network share"
    longest, kind = -1, ""
    for point, file_system, options in mounts:
        inside = path == Path(point) or Path(point) in path.parents
        if inside and len(point) >= longest:
            remote = file_system.lower() in NETWORK_FILE_SYSTEMS or "remote" in options.split(",")
            longest, kind = len(point), (file_system or "remote") if remote else ""
    return kind

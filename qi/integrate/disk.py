"""The few things a transaction needs of a file system: durable folders, and a rename that refuses to replace.

Any thread.
"""

from __future__ import annotations

import ctypes
import errno
import os
import sys
from functools import cache
from pathlib import Path
from typing import Any

from qi.errors import Conflict, Invalid, NotFound

_AT_FDCWD = -100
_RENAME_NOREPLACE = 1
_RENAME_EXCL = 4
_CANNOT = (errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP)
_TAKEN = (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR, errno.EACCES)


def sync_folder(folder: Path) -> None:
    """Make the folder's list of names durable. Windows cannot and need not."""
    if sys.platform == "win32":
        return
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def rename_folder(source: Path, target: Path) -> None:
    """Rename a folder that is not empty, in one step; `target` must not be there.

    Raises :class:`FileExistsError` when it is, and other :class:`OSError`. File systems that cannot refuse (NFS, SMB)
    fall back to a plain rename: it replaces no file and no folder with anything in it, which is every folder of ours.
    """
    if os.path.lexists(target):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))
    if (code := _rename_exclusively(source, target)) == 0:
        return
    if code in _CANNOT:
        try:
            source.rename(target)
        except OSError as refused:
            code = refused.errno or errno.EIO
        else:
            return
    if code in _TAKEN and os.path.lexists(target):
        code = errno.EEXIST
    raise OSError(code, os.strerror(code), str(source), None, str(target))


def _rename_exclusively(source: Path, target: Path) -> int:
    """0, or the error number."""
    before, after = os.fsencode(source), os.fsencode(target)
    library = _libc()
    if sys.platform == "linux" and hasattr(library, "renameat2"):
        done = library.renameat2(_AT_FDCWD, before, _AT_FDCWD, after, _RENAME_NOREPLACE)
    elif sys.platform == "darwin" and hasattr(library, "renamex_np"):
        done = library.renamex_np(before, after, _RENAME_EXCL)
    else:
        return errno.ENOSYS
    return 0 if done == 0 else ctypes.get_errno()


@cache
def _libc() -> Any:
    return None if sys.platform == "win32" else ctypes.CDLL(None, use_errno=True)


def require_inside(folder: Path, root: Path) -> None:
    """Raises :class:`NotFound` when the root is not there (an unmounted disk), :class:`Invalid` when a link leads
    `folder` out of it."""
    if not root.is_dir():
        raise NotFound(
            f"The root '{root}' is not there.", remedy="Mount its disk, then resume the publish.", path=str(root)
        )
    for level in reversed((folder, *folder.parents)):
        if level.is_relative_to(root) and not level.resolve().is_relative_to(root.resolve()):
            raise Invalid(
                f"'{level}' is a link that leads out of '{root}'.",
                remedy="Put a folder in its place, or set the project's root to where it leads.",
                fields={"destination": "leaves its root"},
            )


def make_parents(folder: Path, root: Path) -> None:
    """Make `folder` and the levels between it and `root`, each durable.

    Raises as :func:`require_inside` (what is not mounted is not to be made), and :class:`Conflict` when a file stands
    in the way.
    """
    require_inside(folder, root)
    for level in reversed((folder, *folder.parents)):
        if level == root or not level.is_relative_to(root):
            continue
        try:
            level.mkdir()
        except FileExistsError:
            if not level.is_dir():
                raise Conflict(
                    f"'{level}' is a file where a folder should be.", remedy="Move it away.", path=str(level)
                ) from None
        else:
            sync_folder(level.parent)

"""What a disk says when it will not: full, read-only, gone. In words that tell what to do. Any thread.

Pure standard library; without `sqlite3` and `apsw` too, whose errors are told by their code.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from qi.errors import Invalid, QiError

ROOM = "make room there"
MOUNTED = "see that the disk is mounted and its server answers"
RIGHTS = "see that it may be written: how it is mounted, and whose it is"
SHORTER = "use shorter names"

SAID = {
    errno.ENOSPC: ("the disk is full", ROOM),
    errno.EDQUOT: ("the quota of the disk is used up", ROOM),
    errno.EROFS: ("the disk is read-only", RIGHTS),
    errno.EACCES: ("it may not be written", RIGHTS),
    errno.EPERM: ("it may not be written", RIGHTS),
    errno.ENOENT: ("it is not there", MOUNTED),
    errno.ENODEV: ("the disk is gone", MOUNTED),
    errno.ENXIO: ("the disk is gone", MOUNTED),
    errno.ESTALE: ("the disk is gone", MOUNTED),
    errno.ENOTCONN: ("the disk is gone", MOUNTED),
    errno.EIO: ("the disk cannot be read or written", MOUNTED),
    errno.ENAMETOOLONG: ("the name is too long for the disk", SHORTER),
    errno.ENOTDIR: ("what it should lie in is no folder", "name a folder"),
    errno.ELOOP: ("its links lead in a circle", "put a file or folder in the place of the link"),
}
"""Error number → what it means, what to do."""

MISNAMED = (errno.ENAMETOOLONG, errno.ENOTDIR, errno.ELOOP)
"""The path alone is to blame, on any disk in any state."""

_SQLITE = {8: errno.EROFS, 10: errno.EIO, 13: errno.ENOSPC, 14: errno.ENOENT}
"""Primary result code (READONLY, IOERR, FULL, CANTOPEN) → the error number that means the same."""


def disk_error(error: BaseException) -> QiError | None:
    """`error` as a user may read it, with `path` and `errno` where they are known; None when no disk is to blame.
    :class:`Invalid` where it is the name alone."""
    if isinstance(error, OSError):
        number, path = error.errno, str(error.filename or "")
    else:
        code = getattr(error, "sqlite_errorcode", 0) or (getattr(error, "result", 0) if _is_apsws(error) else 0)
        number, path = _SQLITE.get(code & 0xFF), ""
    if number not in SAID:
        return None
    why, remedy = SAID[number]
    what = f"'{path}' cannot be used" if path else "a file cannot be used"
    kind = Invalid if number in MISNAMED else QiError
    return kind(f"{what}: {why}", remedy=remedy, path=path, errno=errno.errorcode[number])


@contextmanager
def named_by_caller(path: str) -> Iterator[Path]:
    """Around a look at a path that whoever asks has named. It begins at the root, for he does not know the folder this
    process runs in; and what the disk says of it is :class:`Invalid` input, no fault of whoever answers."""
    named = Path(path)
    if not named.is_absolute():
        raise Invalid(f"'{path}' does not say where it lies", remedy="name the whole path, from the root", path=path)
    try:
        yield named
    except OSError as error:
        known = disk_error(error)
        if known is None:
            raise
        raise Invalid(known.message, remedy=known.remedy, **known.data) from error


def _is_apsws(error: BaseException) -> bool:
    return type(error).__module__ == "apsw"

"""What a disk says when it will not: full, read-only, gone. In words that tell what to do. Any thread.

Pure standard library; without `sqlite3` and `apsw` too, whose errors are told by their code.
"""

from __future__ import annotations

import errno

from qi.errors import QiError

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
    errno.ELOOP: ("its links lead in a circle", "put a file or folder in the place of the link"),
}
"""Error number → what it means, what to do."""

_SQLITE = {8: errno.EROFS, 10: errno.EIO, 13: errno.ENOSPC, 14: errno.ENOENT}
"""Primary result code (READONLY, IOERR, FULL, CANTOPEN) → the error number that means the same."""


def disk_error(error: BaseException) -> QiError | None:
    """`error` as a user may read it, with `path` and `errno` where they are known; None when no disk is to blame."""
    if isinstance(error, OSError):
        number, path = error.errno, str(error.filename or "")
    else:
        code = getattr(error, "sqlite_errorcode", 0) or (getattr(error, "result", 0) if _is_apsws(error) else 0)
        number, path = _SQLITE.get(code & 0xFF), ""
    if number not in SAID:
        return None
    why, remedy = SAID[number]
    what = f"'{path}' cannot be used" if path else "a file cannot be used"
    return QiError(f"{what}: {why}", remedy=remedy, path=path, errno=errno.errorcode[number])


def _is_apsws(error: BaseException) -> bool:
    return type(error).__module__ == "apsw"

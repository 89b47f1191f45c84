"""The error family for users of the SDK; see :mod:`events.errors` for the tree."""

from events.errors import (
    BadRequest,
    Busy,
    Conflict,
    CorruptLog,
    DeadlineExceeded,
    Forbidden,
    Gone,
    Invalid,
    Locked,
    Loop,
    NotFound,
    QiError,
    Unauthenticated,
    Unavailable,
    from_reply,
)

__all__ = [
    "BadRequest",
    "Busy",
    "Conflict",
    "CorruptLog",
    "DeadlineExceeded",
    "Forbidden",
    "Gone",
    "Invalid",
    "Locked",
    "Loop",
    "NotFound",
    "QiError",
    "Unauthenticated",
    "Unavailable",
    "from_reply",
]

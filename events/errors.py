"""The one error family of Qi.

Numbers follow HTTP, so that every actor, the CLI and a browser read them alike::

    QiError                     500  base: message, remedy, data
    ├── BadRequest              400  the message itself is malformed
    ├── Unauthenticated         401  no such session, wrong password
    ├── Forbidden               403  the session may not do this
    ├── NotFound                404  nothing has that name or id
    ├── Conflict                409  expected one version, found another
    ├── Gone                    410  it existed and no longer does
    ├── Invalid                 422  well-formed, but breaks a rule; `fields` says where
    ├── Locked                  423  a frozen thing was to be changed
    ├── Busy                    429  mailbox full; `retry_ms` is a hint
    ├── Unavailable             503  nobody serves this topic
    ├── DeadlineExceeded        504  no answer in time
    ├── Loop                    508  a request came back to an actor it had passed
    └── CorruptLog              500  the log's proof fails; `position` is the first bad one

Each error crosses the mesh as its :meth:`QiError.as_reply` and comes back as the same class.
Pure standard library: this module also runs inside foreign interpreters. Any thread.
"""

from __future__ import annotations

from typing import Any, ClassVar


class QiError(Exception):
    """What happened, and what the reader can do about it.

    `message` is one sentence for a person, `remedy` one more or empty, `data` JSON-ready facts.
    """

    code: ClassVar[int] = 500

    def __init__(self, message: str, *, remedy: str = "", **data: Any) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        self.data = data

    def as_reply(self) -> dict[str, Any]:
        """The error as it travels: `code`, `kind`, `message`, `remedy`, `data`."""
        return {
            "code": self.code,
            "kind": type(self).__name__,
            "message": self.message,
            "remedy": self.remedy,
            "data": self.data,
        }


class BadRequest(QiError):
    code = 400


class Unauthenticated(QiError):
    code = 401


class Forbidden(QiError):
    code = 403


class NotFound(QiError):
    code = 404


class Conflict(QiError):
    """`data` holds `stream`, `expected` and `actual` (versions) where a stream was concerned."""

    code = 409


class Gone(QiError):
    code = 410


class Invalid(QiError):
    """`data["fields"]` maps a dotted field path to what is wrong with it, where fields are concerned."""

    code = 422


class Locked(QiError):
    code = 423


class Busy(QiError):
    """`data["retry_ms"]` hints when to try again, in milliseconds."""

    code = 429


class Unavailable(QiError):
    code = 503


class DeadlineExceeded(QiError):
    code = 504


class Loop(QiError):
    code = 508


class CorruptLog(QiError):
    """`data["position"]` is the first position that does not verify."""

    code = 500


_KINDS: dict[str, type[QiError]] = {
    kind.__name__: kind
    for kind in (
        QiError, BadRequest, Unauthenticated, Forbidden, NotFound, Conflict, Gone, Invalid, Locked, Busy,
        Unavailable, DeadlineExceeded, Loop, CorruptLog,
    )
}  # fmt: skip


def from_reply(reply: dict[str, Any]) -> QiError:
    """The error that :meth:`QiError.as_reply` described; an unknown kind becomes a plain :class:`QiError`."""
    kind = _KINDS.get(str(reply.get("kind")), QiError)
    data = reply.get("data")
    safe = {str(k): v for k, v in data.items() if k not in ("message", "remedy")} if isinstance(data, dict) else {}
    return kind(str(reply.get("message", "unknown error")), remedy=str(reply.get("remedy", "")), **safe)

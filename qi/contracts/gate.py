"""The gate: who is let in by the broker, and what it keeps out."""

from __future__ import annotations

from typing import Annotated

from qi.limits import Name, PathText, Prose, Token
from qi.messages import STUDIO_ONLY, Done, Request, message


@message
class RenewRights(Request[Done], topic="gate.renew", needs=STUDIO_ONLY):
    """What this user may do has changed: the connections it concerns are cut, and come back with the rights of now."""

    user: Name


@message
class ReportRefusal(Request[Done], topic="gate.report", needs=STUDIO_ONLY):
    """The broker kept a session from a subject."""

    session: Annotated[str, Prose]
    what: Token
    """`publish` or `subscribe`."""
    subject: PathText
    address: Name = ""

"""What every actor answers, whatever else it does."""

from __future__ import annotations

from qi.messages import STUDIO_ONLY, Request, message

OK = "ok"


@message
class Pong:
    """An actor's own word that its thread turns."""

    name: str
    state: str
    """What it says of itself, one line; usually `ok`."""


@message
class Ping(Request[Pong], topic="mesh.ping", needs=STUDIO_ONLY, timeout_s=2.0):
    """Travels through the mailbox like any request, so that an answer proves the actor's thread."""

"""How a process reaches the broker. Pure standard library; any thread."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

GUEST = "guest."
"""How the secret of a participant begins that has not logged in: it is nobody's, and tells this guest from others."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """How this process reaches the broker."""

    url: str
    user: str = ""
    """One of the users that `nats.conf` names; empty for a session, which speaks under its own id."""
    password: str = field(default="", repr=False)
    """Of that user; of a session, the token that opens it."""
    ca: str = ""
    """PEM file of the certificates to trust, where the broker asks for TLS; empty: those of the system."""


def guest(url: str, ca: str = "") -> Credentials:
    """Of a participant that has no token: it may log in, and nothing else."""
    return Credentials(url, password=GUEST + secrets.token_urlsafe(24), ca=ca)

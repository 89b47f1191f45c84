"""Secrets: kept encrypted, named by settings, given to those who may read them."""

from __future__ import annotations

from dataclasses import field
from typing import Annotated

from qi.limits import Name, Prose, Text, Token
from qi.messages import Done, Request, message

Value = Annotated[str, Text(64_000)]


@message
class SecretInfo:
    """All there is to know of a secret without reading it."""

    name: str
    version: int
    """The newest."""
    stored_by: str
    stored_at: int
    """Microseconds since the epoch."""


@message
class SecretList:
    secrets: tuple[SecretInfo, ...]
    kept_in: str
    """Where the master key is: `keyring`, or the file it lies in."""


@message
class SecretValue:
    name: str
    version: int
    value: str = field(repr=False)


@message
class StoreSecret(Request[SecretInfo], topic="secret.store", needs="secret.write"):
    """Keep a secret, or a new value of it. Settings name it as `{"secret": "<name>"}`."""

    name: Name
    value: Value = field(repr=False)
    command: Token = ""


@message
class ReadSecret(Request[SecretValue], topic="secret.read", needs="secret.read"):
    """The value of today, or of an earlier version. That it was read is an event."""

    name: Name
    version: int = 0
    """0: the newest."""
    purpose: Prose = ""


@message
class RemoveSecret(Request[Done], topic="secret.remove", needs="secret.write"):
    """Forget a secret in all its versions."""

    name: Name
    reason: Prose = ""
    command: Token = ""


@message
class ListSecrets(Request[SecretList], topic="secret.list", needs="read"):
    """Names and versions; never a value."""

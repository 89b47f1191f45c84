"""Bundles: what is pinned, and what the pointers point at."""

from __future__ import annotations

from dataclasses import field
from typing import Annotated

from qi.limits import Items, Name, Prose, Text, Token
from qi.messages import Request, message


@message
class PinnedAddon:
    name: str
    version: str
    digest: str
    """Of the addon's folder as it lies in the content store."""
    path: str = ""
    """Source folder; dev bundles only."""


@message
class BundleInfo:
    id: str
    name: str
    state: str
    """`dev`, `frozen` or `archived`."""
    digest: str
    """Of its content; the same content has the same digest everywhere."""
    addons: tuple[PinnedAddon, ...]
    environment: dict[str, str]
    settings: dict[str, str]
    """Bundle-scope settings, dotted path → JSON."""
    pointers: tuple[str, ...] = ()
    """`production`, `staging`, or both."""
    position: int = 0
    """Log position up to which this is known."""


@message
class BundleList:
    bundles: tuple[BundleInfo, ...]
    position: int


@message
class ListBundles(Request[BundleList], topic="bundle.list", needs="read"):
    """All bundles, oldest first."""

    after: int = 0
    """Wait until this position is known: you read what you wrote."""


@message
class GetBundle(Request[BundleInfo], topic="bundle.get", needs="read"):
    """By name, by digest (eight digits or more), or by pointer (`production`, `staging`); as of `at`, if given."""

    bundle: Name = "production"
    at: int = 0
    after: int = 0


@message
class CreateBundle(Request[BundleInfo], topic="bundle.create", needs="bundle.manage", timeout_s=60.0):
    """A new frozen bundle of the addons found now, or a dev bundle that points at their folders."""

    name: Name
    dev: bool = False
    addons: tuple[Name, ...] = ()
    """Names to take; all that are found when empty."""
    environment: Annotated[dict[str, str], Items(500)] = field(default_factory=dict)
    reason: Prose = ""
    command: Token = ""


@message
class PromoteBundle(Request[BundleInfo], topic="bundle.promote", needs="bundle.promote"):
    """Move a pointer. `replaces` names the digest it is expected to point at now; 409 when it does not."""

    bundle: Name
    pointer: Annotated[str, Text(20, "^(production|staging)$")] = "production"
    replaces: Name | None = None
    reason: Prose
    command: Token = ""


@message
class ArchiveBundle(Request[BundleInfo], topic="bundle.archive", needs="bundle.manage"):
    """Put a bundle away that nothing uses any more."""

    bundle: Name
    reason: Prose
    command: Token = ""

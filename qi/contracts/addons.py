"""Addons that were found: what each is, and its content. How they run: :mod:`qi.contracts.hosting`."""

from __future__ import annotations

from typing import Any

from qi.limits import Name, PathText, Prose, Token
from qi.messages import STUDIO_ONLY, Done, Request, message


@message
class AddonInfo:
    """An addon as it was found on disk or in the content store."""

    name: str
    version: str
    title: str
    roles: tuple[str, ...]
    folder: str
    digest: str
    problem: str = ""
    """Why it cannot be used; empty when it can."""
    contributes: tuple[str, ...] = ()
    """`actor`, `settings`, `publish plugins` …"""
    installed: bool = False
    """Whether it was installed from a package, rather than found in a folder."""
    installed_by: str = ""
    installed_at: int = 0
    """Microseconds since the epoch."""
    source: str = ""
    """Name of its archive."""


@message
class AddonList:
    addons: tuple[AddonInfo, ...]


@message
class ListAddons(Request[AddonList], topic="addon.list", needs="read"):
    """Every addon that was found in a folder, and every version that was installed."""


@message
class StoreAddon(Request[AddonInfo], topic="addon.store", needs=STUDIO_ONLY, timeout_s=60.0):
    """Put the folder of a found addon into the content store, so that a bundle can pin it."""

    name: Name
    """`name`, or `name@version` of one that is installed. A folder goes before what is installed."""
    folder: PathText = ""
    """Where it lies; where it was found, when empty."""


@message
class InstallAddon(Request[AddonInfo], topic="addon.install", needs="addon.manage", timeout_s=60.0):
    """Take the package of an addon, a file on the studio's machine, into the content store, for bundles to pin."""

    file: PathText
    reason: Prose = ""
    command: Token = ""


@message
class RemoveAddon(Request[Done], topic="addon.remove", needs="addon.manage"):
    """Let a version be found no more. Refused while a bundle pins it."""

    name: Name
    version: Name
    reason: Prose
    command: Token = ""


@message
class CheckSettings(Request[Done], topic="addon.check", needs=STUDIO_ONLY, timeout_s=30.0):
    """Do these effective settings fit the schema? Invalid, with field paths, when not."""

    name: Name
    digest: Name
    """Of the addon's folder in the content store; empty for Qi's own settings."""
    values: dict[str, Any]


@message
class Schemas:
    defaults: dict[str, dict[str, object]]
    """Addon → its default settings."""
    secrets: dict[str, tuple[str, ...]]
    """Addon → dotted paths that hold references to secrets."""
    versions: dict[str, str]
    """Addon → the version its defaults are of."""


@message
class GetSchemas(Request[Schemas], topic="addon.schemas", needs=STUDIO_ONLY, timeout_s=30.0):
    """The settings schemas of the addons with these digests."""

    digests: dict[str, str]
    """Addon name → digest of its folder in the content store."""
